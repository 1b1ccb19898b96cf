"""Writes the requests of folded tasks: names, overrides, dependencies, in an order in which they can be sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from batch_limits import MAX_ARRAY_SIZE, MAX_CONTAINER_OVERRIDES_CHARACTERS, MAX_DEPENDENCIES_PER_JOB
from runner.array_requests import (
    MAX_SCRIPT_CHARACTERS,
    Spill,
    shell_case,
    told_by_launcher,
    told_by_shell,
)
from runner.barriers import Barriers
from runner.child_content import Child, GroupContent, RunValues, line, overrides
from runner.content_hashes import ContentHashes
from runner.folding import Column, Component, Fold, Folding
from runner.graph import TaskGraph, TaskGroup
from runner.needs import Spans, tasks_of
from runner.plan import Dependency, PlannedRequest
from runner.request_names import RequestNames
from runner.requests import NodeRequest, overrides_characters, submit_job_request
from runner.surroundings import Surroundings

BARRIER: Final = "barrier"
BARRIER_QUEUE: Final = "high"
"""Job definition and queue of the deployment that barriers have: nothing is to wait behind other work for them."""

_ANY_NODES: Final = ("0:",)
"""The range of the deployment's own multi-node definitions, and of those that are not known: they are refused later."""


class PlanWriter:
    """Goes through the columns of a folding, layer by layer."""

    def __init__(
        self,
        graph: TaskGraph,
        shared: RunValues,
        contents: Sequence[GroupContent],
        folding: Folding,
        around: Surroundings,
    ) -> None:
        self._graph = graph
        self._around = around
        self._deployment = deployment = around.deployment
        self._shared = shared
        self._contents = {content.group: content for content in contents}
        self._folding = folding
        self._spill = Spill(deployment.bucket, deployment.programs_prefix, around.region)
        self._names = RequestNames(graph, shared.run_id)
        self._requests: list[PlannedRequest] = []
        self._groups: list[TaskGroup | None] = []
        self.reasons: Final[dict[int, str]] = {}
        self._barriers = Barriers(self._add_barrier)
        self._chunks: dict[Component, list[tuple[int, int]]] = {}
        self._index: dict[tuple[Column, int], int] = {}
        self._dependencies: dict[Spans, tuple[tuple[Dependency, ...], tuple[int, ...]]] = {}
        self._hashes = ContentHashes(graph, self._contents, around)

    @property
    def objects(self) -> Mapping[str, bytes]:
        """What the launchers will fetch, by key."""
        return self._spill.objects

    def write(self) -> tuple[list[PlannedRequest], list[TaskGroup | None]]:
        """The requests, and the entry of each; None for a barrier."""
        columns = [column for component in self._folding.components for column in component.columns]
        columns.sort(key=lambda column: (self._is_finally(column), column.layer, column.members[0]))
        before_finally: tuple[int, ...] | None = None
        for column in columns:
            if self._is_finally(column) and before_finally is None:
                before_finally = tuple(range(len(self._requests)))
            for chunk, _ in enumerate(self._chunks_of(column.component)):
                self._write(column, chunk, before_finally or ())
        return self._requests, self._groups

    def _is_finally(self, column: Column) -> bool:
        return self._graph.group_of(column.members[0]).task.is_finally

    def _chunks_of(self, component: Component) -> list[tuple[int, int]]:
        """Lanes of each array: all columns are cut at the same places, so that children stay beside each other."""
        known = self._chunks.get(component)
        if known is None:
            by_shell = [column for column in component.columns if self._is_told_by_shell(column)]
            known = self._chunks[component] = (
                self._chunks_by_script(component, by_shell) if by_shell else _even_chunks(component.size)
            )
        return known

    def _chunks_by_script(self, component: Component, columns: Sequence[Column]) -> list[tuple[int, int]]:
        found, first = [], 0
        room = dict.fromkeys(columns, MAX_SCRIPT_CHARACTERS)
        for lane in range(component.size):
            needed = {column: len(shell_case(lane, self._child(column.members[lane]))) for column in columns}
            if lane > first and (
                lane - first == MAX_ARRAY_SIZE or any(needed[column] > room[column] for column in columns)
            ):
                found.append((first, lane))
                first, room = lane, dict.fromkeys(columns, MAX_SCRIPT_CHARACTERS)
            for column in columns:
                room[column] -= needed[column]
        return [*found, (first, component.size)]

    def _is_told_by_shell(self, column: Column) -> bool:
        if len(column.members) < 2 or self._has_launcher(column.members[0]):
            return False
        first = self._child(column.members[0])
        return any(self._child(task) != first for task in column.members)

    def _has_launcher(self, task: int) -> bool:
        facts = self._around.facts(self._graph.group_of(task).task.job_definition)
        return facts is not None and facts.has_launcher

    def _child(self, task: int) -> Child:
        return self._contents[self._graph.group_of(task)].child(task)

    def _write(self, column: Column, chunk: int, before: tuple[int, ...]) -> None:
        start, stop = self._chunks_of(column.component)[chunk]
        members = column.members[start:stop]
        group = self._graph.group_of(members[0])
        depends_on, waits_for = self._awaited(column, chunk, group)
        names = [self._graph.name(task) for task in members]
        label, job_name = self._names.of(members, names, is_whole=len(members) == len(column.members))
        children = [self._child(task) for task in members]
        lines = list(map(line, children))
        request = self._request(group, members, job_name, children, lines)
        self._index[column, chunk] = len(self._requests)
        fallback = group.task.fallback
        self._add(
            PlannedRequest(
                request=request,
                tasks=names,
                group=label,
                depends_on=depends_on,
                after=group.task.after,
                waits_for=tuple(sorted({*waits_for, *before})),
                may_fail=group.task.may_fail,
                is_finally=group.task.is_finally,
                fallback_queue=None if fallback is None else self._deployment.job_queue(fallback.queue),
                content=[self._hashes.add(task, said) for task, said in zip(members, lines, strict=True)],
            ),
            group,
            self._reason(column, members, group),
        )

    def _add(self, planned: PlannedRequest, group: TaskGroup | None, reason: str) -> None:
        self.reasons[len(self._requests)] = reason
        self._requests.append(planned)
        self._groups.append(group)

    def _reason(self, column: Column, members: Sequence[int], group: TaskGroup) -> str:
        if column.fold is Fold.UNFOLDABLE and group.task.may_fail:
            return "it may fail, and others wait for its end alone: a runner sees the end of a job, not of a child"
        if column.fold is Fold.UNFOLDABLE and group.task.nodes is not None:
            return "a job of several nodes is no child of an array"
        if len(members) == 1 and column.fold is not Fold.UNFOLDABLE:
            if not self._has_launcher(members[0]) and group.members.size > 1:
                return (
                    f"the image of {group.task.job_definition!r} has no launcher, so children cannot be told different "
                    "commands (docs/launcher.md)"
                )
            return Fold.ALONE.value
        return column.fold.value

    def _request(
        self, group: TaskGroup, members: Sequence[int], job_name: str, children: Sequence[Child], lines: Sequence[str]
    ) -> dict[str, Any]:
        task = group.task
        facts = self._around.facts(task.job_definition)
        request = submit_job_request(
            task,
            job_name=job_name,
            job_queue=self._deployment.job_queue(task.queue),
            job_definition=self._deployment.job_definition(task.job_definition),
            overrides=self._overrides(members[0], children, lines),
            node_request=self._node_request(self._contents[group], members[0]),
            has_retries=facts is None or facts.has_retries,
            tags={"cloud-hpc:run": self._shared.run_id},
        )
        if len(members) > 1:
            request["arrayProperties"] = {"size": len(members)}
        elif overrides_characters(request) > MAX_CONTAINER_OVERRIDES_CHARACTERS and self._has_launcher(members[0]):
            return self._spilled(request)
        return request

    def _overrides(self, task: int, children: Sequence[Child], lines: Sequence[str]) -> dict[str, Any]:
        if lines.count(lines[0]) == len(lines):
            return overrides(children[0])
        if self._has_launcher(task):
            return told_by_launcher(lines, self._spill)
        return told_by_shell(children)

    def _spilled(self, request: dict[str, Any]) -> dict[str, Any]:
        """The request with a command, or an environment, that is too long for it in an object."""
        nodes = request.get("nodeOverrides", {}).get("nodePropertyOverrides", [])
        for given in [override["containerOverrides"] for override in nodes] or [request["containerOverrides"]]:
            environment = {entry["name"]: entry["value"] for entry in given.pop("environment", [])}
            given.update(told_by_launcher([line((given.pop("command", None), environment))], self._spill))
        return request

    def _node_request(self, content: GroupContent, task: int) -> NodeRequest | None:
        entry, name = content.group.task, self._graph.name(task)
        if entry.nodes is None:
            return None
        definition = self._around.facts(entry.job_definition)
        ranges = tuple(nodes.target_nodes for nodes in definition.node_ranges) if definition else ()
        program = self._around.shipped.get(name)
        command = None
        if program is not None and entry.launch is not None:
            said, _ = content.child(task)
            key = None if program.bundle is None else program.bundle.key(self._deployment.programs_prefix)
            command = tuple(
                entry.launch.command(
                    program.name,
                    # Without the word that names the program in a directory.
                    (said or [])[len(said or ()) - len(program.arguments) :],
                    bundle=None if key is None else f"s3://{self._deployment.bucket}/{key}",
                    # A folder for each task: two of one run do not overwrite each other's files.
                    results=f"s3://{self._shared.bucket}/{self._shared.prefix}{name}/",
                    flags=content.flags(task),
                )
            )
        return NodeRequest(ranges or _ANY_NODES, command)

    def _awaited(self, column: Column, chunk: int, group: TaskGroup) -> tuple[tuple[Dependency, ...], tuple[int, ...]]:
        start, stop = self._chunks_of(column.component)[chunk]
        by_index = [Dependency(self._index[other, chunk], by_index=stop - start > 1) for other in column.by_index]
        common, waits_for = self._whole(column.common)
        limit = MAX_DEPENDENCIES_PER_JOB - len(by_index) - len(group.task.after)
        gathered = self._barriers.gather(common, max(limit, 1))
        return (*by_index, *gathered), waits_for

    def _whole(self, needed: Spans) -> tuple[tuple[Dependency, ...], tuple[int, ...]]:
        """What waiting for all of a set of tasks means: jobs that must succeed, and jobs that must have ended."""
        known = self._dependencies.get(needed)
        if known is not None:
            return known
        depends_on: list[Dependency] = []
        waits_for: list[int] = []
        for column, number in self._folding.covered(needed).items():
            wanted = None
            if number < len(column.members):
                wanted = {lane for at, lane in map(self._folding.place, tasks_of(needed)) if at is column}
            for chunk, (start, stop) in enumerate(self._chunks_of(column.component)):
                index = self._index[column, chunk]
                lanes = None if wanted is None else [lane for lane in range(start, stop) if lane in wanted]
                if self._requests[index].may_fail:
                    waits_for += [index] if lanes is None or lanes else []
                elif lanes is None or len(lanes) == stop - start:
                    depends_on.append(Dependency(index))
                else:
                    depends_on += [Dependency(index, lane - start) for lane in lanes]
        depends_on.sort(key=lambda dependency: (dependency.request, dependency.child or 0))
        found = self._dependencies[needed] = (tuple(depends_on), tuple(sorted(waits_for)))
        return found

    def _add_barrier(self, joined: tuple[Dependency, ...]) -> int:
        index = len(self._requests)
        queue = self._deployment.job_queue(BARRIER_QUEUE)
        request = {
            "jobName": self._names.of_barrier(),
            "jobQueue": queue,
            "jobDefinition": self._deployment.job_definition(BARRIER),
            "tags": {"cloud-hpc:run": self._shared.run_id},
        }
        self._add(
            PlannedRequest(request=request, tasks=(), group="barrier", depends_on=joined),
            None,
            f"joins {len(joined)} jobs: a job depends on at most {MAX_DEPENDENCIES_PER_JOB} (AWS Batch service quotas)",
        )
        return index


def _even_chunks(size: int) -> list[tuple[int, int]]:
    """As few arrays as can be, of nearly the same size: none of one child alone."""
    number = -(-size // MAX_ARRAY_SIZE)
    bounds = [size * index // number for index in range(number + 1)]
    return list(pairwise(bounds))
