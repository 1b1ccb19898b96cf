"""From a workflow and a deployment to the requests that will be sent, in order. Pure: nothing is asked or sent."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from runner.array_requests import Spill, is_shell
from runner.child_content import GroupContent, RunValues, line
from runner.credentials import in_command, in_environment
from runner.declared_tasks import DeclaredTasks, job_tags
from runner.deployment import Deployment
from runner.errors import InputError
from runner.folding import Folding
from runner.graph import TaskGraph, TaskGroup
from runner.needs import overlap
from runner.places import Places
from runner.plan import Plan, PlannedRequest
from runner.plan_writer import Frame, PlanWriter
from runner.request_limits import explain_limits
from runner.request_names import RequestNames
from runner.surroundings import Surroundings
from runner.task import Task

BARRIER: Final = "barrier"
BARRIER_QUEUE: Final = "high"
"""Job definition and queue of the deployment that barriers have."""


@dataclass(frozen=True)
class PlannedJob:
    """A request and the entry whose tasks it carries out."""

    task: Task
    planned: PlannedRequest

    @property
    def request(self) -> Mapping[str, Any]:
        """As it is sent, but for its dependencies."""
        return self.planned.request


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A plan, and what is to be known of it until it is sent."""

    plan: Plan
    jobs: tuple[PlannedJob, ...]
    """Without the barriers."""
    reasons: Mapping[int, str]
    """By request, why its tasks are one array, or alone."""
    deployment: Deployment
    """What it is made for."""


def plan(
    workflow: str,
    graph: TaskGraph,
    run_id: str,
    places: Places,
    around: Surroundings,
    *,
    folds: bool = True,
) -> Planned:
    """The requests of a run. InputError, with every finding, for what Batch would refuse, now or later.

    Without `folds` each task is a job of its own.
    """
    deployment = around.deployment
    shared = RunValues(run_id, deployment.bucket, f"{deployment.results_prefix}{run_id}/")
    contents = [GroupContent(graph, group, shared) for group in graph.groups]
    shapes = _Shapes(around, folds=folds)
    for content in contents:
        shapes.add(content, is_needed_in_part=content.group.task.may_fail and _is_needed_in_part(graph, content.group))
    folding = Folding(shapes.of_task, shapes.unfoldable, graph.needs, graph.layers)
    source = DeclaredTasks(graph, shared, contents, around)
    frame = Frame(
        names=RequestNames(run_id),
        barrier=barrier_request(deployment, run_id),
        spill=Spill(deployment.bucket, deployment.programs_prefix, around.region),
    )
    writer = PlanWriter(source, folding, frame)
    requests, firsts = writer.write()
    jobs = tuple(
        PlannedJob(graph.group_of(first).task, request)
        for request, first in zip(requests, firsts, strict=True)
        if first is not None
    )
    findings = [
        f"{places.where(job.task.path)}: {text}" for job in jobs for text in explain_limits(job.planned, job.task)
    ]
    for content in contents:
        path = content.group.task.path
        findings += [f"{places.where(path)}: {text}" for text in _credentials(content)]
    if findings:
        raise InputError.of(findings)
    made = Plan(
        run_id=run_id,
        workflow=workflow,
        bucket=shared.bucket,
        prefix=shared.prefix,
        requests=requests,
        objects=writer.objects,
    )
    return Planned(plan=made, jobs=jobs, reasons=writer.reasons, deployment=deployment)


def barrier_request(deployment: Deployment, run_id: str) -> dict[str, Any]:
    """Of a job that only joins others, but for its name. Nothing is to wait behind other work for it."""
    return {
        "jobQueue": deployment.job_queue(BARRIER_QUEUE),
        "jobDefinition": deployment.job_definition(BARRIER),
        "tags": job_tags(deployment, run_id),
    }


class _Shapes:
    """Numbers for what one array can run: tasks of the same number differ in command and environment at most."""

    def __init__(self, around: Surroundings, *, folds: bool) -> None:
        self.of_task: Final = array("l")
        self.unfoldable: Final[set[int]] = set()
        self._around = around
        self._deployment = around.deployment
        self._folds = folds
        self._numbers: dict[object, int] = {}

    def add(self, content: GroupContent, *, is_needed_in_part: bool) -> None:
        """Tell the shapes of the next entry's tasks. Where others wait for the end of some of them, each is a job: a
        runner sees the end of a job, not of a child.
        """
        group = content.group
        task = group.task
        definition = self._deployment.job_definition(task.job_definition)
        base: tuple[object, ...] = (
            *(definition, self._deployment.job_queue(task.queue), task.vcpus, task.memory_mib, task.gpus, task.retries),
            *(task.timeout_seconds, task.after, task.may_fail, task.is_finally, task.fallback, task.command is None),
        )
        facts = self._around.facts(task.job_definition)
        if task.may_fail:
            base = (*base, group.start)
        if task.nodes is not None or not self._folds or is_needed_in_part:
            number = self._number((base, group.start))
            self.unfoldable.add(number)
        elif facts is not None and facts.has_launcher:
            number = self._number(base)
        else:
            return self._add_without_launcher(content, base)
        self.of_task.extend(array("l", [number]) * group.members.size)
        return None

    def _add_without_launcher(self, content: GroupContent, base: tuple[object, ...]) -> None:
        """Children of an image that cannot be told by index do all the same, or are told by their shell."""
        group: TaskGroup = content.group
        for task in range(group.start, group.stop):
            command, _ = child = content.child(task)
            says = ("shell", command[0]) if is_shell(command) and command else ("same", line(child))
            self.of_task.append(self._number((base, says)))

    def _number(self, shape: object) -> int:
        return self._numbers.setdefault(shape, len(self._numbers))


def _is_needed_in_part(graph: TaskGraph, group: TaskGroup) -> bool:
    """Whether somebody waits for some tasks of an entry and not for all of them."""
    own = ((group.start, group.stop),)
    return any(0 < overlap(needed, own) < group.members.size for needed in graph.needs.sets)


def _credentials(content: GroupContent) -> Sequence[str]:
    """What tasks say after substitution: parts that were harmless apart may make a credential together."""
    found: dict[str, None] = {}
    for number in content.samples():
        command, environment = content.child(number)
        flags = content.flags(number)
        findings = [*in_command([*(command or ()), *([flags] if flags else [])]), *in_environment(environment)]
        found |= dict.fromkeys(text for _, text in findings)
    return list(found)
