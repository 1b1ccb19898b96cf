"""What is known of a run without asking anybody: the content of its ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from runner.plan import PlannedRequest, Position, positions
from runner.target import Target


class TaskIndex:
    """Where each task of some requests is carried out, found out when first asked for."""

    def __init__(self, requests: Sequence[PlannedRequest]) -> None:
        self._requests = requests

    @cached_property
    def positions(self) -> Mapping[str, Position]:
        """By task."""
        return positions(self._requests)


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """Everything that a ledger says. Requests are numbered from 0 in the order of `requests`."""

    run_id: str
    workflow: str
    created_at: float
    """Seconds since the epoch."""
    target: Target
    bucket: str
    prefix: str
    runs_prefix: str = "runs/"
    """Key prefix of the copies of ledgers."""
    job_events_queue_url: str | None = None
    """Of the queue that states of jobs are pushed to; None where they are asked for."""
    source: str | None = None
    """The workflow's file; None where it came from a pipe or a command."""
    requests: Sequence[PlannedRequest]
    """Those of the first submission, then those of each later one: a task may stand in several, the last counts."""
    submissions: Sequence[int] = ()
    """The first request of each submission."""
    job_ids: Mapping[int, str] = field(default_factory=dict)
    """By request."""
    submitted_at: Mapping[int, float] = field(default_factory=dict)
    """Seconds since the epoch, by request."""
    attempted: Mapping[int, float] = field(default_factory=dict)
    """When a submission was last begun, by request; those without an id may have a job nevertheless."""
    ended: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    """By request, what Batch last said of a job that has ended."""
    ended_children: Mapping[int, Mapping[int, Mapping[str, Any]]] = field(default_factory=dict)
    """By request and child, the same for children of arrays that have ended and did not succeed."""
    cancelled_at: float | None = None
    """When it was cancelled: nothing more of it is submitted."""
    index: TaskIndex | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.index is None:
            object.__setattr__(self, "index", TaskIndex(self.requests))

    @property
    def positions(self) -> Mapping[str, Position]:
        """Where each task is carried out."""
        assert self.index is not None
        return self.index.positions

    @property
    def number_of_tasks(self) -> int:
        """Tasks in all, each counted once."""
        return len(self.positions)
