"""Waits for descriptors, timers and the ends of children, in one thread."""

from __future__ import annotations

import heapq
import itertools
import logging
import os
import select
import signal
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

_LOG = logging.getLogger(__name__)

Callback = Callable[[], None]

_NEVER = 3600.0
"""Seconds of one wait where nothing is due."""


class EventLoop:
    """Calls back on the main thread, one callback at a time. A callback that raises is logged; the loop goes on."""

    def __init__(self) -> None:
        """Takes the process's SIGCHLD, and so belongs to its main thread."""
        self._timers: list[tuple[float, int, Callback]] = []
        self._timer_numbers = itertools.count()
        self._callbacks: dict[int, Callback] = {}
        # Both have the same calls; selectors would wrap them at four times their cost.
        self._poller = select.epoll() if sys.platform == "linux" else select.poll()
        self._unit = 1.0 if sys.platform == "linux" else 1000.0
        self._calls: deque[Callback] = deque()
        self._wakeup, self._wakeup_write = os.pipe()
        os.set_blocking(self._wakeup, False)
        os.set_blocking(self._wakeup_write, False)
        signal.set_wakeup_fd(self._wakeup_write, warn_on_full_buffer=False)
        self.on_readable(self._wakeup, self._take_calls)
        self._on_children: Callback = _nothing
        self._is_child_due = False
        signal.signal(signal.SIGCHLD, self._note_child)
        self._is_ending = False

    def after(self, seconds: float, callback: Callback) -> None:
        """Call back once, not earlier."""
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._timer_numbers), callback))

    def on_readable(self, descriptor: int, callback: Callback) -> None:
        """Call back whenever there is something to read, or the end of it."""
        self._callbacks[descriptor] = callback
        self._poller.register(descriptor, select.POLLIN)

    def on_children(self, callback: Callback) -> None:
        """Call back once after one or more children have ended."""
        self._on_children = callback

    def call(self, callback: Callback) -> None:
        """From any thread: call back soon, in the order of the calls."""
        self._calls.append(callback)
        # A full pipe wakes as well as one byte more would.
        with suppress(BlockingIOError):
            os.write(self._wakeup_write, b"\0")

    def forget(self, descriptor: int) -> None:
        """Call back no more about what was given to `on_readable`, if it was."""
        if self._callbacks.pop(descriptor, None) is not None:
            self._poller.unregister(descriptor)

    def close_descriptor(self, descriptor: int) -> None:
        """Forget and close it."""
        self.forget(descriptor)
        os.close(descriptor)

    def end(self) -> None:
        """Return from `run` after this turn."""
        self._is_ending = True

    def run(self, turn: Callable[[], bool]) -> None:
        """Wait and call back until the end. After each wait comes `turn`; where it is true the next wait is none."""
        is_busy = False
        while not self._is_ending:
            for descriptor, _ in self._poller.poll(0 if is_busy else self._timeout()):
                # A callback of this turn may have closed it.
                if callback := self._callbacks.get(descriptor):
                    self._guard(callback)
            now = time.monotonic()
            while self._timers and self._timers[0][0] <= now:
                self._guard(heapq.heappop(self._timers)[2])
            if self._is_child_due:
                self._is_child_due = False
                self._guard(self._on_children)
            is_busy = bool(self._guard(turn))

    def _timeout(self) -> float:
        seconds = max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else _NEVER
        return seconds * self._unit

    def _note_child(self, *_: object) -> None:
        # In the midst of whatever runs.
        self._is_child_due = True

    def _take_calls(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._wakeup, 4096)
        while self._calls:
            self._guard(self._calls.popleft())

    def _guard(self, callback: Callable[[], bool | None]) -> bool | None:
        try:
            return callback()
        except Exception:  # noqa: BLE001 - a thread's top: one attempt's trouble must not stop the others
            _LOG.exception("a callback failed")
            return False


def _nothing() -> None:
    """Before anybody wants to know."""
