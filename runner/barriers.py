"""More dependencies than a job may have, gathered by jobs that only join others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from batch_limits import MAX_DEPENDENCIES_PER_JOB
from runner.plan import Dependency


class Barriers:
    """Makes barriers: the fewest that do, in a balanced tree, one for each set however many wait for it."""

    def __init__(self, add: Callable[[tuple[Dependency, ...]], int]) -> None:
        """`add` puts a barrier with these dependencies behind all requests up to now; its index."""
        self._add = add
        self._known: Final[dict[tuple[Dependency, ...], int]] = {}

    def gather(self, wanted: Sequence[Dependency], limit: int) -> tuple[Dependency, ...]:
        """At most `limit` dependencies, at least one, that mean all of these."""
        found = tuple(wanted)
        while len(found) > limit:
            # Each takes 20 places and gives back one.
            missing = -(-(len(found) - limit) // (MAX_DEPENDENCIES_PER_JOB - 1))
            groups = max(min(missing, len(found) // MAX_DEPENDENCIES_PER_JOB), 1)
            size = min(MAX_DEPENDENCIES_PER_JOB, len(found))
            joined = [self._barrier(found[index * size : (index + 1) * size]) for index in range(groups)]
            found = (*found[groups * size :], *joined)
        return found

    def _barrier(self, joined: tuple[Dependency, ...]) -> Dependency:
        known = self._known.get(joined)
        if known is None:
            known = self._known[joined] = self._add(joined)
        return Dependency(known)
