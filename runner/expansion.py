"""From declared entries to tasks: foreach, defaults, needs; and everything that can be wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from runner.expansion_checks import credential_findings, text_findings
from runner.foreach import Members
from runner.graph import TaskGraph, TaskGroup
from runner.launch import Launch
from runner.names import MAX_TASK_NAME, explain_name, is_name, name_part
from runner.needs import CircleError, Needs, Span, spans
from runner.places import Finding, KeyPath
from runner.task import Task
from runner.task_model import TaskDefaults, TaskSpec
from runner.template_values import listed, names, problems, substitute

MAX_FINDINGS_OF_AN_ENTRY: Final = 20
"""Of tasks that one entry makes: the thousandth says nothing new."""


class Expansion:
    """Every entry's tasks, and everything that is wrong with them; there is a graph where nothing is."""

    def __init__(self, specs: Mapping[str, TaskSpec], defaults: TaskDefaults, variables: Mapping[str, str]) -> None:
        self.findings: list[Finding] = []
        self._variables = variables
        self._specs = {name: spec.with_defaults(defaults) for name, spec in specs.items()}
        self._groups: dict[str, TaskGroup] = {}
        self._numbers: dict[str, int] = {}
        self._finally: list[TaskGroup] = []
        if not specs:
            self.findings.append(Finding(("tasks",), "a workflow has at least one task, got none; add one"))
        for name, spec in self._specs.items():
            self._declare(name, spec)
        self.graph = self._connected()
        if self.graph is not None and not self.findings:
            self.findings += text_findings(self.graph)
        self.findings += credential_findings(self._groups.values(), variables)

    def _declare(self, name: str, spec: TaskSpec) -> None:
        """Give an entry's tasks their numbers, where their names are good."""
        for key in ("job_definition", "queue"):
            if getattr(spec, key) is None:
                text = f"needs the key {key!r}, got none; add it here or under 'defaults'"
                self.findings.append(Finding(("tasks", name), text))
        self.findings += _program_findings(name, spec) + _failure_findings(name, spec)
        members = Members(name, spec.foreach)
        self._groups[name] = TaskGroup(self._task(name, spec), members, len(self._numbers))
        for member in range(members.size):
            task_name = members.task_name(member)
            number = self._numbers.setdefault(task_name, len(self._numbers))
            if number != len(self._numbers) - 1 or number != self._groups[name].start + member:
                return self.findings.append(self._name_used_twice(name, task_name, number))
            if not is_name(task_name, MAX_TASK_NAME):
                problem = explain_name(task_name, MAX_TASK_NAME) or ""
                return self.findings.append(Finding(("tasks", name, "foreach"), problem))
        return None

    def _name_used_twice(self, name: str, task_name: str, number: int) -> Finding:
        earlier = next(group for group in self._groups.values() if group.start <= number < group.stop)
        both = dict.fromkeys((earlier.task.name, name))
        return Finding(
            ("tasks", name),
            f"a task's name is used once, got {task_name!r} from {' and '.join(both)}; "
            "rename a task, or change the foreach values that become the same name",
        )

    def _task(self, name: str, spec: TaskSpec) -> Task:
        return Task(
            name=name,
            job_definition=spec.job_definition or "",
            queue=spec.queue or "",
            command=spec.command,
            vcpus=spec.vcpus,
            memory_mib=spec.memory_mib,
            gpus=spec.gpus,
            environment=spec.environment,
            retries=spec.retries or (spec.fallback.retries() if spec.fallback else None),
            timeout_seconds=spec.timeout_seconds,
            values=self._variables,
            after=spec.after,
            inputs=spec.inputs,
            nodes=(spec.nodes or 1) if spec.is_multinode else None,
            launch=self._launch(name, spec),
            may_fail=spec.allow_failure,
            is_finally=spec.finally_,
            fallback=spec.fallback,
        )

    def _launch(self, name: str, spec: TaskSpec) -> Launch | None:
        """The program; its paths hold values of variables and foreach only: it is shipped before there is a run."""
        if spec.program is None:
            return None
        paths: dict[KeyPath, str] = {("program",): spec.program}
        paths |= {("files", index): text for index, text in enumerate(spec.files)}
        known = {**self._variables, **spec.foreach}
        self.findings += [
            Finding(("tasks", name, *key), text) for key, path in paths.items() for text in problems(path, known)
        ]
        return Launch(
            program=spec.program,
            files=spec.files,
            flags=spec.flags,
            ranks_per_node=spec.ranks_per_node,
            on_main=spec.on_main,
            label=spec.label,
        )

    def _connected(self) -> TaskGraph | None:
        """The graph, once every need is found; None where something is wrong."""
        if self.findings:
            # Which names there are is not known then; still say what is wrong in the entries' own words.
            for name, spec in self._specs.items():
                _Resolver(self, name, spec)
            return None
        self._finally = [group for group in self._groups.values() if group.task.is_finally]
        needs = Needs()
        for name, spec in self._specs.items():
            _Resolver(self, name, spec).add_to(needs)
        if self.findings:
            return None
        try:
            return TaskGraph(self._groups.values(), needs, self._numbers)
        except CircleError as error:
            circle = [self.name(task) for task in error.tasks]
            owner = next(group for group in self._groups.values() if group.start <= error.tasks[0] < group.stop)
            text = f"tasks do not wait for one another in a circle, got {' needs '.join(circle)}; remove one of these"
            self.findings.append(Finding((*owner.task.path, "needs"), text))
            return None

    def name(self, number: int) -> str:
        """A task's name."""
        group = next(group for group in self._groups.values() if group.start <= number < group.stop)
        return group.members.task_name(number - group.start)

    def span(self, wanted: str) -> Span | None:
        """The tasks that a name of an entry or task stands for."""
        group = self._groups.get(wanted)
        if group is not None:
            return group.start, group.stop
        number = self._numbers.get(wanted)
        return None if number is None else (number, number + 1)

    def known(self) -> str:
        """Names that can be needed, for a message."""
        return listed([*self._groups, *(name for name in self._numbers if name not in self._groups)])

    def is_finally(self, span: Span) -> bool:
        """Whether tasks of it run when all others have ended."""
        return any(group.start < span[1] and span[0] < group.stop for group in self._finally)

    @property
    def groups(self) -> Mapping[str, TaskGroup]:
        """By the names of the entries."""
        return self._groups

    @property
    def variables(self) -> Mapping[str, str]:
        """Of the workflow."""
        return self._variables


