"""Whom to ask about: of the jobs of a run those that can have changed.

A job that depends on others stays PENDING until these have ended, so nobody asks about it until then. Calls are what
AWS counts, and each takes 100 ids: where one has room, jobs that come next are asked about along with the others.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from batch_limits import MAX_JOBS_PER_DESCRIBE
from runner.described_job import DescribedJob
from runner.run_record import RunRecord


class Watch:
    """Over the requests of a run that have jobs."""

    def __init__(self, record: RunRecord, jobs: Mapping[int, DescribedJob]) -> None:
        self._open: Final[dict[int, None]] = {}
        """Whose jobs have not ended, in the order of the run."""
        self._unmet: dict[int, int] = {}
        self._after_end: dict[int, list[int]] = {}
        self._after_begin: dict[int, list[int]] = {}
        self.update(record, jobs)

    def update(self, record: RunRecord, jobs: Mapping[int, DescribedJob]) -> None:
        """Take in requests that have got their jobs."""
        for request in sorted(record.job_ids.keys() - self._open.keys()):
            if request not in jobs or not jobs[request].is_terminal:
                self._add(record, request)
        for request in [request for request in self._open if request in jobs]:
            self.tell(request, jobs[request])

    def tell(self, request: int, job: DescribedJob) -> None:
        """So is a request's job now."""
        counts = job.array.counts if job.array else {}
        if job.is_terminal or "SUCCEEDED" in counts or "FAILED" in counts:
            self._meet(self._after_begin.pop(request, ()))
        if job.is_terminal:
            self._open.pop(request, None)
            dependents = self._after_end.pop(request, ())
            self._meet(dependents)
            if job.status == "FAILED":
                # Batch need not wait for the others to fail what depends on it.
                self._unmet.update(dict.fromkeys(dependents, 0))

    @property
    def is_over(self) -> bool:
        """Whether every job has ended."""
        return not self._open

    def due(self) -> list[int]:
        """Requests whose jobs can have changed."""
        return [request for request in self._open if self._unmet[request] <= 0]

    def still_open(self, requests: Iterable[int]) -> list[int]:
        """Those of them whose jobs have not ended."""
        return [request for request in requests if request in self._open]

    def asked(self, due: list[int]) -> list[int]:
        """These, and as many of the others as cost no further call."""
        room = -len(due) % MAX_JOBS_PER_DESCRIBE
        return [*due, *itertools.islice(self._not_due(), room)]

    def _not_due(self) -> Iterator[int]:
        return (request for request in self._open if self._unmet[request] > 0)

    def _add(self, record: RunRecord, request: int) -> None:
        self._open[request] = None
        self._unmet[request] = 0
        for dependency in record.requests[request].depends_on:
            other = dependency.request
            if other in self._open:
                is_partial = dependency.by_index or dependency.child is not None
                waiting = self._after_begin if is_partial else self._after_end
                waiting.setdefault(other, []).append(request)
                self._unmet[request] += 1

    def _meet(self, dependents: list[int] | tuple[()]) -> None:
        for dependent in dependents:
            self._unmet[dependent] -= 1
