"""What a run submits: requests in order, and which tasks each of them carries out. Data, and how to read it.

A request makes one job. The job is a task, an array whose child i is the i-th of its tasks, or a barrier, which is no
task: it only joins others that are too many for one `dependsOn`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Position(NamedTuple):
    """Where a task is carried out."""

    request: int
    """Index among the requests of the run."""
    child: int | None
    """Of an array; None where the job is the task."""


class Dependency(NamedTuple):
    """An entry of `dependsOn`, before the job that it names has its id."""

    request: int
    """Index of a request that stands before this one."""
    child: int | None = None
    """Only that child of the array is waited for; None for the whole job."""
    by_index: bool = False
    """N_TO_N: child i waits for child i."""


@dataclass(frozen=True, kw_only=True)
class PlannedRequest:
    """One call of SubmitJob."""

    request: Mapping[str, Any]
    """As it is sent, but for `dependsOn`. Its jobName is given to no other job, in no other run."""
    tasks: Sequence[str]
    """Names of the tasks; of an array child by child. Empty for a barrier."""
    group: str
    """What people call it: the name of the task, or what the tasks of an array have in common."""
    depends_on: tuple[Dependency, ...] = ()
    """With `after` at most 20."""
    after: tuple[str, ...] = ()
    """Ids of jobs outside the run that must have succeeded."""
    waits_for: tuple[int, ...] = ()
    """Requests whose jobs must have ended, in whatever way, before this one is sent: Batch itself knows no such
    dependency, so it takes a runner."""
    may_fail: bool = False
    """Whether the run succeeds though this fails."""
    is_finally: bool = False
    """Whether it runs when all else has ended."""
    fallback_queue: str | None = None
    """ARN of the queue on which tasks that were lost to Spot reclaims are submitted again."""
    content: Sequence[str] = ()
    """Content hashes of the tasks, in their order: equal ones would do the same work again."""

    @property
    def job_name(self) -> str:
        """The job's name."""
        return str(self.request["jobName"])

    @property
    def job_queue(self) -> str:
        """ARN or name of the queue."""
        return str(self.request["jobQueue"])

    @property
    def size(self) -> int | None:
        """Number of children of an array; None for a job of its own."""
        properties = self.request.get("arrayProperties")
        return None if properties is None else int(properties["size"])

    @property
    def is_barrier(self) -> bool:
        """Whether it only joins others."""
        return not self.tasks


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A run before its submission."""

    run_id: str
    workflow: str
    bucket: str
    prefix: str
    """Key prefix of this run's own objects."""
    requests: Sequence[PlannedRequest]
    """Each after all that it depends on or waits for."""
    objects: Mapping[str, bytes] = field(default_factory=dict)
    """By key in the bucket: what the launcher of the jobs reads. Keys hold the hash of the content."""


def positions(requests: Sequence[PlannedRequest]) -> dict[str, Position]:
    """Where each task is carried out: of several times, the last."""
    found: dict[str, Position] = {}
    for index, planned in enumerate(requests):
        if planned.size is None:
            found |= dict.fromkeys(planned.tasks, Position(index, None))
        else:
            found.update((name, Position(index, child)) for child, name in enumerate(planned.tasks))
    return found


def all_positions(requests: Sequence[PlannedRequest]) -> dict[str, tuple[Position, ...]]:
    """Where each task is, or was, carried out, the last coming last."""
    found: dict[str, tuple[Position, ...]] = {}
    for index, planned in enumerate(requests):
        for child, name in enumerate(planned.tasks):
            place = Position(index, None if planned.size is None else child)
            found[name] = (*found.get(name, ()), place)
    return found


def awaited(requests: Sequence[PlannedRequest], position: Position) -> Iterator[Position]:
    """What a task waits for directly, looking through barriers; a whole array is one position without a child.

    Both what must succeed first and what must only have ended.
    """
    planned = requests[position.request]
    for other in planned.waits_for:
        yield from _looked_through(requests, Position(other, None))
    for dependency in planned.depends_on:
        child = position.child if dependency.by_index else dependency.child
        yield from _looked_through(requests, Position(dependency.request, child))


def _looked_through(requests: Sequence[PlannedRequest], position: Position) -> Iterator[Position]:
    if requests[position.request].is_barrier:
        yield from awaited(requests, position)
    else:
        yield position
