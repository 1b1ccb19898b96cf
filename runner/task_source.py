"""What requests are written from: tasks by number, whether they were just declared or are to be run again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from runner.child_content import Child


@dataclass(frozen=True, kw_only=True)
class Traits:
    """What decides how a task can be told and awaited."""

    after: tuple[str, ...] = ()
    """Ids of jobs outside the run."""
    may_fail: bool = False
    is_finally: bool = False
    fallback_queue: str | None = None
    has_launcher: bool = False
    """Whether its image can be told by index what a child is to do."""
    is_multinode: bool = False
    why_alone: str | None = None
    """Why it is no child of an array, where that is known beforehand."""


class TaskSource(Protocol):
    """Tasks by number. Those of one shape have the same traits and the same request."""

    def name(self, task: int) -> str:
        """A task's name."""

    def is_task(self, name: str) -> bool:
        """Whether a task is called so."""

    def label(self, members: Sequence[int], names: Sequence[str]) -> str:
        """What people call several tasks together."""

    def traits(self, task: int) -> Traits:
        """A task's traits."""

    def child(self, task: int) -> Child:
        """What a task does."""

    def request(self, task: int) -> dict[str, Any]:
        """A task's SubmitJob request without name, size and, but for multi-node jobs, what `child` says."""

    def content(self, task: int, said: str) -> str:
        """The content hash of a task, once those that it needs have been asked for theirs; `said` is its line."""
