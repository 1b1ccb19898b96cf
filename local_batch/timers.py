"""Timers of the dispatcher: events that become due by an injected clock."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
from collections.abc import Callable

from local_batch.engine.events import AttemptTimedOut, TimeLimitReached

_LOG = logging.getLogger(__name__)

Due = AttemptTimedOut | TimeLimitReached


class Timers:
    """Calls back, on its own thread, when an injected clock has reached a time."""

    def __init__(
        self,
        clock: Callable[[], int],
        ring: Callable[[Due], None],
    ) -> None:
        self._clock = clock
        self._ring = ring
        self._changed = threading.Condition()
        self._due: list[tuple[int, int, Due]] = []
        self._numbers = itertools.count()
        self._is_ending = False
        self._thread = threading.Thread(target=self._run, name="batch-timers", daemon=True)

    def start(self) -> None:
        """Begin to call back."""
        self._thread.start()

    def set(self, at_ms: int, event: Due) -> None:
        """Call back with `event` at `at_ms`. Any thread."""
        with self._changed:
            heapq.heappush(self._due, (at_ms, next(self._numbers), event))
            if self._due[0][0] == at_ms:
                self._changed.notify()

    def end(self) -> None:
        """Call back no more; waits for a call that is being made."""
        with self._changed:
            self._is_ending = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while (event := self._next()) is not None:
            try:
                self._ring(event)
            except Exception:  # noqa: BLE001 - a thread's top: one job's trouble must not stop the others' timers
                _LOG.exception("a timer failed")

    def _next(self) -> Due | None:
        with self._changed:
            while not self._is_ending:
                wait_ms = self._due[0][0] - self._clock() if self._due else None
                if wait_ms is not None and wait_ms <= 0:
                    return heapq.heappop(self._due)[2]
                self._changed.wait(None if wait_ms is None else wait_ms / 1000)
            return None
