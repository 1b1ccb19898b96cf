"""The order in which RUNNABLE jobs of each queue are looked at: first come, first served, retries first.

Source: https://docs.aws.amazon.com/batch/latest/userguide/job_states.html (a retried job goes to the front).
"""

from __future__ import annotations

from collections import deque

from local_batch.engine.jobs import Job
from local_batch.engine.states import JobStatus


class RunOrder:
    """One line of jobs for each queue. A job that is no longer RUNNABLE is dropped when it reaches the head."""

    def __init__(self) -> None:
        self._lines: dict[str, deque[Job]] = {}

    def append(self, job: Job) -> None:
        """Line up at the end."""
        self._lines.setdefault(job.spec.queue_arn, deque()).append(job)

    def push_front(self, job: Job) -> None:
        """Line up at the front."""
        self._lines.setdefault(job.spec.queue_arn, deque()).appendleft(job)

    def head(self, queue_arn: str) -> Job | None:
        """The job to place next; None where nothing is RUNNABLE."""
        line = self._lines.get(queue_arn)
        while line:
            if line[0].status is JobStatus.RUNNABLE:
                return line[0]
            line.popleft()
        return None

    def pop(self, queue_arn: str) -> None:
        """Take the head out."""
        self._lines[queue_arn].popleft()

    def forget(self, queue_arn: str) -> None:
        """The queue is gone."""
        self._lines.pop(queue_arn, None)
