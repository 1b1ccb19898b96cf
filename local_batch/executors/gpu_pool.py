"""Which GPUs of this machine are whose."""

from __future__ import annotations

import heapq
import itertools


class GpuPool:
    """Hands out GPU numbers, lowest first. How many there are is the scheduler's business, which counts them."""

    def __init__(self) -> None:
        self._free: list[int] = []
        self._fresh = itertools.count()

    def take(self, count: int) -> tuple[int, ...]:
        """Numbers that nobody else has."""
        return tuple(heapq.heappop(self._free) if self._free else next(self._fresh) for _ in range(count))

    def give_back(self, numbers: tuple[int, ...]) -> None:
        """They are free again."""
        for number in numbers:
            heapq.heappush(self._free, number)
