"""Waits for descriptors, timers and the ends of children, in one thread."""

from __future__ import annotations

import ctypes
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
from functools import partial
from typing import TypeVar

_LOG = logging.getLogger(__name__)

Callback = Callable[[], None]

_NEVER = 3600.0
"""Seconds of one wait where nothing is due."""

_SIGNAL_BYTES = 128
"""Size of a signalfd_siginfo, and of a sigset_t at most. One signal tells of all children."""

_Result = TypeVar("_Result")


class EventLoop:
    """Calls back on the main thread, one callback at a time. A callback that raises is logged; the loop goes on."""

    def __init__(self) -> None:
        """Takes SIGCHLD, and so belongs to the main thread, before there is another that could get it."""
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
        self.on_readable(self._wakeup, self._take_calls)
        self._children = _child_signals() if sys.platform == "linux" else None
        self._is_ending = False

    def after(self, seconds: float, callback: Callback) -> None:
        """Call back once, not earlier."""
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._timer_numbers), callback))

    def on_readable(self, descriptor: int, callback: Callback) -> None:
        """Call back whenever there is something to read, or the end of it."""
        self._callbacks[descriptor] = callback
        self._poller.register(descriptor, select.POLLIN)

    def on_children(self, callback: Callback) -> None:
        """Call back after one or more children have ended."""
        if self._children is not None:
            self.on_readable(self._children, partial(self._take_signal, self._children, callback))
        else:
            signal.set_wakeup_fd(self._wakeup_write, warn_on_full_buffer=False)
            signal.signal(signal.SIGCHLD, lambda *_: self._calls.append(callback))

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
        if sys.platform == "linux":
            # epoll forgets by itself what is closed.
            self._callbacks.pop(descriptor, None)
        else:
            self.forget(descriptor)
        os.close(descriptor)

    def end(self) -> None:
        """Return from `run` after this turn."""
        self._is_ending = True

    def run(self, turn: Callable[[], float | None]) -> None:
        """Wait and call back until the end. After each wait comes `turn`, and says for how long the next may be."""
        seconds: float | None = None
        while not self._is_ending:
            for descriptor, _ in self._poller.poll(self._timeout(seconds)):
                # A callback of this turn may have closed it.
                if callback := self._callbacks.get(descriptor):
                    self.guard(callback)
            if self._timers:
                now = time.monotonic()
                while self._timers and self._timers[0][0] <= now:
                    self.guard(heapq.heappop(self._timers)[2])
            seconds = self.guard(turn)

    def _timeout(self, seconds: float | None) -> float:
        if seconds is None:
            seconds = _NEVER
        if self._timers and seconds > 0:
            seconds = min(seconds, max(0.0, self._timers[0][0] - time.monotonic()))
        return seconds * self._unit

    def _take_signal(self, descriptor: int, callback: Callback) -> None:
        os.read(descriptor, _SIGNAL_BYTES)
        callback()

    def _take_calls(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._wakeup, 4096)
        while self._calls:
            self.guard(self._calls.popleft())

    def guard(self, callback: Callable[[], _Result]) -> _Result | None:
        """Call back now; None where that raises, which is logged."""
        try:
            return callback()
        except Exception:  # noqa: BLE001 - a thread's top: one attempt's trouble must not stop the others
            _LOG.exception("a callback failed")
            return None


def _child_signals() -> int:
    """A descriptor of signalfd(2) for SIGCHLD: a handler would cut short a wait and be called for every child."""
    signals = ctypes.create_string_buffer(_SIGNAL_BYTES)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.sigemptyset(signals)
    libc.sigaddset(signals, signal.SIGCHLD)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    descriptor: int = libc.signalfd(-1, signals, os.O_NONBLOCK | os.O_CLOEXEC)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), "signalfd")
    return descriptor
