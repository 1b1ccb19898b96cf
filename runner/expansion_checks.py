"""What is wrong with the texts of tasks: values that are not known, credentials that would be shown to everybody."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from runner.credentials import in_command, in_environment
from runner.foreach import NumberRange
from runner.graph import TaskGraph, TaskGroup
from runner.needs import holds
from runner.places import Finding
from runner.task_model import RESERVED_NAMES
from runner.template_values import names, problems

_JOB_REFERENCE: Final = "jobs."


def text_findings(graph: TaskGraph) -> list[Finding]:
    """Every `${...}` that has no value, entry by entry."""
    found: list[Finding] = []
    fixed = RESERVED_NAMES - {"jobs"}
    for group in graph.groups:
        texts = group.task.texts()
        referred = {
            name.removeprefix(_JOB_REFERENCE)
            for text in texts.values()
            for name in names(text)
            if name.startswith(_JOB_REFERENCE)
        }
        above = {f"{_JOB_REFERENCE}{name}" for name in referred if _is_above(graph, name, group)}
        known = fixed | set(group.task.values) | set(group.members.axes) | above
        if referred:
            known |= {f"{_JOB_REFERENCE}{name}" for name in _some_above(graph, group)}
        for path, text in texts.items():
            found += [Finding(path, problem + _hint(problem, graph)) for problem in problems(text, known)]
    return found


def _is_above(graph: TaskGraph, name: str, group: TaskGroup) -> bool:
    """Whether all tasks of a group wait for the one of that name, directly or not, or are it."""
    wanted = graph.number(name)
    if wanted is None:
        return False
    if group.start <= wanted < group.stop and group.members.size == 1:
        return True
    checked = set(graph.needs.of_task[group.start : group.stop])
    return all(any(holds(graph.needs.sets[above], wanted) for above in graph.needs.above(number)) for number in checked)


def _some_above(graph: TaskGraph, group: TaskGroup) -> Iterator[str]:
    """Names of tasks that all of a group wait for directly, for a message: as many as one shows."""
    common = set(graph.needs.of_task[group.start : group.stop])
    if len(common) == 1:
        for start, stop in graph.needs.sets[common.pop()]:
            yield from map(graph.name, range(start, min(stop, start + 20)))
    if group.members.size == 1:
        yield group.task.name


def _hint(problem: str, graph: TaskGraph) -> str:
    name = problem.partition("got '${jobs.")[2].partition("}")[0]
    is_task = graph.number(name) is not None
    return f" (add {name!r} to 'needs': this task does not wait for it)" if is_task else ""


def credential_findings(groups: Iterable[TaskGroup], variables: Mapping[str, str]) -> list[Finding]:
    """Every text that seems to hold a credential, as it is written."""
    found = [Finding(("variables", name), text) for name, text in in_environment(variables)]
    for group in groups:
        task = group.task
        found += [Finding((*task.path, "command", index), text) for index, text in in_command(task.command or ())]
        found += [Finding((*task.path, "environment", name), text) for name, text in in_environment(task.environment)]
        for name, axis in group.members.axes.items():
            if not isinstance(axis, NumberRange):
                findings = (text for value in axis for _, text in in_environment({name: value}))
                found += [Finding((*task.path, "foreach", name), text) for text in dict.fromkeys(findings)]
    return found
