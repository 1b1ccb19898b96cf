"""Jobs by queue in the order of their submission, so that a page of a list costs what the page holds.

Theory of operation. The engine keeps every job for ever, in the order of submission. Here each queue has a list of its
own jobs, brought up to date when somebody asks; a job's place in it never changes, so that a page's token can name it.
Beside it stand the places of those jobs that had not ended when last looked at: a list of RUNNING jobs does not walk
a hundred thousand that ended.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from itertools import islice

from local_batch.engine.core import Engine
from local_batch.engine.jobs import Job
from local_batch.engine.states import JobStatus


class QueueJobs:
    """The jobs of one queue. Their numbers count from 0, in the order of submission."""

    def __init__(self) -> None:
        self._jobs: list[Job] = []
        self._open = array("L")

    def add(self, job: Job) -> None:
        """The next one submitted."""
        self._open.append(len(self._jobs))
        self._jobs.append(job)

    def at(self, number: int) -> Job | None:
        """The job with this number."""
        return self._jobs[number] if 0 <= number < len(self._jobs) else None

    def after(self, number: int | None) -> Iterator[tuple[int, Job]]:
        """Jobs with their numbers, newest first, from the one after `number` (None: from the newest)."""
        begin = len(self._jobs) if number is None else number
        return ((older, self._jobs[older]) for older in range(begin - 1, -1, -1))

    def open_after(self, number: int | None) -> Iterator[tuple[int, Job]]:
        """As `after`, leaving out those that ended before somebody last asked from the newest."""
        if number is None:
            self._forget_ended()
        places = self._open
        begin = len(places) if number is None else bisect_left(places, number)
        return ((places[place], self._jobs[places[place]]) for place in range(begin - 1, -1, -1))

    def _forget_ended(self) -> None:
        jobs, succeeded, failed = self._jobs, JobStatus.SUCCEEDED, JobStatus.FAILED
        self._open = array(
            "L", [n for n in self._open if (status := jobs[n].status) is not succeeded and status is not failed]
        )


class JobIndex:
    """The jobs of all queues. Use it under the dispatcher's lock."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known = 0
        self._queues: dict[str, QueueJobs] = {}

    def of_queue(self, queue_arn: str) -> QueueJobs:
        """The jobs of a queue as of now."""
        jobs = self._engine.jobs
        fresh = list(islice(reversed(jobs.values()), len(jobs) - self._known))
        self._known = len(jobs)
        for job in reversed(fresh):
            self._queues.setdefault(job.profile.queue_arn, QueueJobs()).add(job)
        return self._queues.setdefault(queue_arn, QueueJobs())