class _Resolver:
    """Finds the tasks that an entry's `needs` name: once, or for each of its tasks where the text holds its values."""

    def __init__(self, expansion: Expansion, name: str, spec: TaskSpec) -> None:
        self._expansion = expansion
        self._name = name
        self._members = expansion.groups[name].members
        self._fixed: list[Span] = []
        self._varying: list[tuple[KeyPath, str]] = []
        self._told = 0
        known = {**expansion.variables, **spec.foreach}
        for index, need in enumerate(spec.needs):
            path = ("tasks", name, "needs", index)
            wrong = problems(need, known)
            expansion.findings += [Finding(path, text) for text in wrong]
            if wrong:
                continue
            if any(used in spec.foreach for used in names(need)):
                self._varying.append((path, need))
            else:
                # A value is spelled in a task's name as that name spells it.
                found = self._found(path, need, _spelled(expansion.variables, names(need)))
                self._fixed += [] if found is None else [found]

    def add_to(self, needs: Needs) -> None:
        """Tell what each of the entry's tasks waits for."""
        if not self._varying:
            needs.add(spans(self._fixed), self._members.size)
            return
        used = {name for _, need in self._varying for name in names(need)}
        shared = _spelled(self._expansion.variables, used)
        own = [key for key in self._members.axes if key in used]
        for member in range(self._members.size):
            values = shared | {key: self._members.part(key, member) for key in own}
            found = [self._found(path, need, values) for path, need in self._varying]
            needs.add(spans([*self._fixed, *(span for span in found if span is not None)]))

    def _found(self, path: KeyPath, need: str, values: Mapping[str, str]) -> Span | None:
        wanted = substitute(need, values)
        span = self._expansion.span(wanted)
        is_wrong = span is None or self._expansion.is_finally(span)
        if not is_wrong or self._told >= MAX_FINDINGS_OF_AN_ENTRY:
            return span
        self._told += 1
        if span is None:
            text = f"names a task, got {wanted!r}; use one of: {self._expansion.known()}"
        else:
            text = f"nothing waits for a task that runs when all others have ended, got {wanted!r}; leave it out"
        self._expansion.findings.append(Finding(path, text))
        return span


def _spelled(values: Mapping[str, str], wanted: Iterable[str]) -> dict[str, str]:
    return {name: name_part(values[name]) for name in wanted if name in values}


def _program_findings(name: str, spec: TaskSpec) -> list[Finding]:
    of_programs = ("files", "flags", "ranks_per_node", "on_main", "label")
    alone = [] if spec.program is not None else [key for key in of_programs if getattr(spec, key)]
    text = "belongs to an MPI program, got no 'program'; name it, or leave this key out"
    return [Finding(("tasks", name, key), text) for key in alone]


def _failure_findings(name: str, spec: TaskSpec) -> list[Finding]:
    found = []
    if spec.fallback is not None and spec.retries is not None:
        text = "says itself how often and after what is tried again, got 'retries' beside it; leave one of them out"
        found.append(Finding(("tasks", name, "fallback"), text))
    if spec.fallback is not None and spec.is_multinode:
        text = "is for tasks on Spot, where jobs of several nodes do not run, got a task with nodes; leave it out"
        found.append(Finding(("tasks", name, "fallback"), text))
    return found
