"""From declared entries to tasks: foreach, defaults, needs; and everything that can be wrong with them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from runner.credentials import in_command, in_environment
from runner.foreach import combinations
from runner.graph import TaskGraph, find_cycle
from runner.launch import Launch
from runner.names import MAX_TASK_NAME, explain_name, name_part
from runner.places import Finding
from runner.task import Task
from runner.task_model import RESERVED_NAMES, TaskDefaults, TaskSpec
from runner.template_values import listed, problems, substitute

_JOB_REFERENCE: Final = "jobs."


class Expansion:
    """Every entry's tasks, and everything that is wrong with them; tasks are of use only where nothing is."""

    def __init__(self, specs: Mapping[str, TaskSpec], defaults: TaskDefaults, variables: Mapping[str, str]) -> None:
        self.tasks: list[Task] = []
        self.findings: list[Finding] = []
        self._variables = variables
        self._groups: dict[str, tuple[str, ...]] = {
            name: tuple(task for task, _ in combinations(name, spec)) for name, spec in specs.items()
        }
        self._known = {name for group in self._groups.values() for name in group}
        if not specs:
            self.findings.append(Finding(("tasks",), "a workflow has at least one task, got none; add one"))
        self._check_names()
        for name, spec in specs.items():
            self._expand(name, spec.with_defaults(defaults))
        self._check_cycles()
        if not self.findings:
            self.findings += _check_texts(self.tasks, TaskGraph(self.tasks))
        self.findings += _credential_findings(self.tasks, variables)

    def _check_names(self) -> None:
        declared_by: defaultdict[str, list[str]] = defaultdict(list)
        for group, members in self._groups.items():
            for member in members:
                declared_by[member].append(group)
                problem = explain_name(member, MAX_TASK_NAME)
                if problem:
                    self.findings.append(Finding(("tasks", group, "foreach"), problem))
        for member, groups in declared_by.items():
            if len(groups) > 1:
                self.findings.append(
                    Finding(
                        ("tasks", groups[-1]),
                        f"a task's name is used once, got {member!r} from {' and '.join(dict.fromkeys(groups))}; "
                        "rename a task, or change the foreach values that become the same name",
                    )
                )

    def _expand(self, name: str, spec: TaskSpec) -> None:
        for key in ("job_definition", "queue"):
            if getattr(spec, key) is None:
                text = f"needs the key {key!r}, got none; add it here or under 'defaults'"
                self.findings.append(Finding(("tasks", name), text))
        self.findings += _program_findings(name, spec)
        for member, own in combinations(name, spec):
            values = {**self._variables, **own}
            self.tasks.append(
                Task(
                    name=member,
                    declared_as=name,
                    job_definition=spec.job_definition or "",
                    queue=spec.queue or "",
                    needs=self._needs(name, spec.needs, own),
                    command=spec.command,
                    vcpus=spec.vcpus,
                    memory_mib=spec.memory_mib,
                    environment=spec.environment,
                    retries=spec.retries,
                    timeout_seconds=spec.timeout_seconds,
                    values=values,
                    after=spec.after,
                    nodes=(spec.nodes or 1) if spec.is_multinode else None,
                    launch=self._launch(name, spec, values),
                )
            )

    def _launch(self, name: str, spec: TaskSpec, values: Mapping[str, str]) -> Launch | None:
        """The program, its paths with their values: what is shipped is known before there is a run."""
        if spec.program is None:
            return None
        paths = {("program",): spec.program} | {("files", index): text for index, text in enumerate(spec.files)}
        wrong = [Finding(("tasks", name, *key), text) for key, path in paths.items() for text in problems(path, values)]
        self.findings += wrong
        program, *files = paths.values() if wrong else (substitute(path, values) for path in paths.values())
        return Launch(
            program=program,
            files=tuple(files),
            flags=spec.flags,
            ranks_per_node=spec.ranks_per_node,
            on_main=spec.on_main,
            label=spec.label,
        )

    def _needs(self, name: str, needs: tuple[str, ...], values: Mapping[str, str]) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for index, need in enumerate(needs):
            path = ("tasks", name, "needs", index)
            wrong = problems(need, values)
            self.findings += [Finding(path, text) for text in wrong]
            # A foreach value is spelled in a task's name as that name spells it.
            wanted = "" if wrong else substitute(need, {key: name_part(value) for key, value in values.items()})
            if wanted in self._groups:
                found |= dict.fromkeys(self._groups[wanted])
            elif wanted in self._known:
                found[wanted] = None
            elif wanted:
                known = listed([*self._groups, *self._known.difference(self._groups)])
                self.findings.append(Finding(path, f"names a task, got {wanted!r}; use one of: {known}"))
        return tuple(found)

    def _check_cycles(self) -> None:
        cycle = None if self.findings else find_cycle({task.name: task.needs for task in self.tasks})
        if cycle:
            declared_as = {task.name: task.declared_as for task in self.tasks}
            self.findings.append(
                Finding(
                    ("tasks", declared_as[cycle[0]], "needs"),
                    f"tasks do not wait for one another in a circle, got {' needs '.join(cycle)}; remove one of these",
                )
            )


def _program_findings(name: str, spec: TaskSpec) -> list[Finding]:
    of_programs = ("files", "flags", "ranks_per_node", "on_main", "label")
    alone = [] if spec.program is not None else [key for key in of_programs if getattr(spec, key)]
    text = "belongs to an MPI program, got no 'program'; name it, or leave this key out"
    return [Finding(("tasks", name, key), text) for key in alone]


def _check_texts(tasks: list[Task], graph: TaskGraph) -> list[Finding]:
    found: list[Finding] = []
    fixed = RESERVED_NAMES - {"jobs"}
    for task in tasks:
        above = {f"{_JOB_REFERENCE}{name}" for name in (*graph.ancestors(task.name), task.name)}
        for path, text in task.texts().items():
            wrong = problems(text, fixed | set(task.values) | above)
            found += [Finding(path, problem + _hint(problem, graph)) for problem in wrong]
    return found


def _hint(problem: str, graph: TaskGraph) -> str:
    name = problem.partition("got '${jobs.")[2].partition("}")[0]
    return f" (add {name!r} to 'needs': this task does not wait for it)" if name in graph.tasks else ""


def _credential_findings(tasks: list[Task], variables: Mapping[str, str]) -> list[Finding]:
    found = [Finding(("variables", name), text) for name, text in in_environment(variables)]
    for task in tasks:
        own = {name: value for name, value in task.values.items() if name not in variables}
        found += [Finding((*task.path, "command", index), text) for index, text in in_command(task.command or ())]
        found += [Finding((*task.path, "environment", name), text) for name, text in in_environment(task.environment)]
        found += [Finding((*task.path, "foreach", name), text) for name, text in in_environment(own)]
    return found
