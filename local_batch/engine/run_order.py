"""The order in which RUNNABLE jobs of each queue are looked at.

First come, first served, retries first; in a queue with shares, by scheduling priority within each share.
Source: https://docs.aws.amazon.com/batch/latest/userguide/job_states.html (a retried job goes to the front).
"""

from __future__ import annotations

import heapq

from local_batch.engine.jobs import Job
from local_batch.engine.states import JobStatus

ONE_SHARE = ""
"""The share of all jobs of a queue without a scheduling policy."""

_PRIORITY_STEP = 1 << 64
"""Far above the number of jobs that will ever line up: priority decides first, then who came first."""

_RUNNABLE = JobStatus.RUNNABLE


class Line:
    """RUNNABLE jobs of one queue and share. One that is no longer RUNNABLE is dropped when it reaches the head."""

    def __init__(self) -> None:
        self._entries: list[tuple[int, Job]] = []
        self.shifted_at = 0
        """When the head last left."""

    def add(self, key: int, job: Job) -> None:
        """Line up behind lower keys."""
        heapq.heappush(self._entries, (key, job))

    def head(self) -> Job | None:
        """The first."""
        while self._entries:
            job = self._entries[0][1]
            if job.status is _RUNNABLE:
                return job
            heapq.heappop(self._entries)
            self.shifted_at = max(self.shifted_at, job.stopped_at or 0)
        return None

    def pop(self, now_ms: int) -> None:
        """Take the head out."""
        heapq.heappop(self._entries)
        self.shifted_at = now_ms

    def first(self, count: int) -> list[tuple[Job, int]]:
        """The first `count` in order, each with the time since when it has been where it is: since it lined up, or
        since the last of those before it lined up or left.
        """
        entries = self._entries.copy()
        since_ms = self.shifted_at
        found: list[tuple[Job, int]] = []
        while entries and len(found) < count:
            job = heapq.heappop(entries)[1]
            if job.status is _RUNNABLE:
                since_ms = max(since_ms, job.runnable_at or 0)
                found.append((job, since_ms))
            else:
                since_ms = max(since_ms, job.stopped_at or 0)
        return found


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

    def push_front(self, job: Job) -> None:
        """Line up at the front (of its priority)."""
        self._first -= 1
        self._line(job).add(self._key(job, self._first), job)

    def heads(self, queue_arn: str) -> list[Job]:
        """The first of each share that has a RUNNABLE job."""
        lines = self._lines.get(queue_arn)
        if not lines:
            return []
        found = [head for line in lines.values() if (head := line.head()) is not None]
        if len(found) < len(lines):
            self._lines[queue_arn] = {share: line for share, line in lines.items() if line.head() is not None}
        return found

    def take(self, job: Job, now_ms: int) -> None:
        """Take out the job, which heads its line."""
        self._line(job).pop(now_ms)

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
