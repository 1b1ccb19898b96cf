"""The order in which RUNNABLE jobs of each queue are looked at.

First come, first served, retries first; in a queue with shares, by scheduling priority within each share.
Source: https://docs.aws.amazon.com/batch/latest/userguide/job_states.html (a retried job goes to the front).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from local_batch.engine.jobs import Job
from local_batch.engine.states import JobStatus

ONE_SHARE = ""
"""The share of all jobs of a queue without a scheduling policy."""

_PRIORITY_STEP = 1 << 64
"""Far above the number of jobs that will ever line up: priority decides first, then who came first."""


class Line:
    """RUNNABLE jobs of one queue and share. One that is no longer RUNNABLE is dropped when it reaches the head."""

    def __init__(self) -> None:
        self._entries: list[tuple[int, Job]] = []
        self.shifted_at = 0
        """When the head last left, or somebody pushed in: nobody has been at his position for longer."""

    def add(self, key: int, job: Job) -> None:
        """Line up behind lower keys."""
        heapq.heappush(self._entries, (key, job))

    def head(self) -> tuple[int, Job] | None:
        """The first, with its key."""
        while self._entries:
            if self._entries[0][1].status is JobStatus.RUNNABLE:
                return self._entries[0]
            heapq.heappop(self._entries)
        return None

    def pop(self) -> None:
        """Take the head out."""
        heapq.heappop(self._entries)

    def first(self, count: int) -> list[Job]:
        """The first `count` in order."""
        live = ((key, job) for key, job in self._entries if job.status is JobStatus.RUNNABLE)
        return [job for _, job in heapq.nsmallest(count, live)]


class RunOrder:
    """The lines of all queues, one for each share."""

    def __init__(self) -> None:
        self._lines: dict[str, dict[str, Line]] = {}
        self._last = 0
        self._first = 0

    def append(self, job: Job) -> None:
        """Line up at the end (of its priority)."""
        self._last += 1
        self._line(job).add(self._key(job, self._last), job)

    def push_front(self, job: Job, now_ms: int) -> None:
        """Line up at the front (of its priority)."""
        self._first -= 1
        line = self._line(job)
        line.add(self._key(job, self._first), job)
        line.shifted_at = now_ms

    def heads(self, queue_arn: str) -> Iterator[tuple[int, Job]]:
        """The first of each share that has a RUNNABLE job, with the key by which they came."""
        for line in self._lines.get(queue_arn, {}).values():
            head = line.head()
            if head is not None:
                yield head

    def take(self, job: Job, now_ms: int) -> None:
        """Take out the job, which heads its line."""
        line = self._line(job)
        line.pop()
        line.shifted_at = now_ms

    def lines(self, queue_arn: str) -> dict[str, Line]:
        """The lines of a queue, by share."""
        return self._lines.get(queue_arn, {})

    def forget(self, queue_arn: str) -> None:
        """The queue is gone."""
        self._lines.pop(queue_arn, None)

    def _line(self, job: Job) -> Line:
        lines = self._lines.setdefault(job.profile.queue_arn, {})
        share = job.profile.share_identifier or ONE_SHARE
        if share not in lines:
            lines[share] = Line()
        return lines[share]

    def _key(self, job: Job, number: int) -> int:
        if job.profile.share_identifier is None:
            return number
        return number - job.profile.scheduling_priority * _PRIORITY_STEP
