"""Who waits for whom. A job's dependencies are fixed when it is submitted."""

from __future__ import annotations

from local_batch.engine.jobs import Job


class DependencyGraph:
    """Edges from jobs that have not reached an end to the jobs that wait for all of them.

    What children of array jobs wait for child by child is not here: it follows from their indices (arrays.py), and
    would be ten thousand edges for each array.
    """

    def __init__(self) -> None:
        self._waiting_for: dict[Job, list[Job]] = {}
        self._partners: dict[Job, list[Job]] = {}

    def add(self, job: Job, dependency: Job) -> None:
        """`job` waits for the end of `dependency`."""
        self._waiting_for.setdefault(dependency, []).append(job)

    def settle(self, job: Job) -> list[Job]:
        """The jobs that waited for `job`, in submission order; the edges are gone afterwards."""
        return self._waiting_for.pop(job, [])

    def pair(self, array: Job, partner: Job) -> None:
        """Each child of `array` waits for the child of `partner` with the same index (N_TO_N)."""
        self._partners.setdefault(partner, []).append(array)

    def paired_with(self, partner: Job) -> list[Job]:
        """The arrays whose children wait for this one's, in submission order."""
        return self._partners.get(partner, [])

    def unpair(self, partner: Job) -> None:
        """All children of `partner` have ended: nobody will ask for its pairs again."""
        self._partners.pop(partner, None)
