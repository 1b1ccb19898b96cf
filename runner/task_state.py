"""A task at one moment, and the words for how it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from runner.described_job import DescribedJob
from runner.job_notes import is_blocked, job_note

NOT_RUN: Final = "NOT RUN"
"""A task whose job Batch failed without starting it, because of another task."""

NOT_SUBMITTED: Final = "NOT SUBMITTED"
UNKNOWN: Final = "UNKNOWN"
"""Submitted, but Batch does not, or not yet, know the job; or a child of an array that is known as a whole only."""

FAILED_ALLOWED: Final = "FAILED (allowed)"
"""A task that failed and may."""

WELL: Final = frozenset({"SUCCEEDED", FAILED_ALLOWED})
"""How all tasks of a run that has succeeded have ended."""

IN_ORDER: Final = (
    *("SUCCEEDED", "RUNNING", "STARTING", "RUNNABLE", "PENDING", "SUBMITTED"),
    *("FAILED", FAILED_ALLOWED, NOT_RUN, NOT_SUBMITTED, UNKNOWN),
)
"""The order in which people are told of the tasks of a group."""


@dataclass(frozen=True, kw_only=True)
class TaskState:
    """One task at one moment."""

    name: str
    group: str
    """What it and the other tasks of its array are called together; its own name where it is alone."""
    job_name: str
    """Of an array's child the array's."""
    job_id: str | None
    job: DescribedJob | None
    """None where it is not known; of a child of an array only where it failed or was asked for."""
    status: str
    """Batch's word for the job's state, or one of ours where there is none or it would mislead."""
    is_over: bool
    """Whether nothing more will happen to it."""
    failed_dependency: str | None = None
    """The task whose own failure is why this one was not run."""
    waiting: str = ""
    """Why there is no job to tell of; empty where there is one."""

    @property
    def is_blocked(self) -> bool:
        """Whether Batch has said that it cannot place the job."""
        return self.job is not None and is_blocked(self.job)

    @property
    def note(self) -> str:
        """What a person should know beyond the status; empty for nothing."""
        if self.failed_dependency:
            return f"not run: its dependency {self.failed_dependency} failed"
        return self.waiting if self.job is None else job_note(self.job)
