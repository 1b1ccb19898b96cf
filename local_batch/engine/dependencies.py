"""Who waits for whom. A job's dependencies are fixed when it is submitted."""

from __future__ import annotations

from collections.abc import Iterable


class DependencyGraph:
    """Edges from jobs that have not reached an end to the jobs that wait for them."""

    def __init__(self) -> None:
        self._waiting_for: dict[str, list[str]] = {}

    def add(self, job_id: str, dependencies: Iterable[str]) -> None:
        """`job_id` waits for each of these."""
        for dependency in dependencies:
            self._waiting_for.setdefault(dependency, []).append(job_id)

    def settle(self, job_id: str) -> list[str]:
        """The jobs that waited for `job_id`, in submission order; the edges are gone afterwards."""
        return self._waiting_for.pop(job_id, [])
