"""Writes the requests of folded tasks: names, overrides, dependencies, in an order in which they can be sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from batch_limits import MAX_ARRAY_SIZE, MAX_CONTAINER_OVERRIDES_CHARACTERS, MAX_DEPENDENCIES_PER_JOB
from runner.array_requests import MAX_SCRIPT_CHARACTERS, Spill, shell_case, told_by_launcher, told_by_shell
from runner.barriers import Barriers
from runner.child_content import Child, line, overrides
from runner.folding import Column, Component, Folding
from runner.needs import Spans
from runner.plan import Dependency, PlannedRequest
from runner.request_names import RequestNames
from runner.requests import overrides_characters
from runner.task_source import TaskSource


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What requests have beside their tasks."""

    names: RequestNames
    barrier: Mapping[str, Any]
    """The request of a barrier, but for its name."""
    spill: Spill
    first: int = 0
    """The index of the first request: those of earlier submissions of the run come before it."""


class PlanWriter:
    """Goes through the columns of a folding, layer by layer."""

    def __init__(self, source: TaskSource, folding: Folding, frame: Frame) -> None:
        self._source = source
        self._folding = folding
        self._frame = frame
        self._requests: list[PlannedRequest] = []
        self._firsts: list[int | None] = []
        self.reasons: Final[dict[int, str]] = {}
        self._barriers = Barriers(self._add_barrier)
        self._chunks: dict[Component, list[tuple[int, int]]] = {}
        self._index: dict[tuple[Column, int], int] = {}
        self._dependencies: dict[Spans, tuple[tuple[Dependency, ...], tuple[int, ...]]] = {}

    @property
    def objects(self) -> Mapping[str, bytes]:
        """What the launchers will fetch, by key."""
        return self._frame.spill.objects

    def write(self) -> tuple[list[PlannedRequest], list[int | None]]:
        """The requests, and the first task of each; None for a barrier."""
        columns = [column for component in self._folding.components for column in component.columns]
        columns.sort(key=lambda column: (self._is_finally(column), column.layer, column.members[0]))
        before_finally: tuple[int, ...] | None = None
        for column in columns:
            if self._is_finally(column) and before_finally is None:
                before_finally = tuple(range(self._frame.first, self._next))
            for chunk, _ in enumerate(self._chunks_of(column.component)):
                self._write(column, chunk, before_finally or ())
        return self._requests, self._firsts

    @property
    def _next(self) -> int:
        return self._frame.first + len(self._requests)

    def _is_finally(self, column: Column) -> bool:
        return self._source.traits(column.members[0]).is_finally

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
            needed = {column: len(shell_case(lane, self._source.child(column.members[lane]))) for column in columns}
            if lane > first and (
                lane - first == MAX_ARRAY_SIZE or any(needed[column] > room[column] for column in columns)
            ):
                found.append((first, lane))
                first, room = lane, dict.fromkeys(columns, MAX_SCRIPT_CHARACTERS)
            for column in columns:
                room[column] -= needed[column]
        return [*found, (first, component.size)]

    def _is_told_by_shell(self, column: Column) -> bool:
        if len(column.members) < 2 or self._source.traits(column.members[0]).has_launcher:
            return False
        first = self._source.child(column.members[0])
        return any(self._source.child(task) != first for task in column.members)

    def _write(self, column: Column, chunk: int, before: tuple[int, ...]) -> None:
        start, stop = self._chunks_of(column.component)[chunk]
        members = column.members[start:stop]
        traits = self._source.traits(members[0])
        depends_on, waits_for = self._awaited(column, chunk, len(traits.after))
        names = [self._source.name(task) for task in members]
        label = names[0] if len(names) == 1 else self._source.label(members, names)
        is_whole = len(members) == len(column.members)
        job_name = self._frame.names.of(label, names, self._source, is_whole=is_whole)
        children = [self._source.child(task) for task in members]
        lines = list(map(line, children))
        self._index[column, chunk] = self._next
        self._add(
            PlannedRequest(
                request=self._request(members, job_name, children, lines),
                tasks=names,
                group=label,
                depends_on=depends_on,
                after=traits.after,
                waits_for=tuple(sorted({*waits_for, *before})),
                may_fail=traits.may_fail,
                is_finally=traits.is_finally,
                fallback_queue=traits.fallback_queue,
                content=[self._source.content(task, said) for task, said in zip(members, lines, strict=True)],
            ),
            members[0],
            (traits.why_alone if len(members) == 1 else None) or column.fold.value,
        )

    def _add(self, planned: PlannedRequest, first: int | None, reason: str) -> None:
        self.reasons[self._next] = reason
        self._requests.append(planned)
        self._firsts.append(first)

    def _request(
        self, members: Sequence[int], job_name: str, children: Sequence[Child], lines: Sequence[str]
    ) -> dict[str, Any]:
        traits = self._source.traits(members[0])
        request = {"jobName": job_name, **self._source.request(members[0])}
        if not traits.is_multinode:
            told = self._overrides(children, lines, has_launcher=traits.has_launcher)
            merged = {**told, **request.pop("containerOverrides", {})}
            request |= {"containerOverrides": merged} if merged else {}
        if len(members) > 1:
            request["arrayProperties"] = {"size": len(members)}
        elif overrides_characters(request) > MAX_CONTAINER_OVERRIDES_CHARACTERS and traits.has_launcher:
            return self._spilled(request)
        return request

    def _overrides(self, children: Sequence[Child], lines: Sequence[str], *, has_launcher: bool) -> dict[str, Any]:
        if lines.count(lines[0]) == len(lines):
            return overrides(children[0])
        if has_launcher:
            return told_by_launcher(lines, self._frame.spill)
        return told_by_shell(children)

    def _spilled(self, request: dict[str, Any]) -> dict[str, Any]:
        """The request with a command, or an environment, that is too long for it in an object."""
        nodes = request.get("nodeOverrides", {}).get("nodePropertyOverrides", [])
        for given in [override["containerOverrides"] for override in nodes] or [request["containerOverrides"]]:
            environment = {entry["name"]: entry["value"] for entry in given.pop("environment", [])}
            said = line((given.pop("command", None), environment))
            given.update(told_by_launcher([said], self._frame.spill))
        return request

    def _awaited(self, column: Column, chunk: int, outside: int) -> tuple[tuple[Dependency, ...], tuple[int, ...]]:
        start, stop = self._chunks_of(column.component)[chunk]
        by_index = [Dependency(self._index[other, chunk], by_index=stop - start > 1) for other in column.by_index]
        common, waits_for = self._whole(column.common)
        limit = MAX_DEPENDENCIES_PER_JOB - len(by_index) - outside
        gathered = self._barriers.gather(common, max(limit, 1))
        return (*by_index, *gathered), waits_for

    def _whole(self, needed: Spans) -> tuple[tuple[Dependency, ...], tuple[int, ...]]:
        """What waiting for all of a set of tasks means: jobs that must succeed, and jobs that must have ended."""
        known = self._dependencies.get(needed)
        if known is not None:
            return known
        depends_on: list[Dependency] = []
        waits_for: list[int] = []
        for column in self._folding.covered(needed):
            may_fail = self._source.traits(column.members[0]).may_fail
            jobs = [self._index[column, chunk] for chunk in range(len(self._chunks_of(column.component)))]
            if may_fail:
                waits_for += jobs
            else:
                depends_on += map(Dependency, jobs)
        depends_on.sort()
        found = self._dependencies[needed] = (tuple(depends_on), tuple(sorted(waits_for)))
        return found

    def _add_barrier(self, joined: tuple[Dependency, ...]) -> int:
        index = self._next
        request = {"jobName": self._frame.names.of_barrier(), **self._frame.barrier}
        reason = f"joins {len(joined)} jobs: a job depends on at most {MAX_DEPENDENCIES_PER_JOB} (AWS Batch quotas)"
        self._add(PlannedRequest(request=request, tasks=(), group="barrier", depends_on=joined), None, reason)
        return index


def _even_chunks(size: int) -> list[tuple[int, int]]:
    """As few arrays as can be, of nearly the same size: none of one child alone."""
    number = -(-size // MAX_ARRAY_SIZE)
    bounds = [size * index // number for index in range(number + 1)]
    return list(pairwise(bounds))
