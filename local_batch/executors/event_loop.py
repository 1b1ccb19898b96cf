"""One thread that waits for descriptors, timers and calls from other threads."""

from __future__ import annotations

import heapq
import itertools
import logging
import os
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

_LOG = logging.getLogger(__name__)

Callback = Callable[[], None]


class EventLoop:
    """Calls back on its own thread, one callback at a time. A callback that raises is logged; the loop goes on."""

    def __init__(self, name: str) -> None:
        """The thread is named `name` and starts with `start`."""
        self._calls: deque[Callback] = deque()
        self._timers: list[tuple[float, int, Callback]] = []
        self._timer_numbers = itertools.count()
        self._selector = selectors.DefaultSelector()
        self._wakeup_read, self._wakeup_write = os.pipe()
        os.set_blocking(self._wakeup_read, False)
        os.set_blocking(self._wakeup_write, False)
        self._selector.register(self._wakeup_read, selectors.EVENT_READ, self._take_calls)
        self._is_ending = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to call back."""
        self._thread.start()

    def call(self, callback: Callback) -> None:
        """From any thread: call back soon, in the order of the calls. After the end, nothing happens."""
        self._calls.append(callback)
        # A full pipe wakes as well as one byte more would; after the end there is nobody to wake.
        with suppress(OSError):
            os.write(self._wakeup_write, b"\0")

    def after(self, seconds: float, callback: Callback) -> None:
        """On the loop's thread: call back once, not earlier."""
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._timer_numbers), callback))

    def on_readable(self, descriptor: int, callback: Callback) -> None:
        """On the loop's thread: call back whenever there is something to read.

        It may be called once more after another callback of the same turn has closed the descriptor.
        """
        self._selector.register(descriptor, selectors.EVENT_READ, callback)

    def close_descriptor(self, descriptor: int) -> None:
        """On the loop's thread: forget and close a descriptor given to `on_readable`."""
        self._selector.unregister(descriptor)
        os.close(descriptor)

    def end(self) -> None:
        """On the loop's thread: return from it after this callback."""
        self._is_ending = True

    def join(self) -> None:
        """From another thread: wait for the end."""
        self._thread.join()

    def _run(self) -> None:
        while not self._is_ending:
            timeout = max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None
            for key, _ in self._selector.select(timeout):
                self._guard(key.data)
            now = time.monotonic()
            while self._timers and self._timers[0][0] <= now:
                self._guard(heapq.heappop(self._timers)[2])
        self._selector.close()
        os.close(self._wakeup_read)
        write, self._wakeup_write = self._wakeup_write, -1
        os.close(write)

    def _take_calls(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._wakeup_read, 4096)
        while self._calls:
            self._guard(self._calls.popleft())

    def _guard(self, callback: Callback) -> None:
        try:
            callback()
        except Exception:  # noqa: BLE001 - a thread's top: one attempt's trouble must not stop the others
            _LOG.exception("a callback failed")
