"""A run at one moment: every task, its job, and what to make of it.

Of an array Batch tells how many children are in which state: that is what a run of a million tasks is kept as. A task
is looked up only where somebody asks for it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence, ValuesView
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from runner.aws_clients import Answer
from runner.described_job import DescribedJob, from_detail
from runner.job_document import job_document
from runner.outcomes import Outcomes
from runner.plan import Position, awaited
from runner.run_layout import RunLayout
from runner.run_record import RunRecord
from runner.task_state import FAILED_ALLOWED, IN_ORDER, NOT_RUN, NOT_SUBMITTED, UNKNOWN, WELL, TaskState

MAX_TOLD_TASKS: Final = 1000
"""A run of up to so many is told task by task; of a larger one those that failed or were not run are."""

MAX_TROUBLED_TOLD: Final = 10_000
"""Of the latter: a failure may keep all the rest of a million from running."""


@dataclass(frozen=True)
class GroupState:
    """Tasks that people call by one name: those of an array, or one alone."""

    name: str
    requests: Sequence[int]
    counts: Mapping[str, int]
    """Tasks by status."""
    is_over: bool
    note: str = ""
    """Why none of it was submitted yet; empty for nothing."""

    @property
    def size(self) -> int:
        """How many tasks."""
        return sum(self.counts.values())

    @property
    def text(self) -> str:
        """`8,213 of 10,000 SUCCEEDED, 37 RUNNING, 2 FAILED`."""
        rest = dict(self.counts)
        done = rest.pop("SUCCEEDED", 0)
        parts = [f"{done:,} of {self.size:,} SUCCEEDED"]
        return ", ".join(parts + [f"{number:,} {status}" for status, number in rest.items()])


@dataclass(frozen=True, kw_only=True)
class RunState:
    """All tasks of a run at one moment."""

    record: RunRecord
    layout: RunLayout
    jobs: Mapping[int, DescribedJob]
    """By request; those that Batch knows."""
    children: Mapping[int, Mapping[int, Answer]]
    """By request and child, what is known of children of arrays: of those that failed, and those asked for."""
    lost_elsewhere_ms: float = 0.0
    """How long attempts ran that were heard to be lost, of children that are not among `children`."""
    outcomes: Outcomes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "outcomes", Outcomes(self.record, self.layout, self.jobs, self.children))

    @cached_property
    def tasks(self) -> Mapping[str, TaskState]:
        """By name, in the order of the run; each is made when it is asked for."""
        return _Tasks(self)

    @cached_property
    def _groups(self) -> Sequence[GroupState]:
        groups = [self._group(name, requests) for name, requests in self.layout.groups.items()]
        return [*groups, *(self._failed_barrier(request) for request in self._failed_barriers())]

    def groups(self) -> Sequence[GroupState]:
        """A row for what people call by one name. A barrier is one only where it failed by itself."""
        return self._groups

    def counts(self) -> dict[str, int]:
        """Number of tasks by status."""
        found: dict[str, int] = {}
        for group in self._groups:
            for status, number in group.counts.items():
                found[status] = found.get(status, 0) + number
        return {status: found[status] for status in sorted(found, key=_rank)}

    @cached_property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return all(group.is_over for group in self._groups)

    @property
    def has_succeeded(self) -> bool:
        """Whether every task has, but for those that may fail."""
        return set(self.counts()) <= WELL

    @property
    def status(self) -> str:
        """RUNNING, SUCCEEDED or FAILED."""
        if not self.is_over:
            return "RUNNING"
        return "SUCCEEDED" if self.has_succeeded else "FAILED"

    def failures(self) -> Iterator[TaskState]:
        """Tasks that failed by themselves, not because of another, and may not; as far as they are known by name."""
        return (task for task in self.troubled() if task.status == "FAILED")

    def troubled(self) -> Iterator[TaskState]:
        """Tasks that failed or were not run, as far as they are known by name."""
        for request in range(len(self.record.requests)):
            planned, outcome = self.record.requests[request], self.outcomes.of[request]
            if planned.is_barrier:
                if outcome.status == "FAILED":
                    yield self.task(Position(request, None))
            elif planned.size is not None and not outcome.cause and self._is_spawned(request):
                superseded = self.layout.superseded(request)
                for child in self.outcomes.failed_children(request):
                    if child not in superseded:
                        yield self.task(Position(request, child))
            elif outcome.status in {"FAILED", FAILED_ALLOWED, NOT_RUN}:
                for child in self.layout.children(request):
                    yield self.task(self.layout.position(request, child))

    def task(self, position: Position) -> TaskState:
        """The task that is carried out there."""
        request, child = position
        planned, outcome = self.record.requests[request], self.outcomes.of[request]
        job_id, job = self.record.job_ids.get(request), self.jobs.get(request)
        status, cause = outcome.status, outcome.cause
        if child is not None:
            detail = self.children.get(request, {}).get(child)
            job_id = job_id and f"{job_id}:{child}"
            job = from_detail({"jobQueue": planned.job_queue, **detail}) if detail is not None else None
            status = self.outcomes.child_status(request, child)
            cause = cause or self.outcomes.victims(request).get(child)
        is_over = outcome.is_over or (job.is_terminal if job else status in {"SUCCEEDED", "FAILED"})
        return TaskState(
            name=self.layout.name(position),
            group=planned.group if planned.tasks else self.layout.name(position),
            job_name=planned.job_name,
            job_id=job_id,
            job=job,
            status=status,
            is_over=is_over,
            failed_dependency=cause,
            waiting="" if job else self._waiting(request, status),
        )

    def needs(self, position: Position) -> list[str]:
        """What a task waits for directly: tasks, and whole arrays by what their tasks are called together."""
        found = (self.layout.name(other) for other in awaited(self.record.requests, position))
        return list(dict.fromkeys(found))

    def needed_tasks(self, position: Position) -> list[str]:
        """The same with every task of the whole arrays by its name."""
        found: dict[str, None] = {}
        for other in awaited(self.record.requests, position):
            is_whole = self.record.requests[other.request].size is not None and other.child is None
            names = self.record.requests[other.request].tasks if is_whole else [self.layout.name(other)]
            found |= dict.fromkeys(names)
        return list(found)

    @property
    def lost_ms(self) -> float:
        """How long attempts ran whose host was reclaimed or lost, as far as jobs were asked about one by one."""
        children = (
            from_detail(detail).lost_ms
            for details in self.children.values()
            for detail in details.values()
            if detail.get("attempts")
        )
        return sum(job.lost_ms for job in self.jobs.values()) + sum(children) + self.lost_elsewhere_ms

    @property
    def stopped_at(self) -> int | None:
        """When the last job ended that has, in milliseconds since the epoch; None where none has."""
        return max((job.stopped_at for job in self.jobs.values() if job.stopped_at), default=None)

    def document(self) -> dict[str, Any]:
        """For --json."""
        document: dict[str, Any] = {
            "run": self.record.run_id,
            "workflow": self.record.workflow,
            "status": self.status,
            "created_at": self.record.created_at,
            "bucket": self.record.bucket,
            "prefix": self.record.prefix,
            "lost_to_reclaims_ms": self.lost_ms,
            "counts": self.counts(),
            "groups": [
                {"group": group.name, "tasks": group.size, "counts": dict(group.counts), "note": group.note or None}
                for group in self._groups
            ],
        }
        if self.layout.number_of_tasks <= MAX_TOLD_TASKS:
            return {**document, "tasks": [self._task_document(position) for _, position in self.layout.tasks()]}
        told = list(itertools.islice((self._document(task, None) for task in self.troubled()), MAX_TROUBLED_TOLD))
        return {**document, "tasks": told}

    def _task_document(self, position: Position) -> dict[str, Any]:
        return self._document(self.task(position), self.needs(position))

    def _document(self, task: TaskState, needs: Sequence[str] | None) -> dict[str, Any]:
        document: dict[str, Any] = {
            "task": task.name,
            "group": task.group,
            "job_name": task.job_name,
            "job_id": task.job_id,
            "status": task.status,
            "needs": needs,
            "note": task.note or None,
        }
        if needs is None:
            del document["needs"]
        return document if task.job is None else document | job_document(task.job)

    def _waiting(self, request: int, status: str) -> str:
        """Why there is no job to tell of."""
        if request in self.jobs:
            array = self.jobs[request].array
            if array is None or status != UNKNOWN:
                return ""
            return "its array is told of as a whole: " + ", ".join(f"{n:,} {word}" for word, n in array.counts.items())
        if request in self.record.job_ids:
            return "Batch does not know its job (yet)" if status == UNKNOWN else ""
        if not self.outcomes.is_to_come(request):
            return ""
        names = [self.layout.name(Position(other, None)) for other in self.outcomes.unmet(request)]
        if not names:
            return "sent by whoever follows the run"
        more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
        return f"waits for {names[0]}{more} to end; sent by whoever follows the run"

    def _group(self, name: str, requests: Sequence[int]) -> GroupState:
        counts: dict[str, int] = {}
        for request in requests:
            for status, number in self.outcomes.counts(request).items():
                counts[status] = counts.get(status, 0) + number
        return GroupState(
            name=name,
            requests=requests,
            counts={status: counts[status] for status in sorted(counts, key=_rank)},
            is_over=all(self.outcomes.of[request].is_over for request in requests),
            note=self._waiting(requests[0], NOT_SUBMITTED) if NOT_SUBMITTED in counts else "",
        )

    def _failed_barriers(self) -> Iterator[int]:
        for request, planned in enumerate(self.record.requests):
            if planned.is_barrier and self.outcomes.of[request].status == "FAILED":
                yield request

    def _failed_barrier(self, request: int) -> GroupState:
        return GroupState(self.layout.name(Position(request, None)), [request], {"FAILED": 1}, is_over=True)

    def _is_spawned(self, request: int) -> bool:
        job = self.jobs.get(request)
        return job is not None and job.array is not None and bool(job.array.counts)


class _Tasks(Mapping[str, TaskState]):
    """Looks tasks up in a state."""

    def __init__(self, state: RunState) -> None:
        self._state = state

    def __getitem__(self, name: str) -> TaskState:
        return self._state.task(self._state.record.positions[name])

    def __contains__(self, name: object) -> bool:
        return name in self._state.record.positions

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._state.layout.tasks())

    def __len__(self) -> int:
        return self._state.layout.number_of_tasks

    def values(self) -> ValuesView[TaskState]:
        """Without looking for each by its name."""
        return _TaskStates(self._state, self)


class _TaskStates(ValuesView[TaskState]):
    def __init__(self, state: RunState, tasks: Mapping[str, TaskState]) -> None:
        super().__init__(tasks)
        self._state = state

    def __iter__(self) -> Iterator[TaskState]:
        return (self._state.task(position) for _, position in self._state.layout.tasks())


def _rank(status: str) -> int:
    return IN_ORDER.index(status) if status in IN_ORDER else len(IN_ORDER)
