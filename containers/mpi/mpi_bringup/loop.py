"""The one loop of a bring-up: what can be read or written, what ended, what is due. Single-threaded."""

from __future__ import annotations

import contextlib
import errno
import heapq
import itertools
import os
import selectors
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final

Call = Callable[[], None]

_NO_ROOM: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_REST_SECONDS: Final = 0.5


class Loop:
    """Calls back. One that raises ends the loop: a fault is not to be lived with."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._readers: dict[int, Call] = {}
        self._writers: dict[int, Call] = {}
        self._due: list[tuple[float, int, Call]] = []
        self._numbers = itertools.count()
        self._is_over = False
        self._calls: deque[Call] = deque()
        self._wake_up, self._inlet = os.pipe()
        os.set_blocking(self._wake_up, False)
        os.set_blocking(self._inlet, False)
        signal.set_wakeup_fd(self._inlet, warn_on_full_buffer=False)
        self._on_signal: dict[int, Callable[[int], None]] = {}
        self.on_readable(self._wake_up, self._woken)

    def run(self) -> None:
        """Until `end`."""
        while not self._is_over:
            for key, events in self._selector.select(self._seconds()):
                descriptor = key.fd
                if events & selectors.EVENT_READ and descriptor in self._readers:
                    self._readers[descriptor]()
                if events & selectors.EVENT_WRITE and descriptor in self._writers:
                    self._writers[descriptor]()
            self._call_what_is_due()

    def end(self) -> None:
        """After what is being called now."""
        self._is_over = True

    def on_readable(self, descriptor: int, call: Call) -> None:
        """Whenever it is, until `forget`."""
        self._readers[descriptor] = call
        self._update(descriptor)

    def on_writable(self, descriptor: int, call: Call | None) -> None:
        """Whenever it is; None for no more."""
        if call is None:
            self._writers.pop(descriptor, None)
        else:
            self._writers[descriptor] = call
        self._update(descriptor)

    def pause_reading(self, descriptor: int) -> None:
        """Until `on_readable` is called anew."""
        self._readers.pop(descriptor, None)
        self._update(descriptor)

    def forget(self, descriptor: int) -> None:
        """Call nothing for it any more."""
        self._readers.pop(descriptor, None)
        self._writers.pop(descriptor, None)
        self._update(descriptor)

    def after(self, seconds: float, call: Call) -> None:
        """Once."""
        heapq.heappush(self._due, (time.monotonic() + seconds, next(self._numbers), call))

    def call(self, call: Call) -> None:
        """Soon; the one method that other threads may use."""
        self._calls.append(call)
        with contextlib.suppress(BlockingIOError):  # it is full, so the loop wakes up anyway
            os.write(self._inlet, b"\0")

    def accept(self, listener: socket.socket, call: Call) -> tuple[socket.socket, Any] | None:
        """Who calls at a listener that `call` is called back for; None for nobody.

        Where no descriptor is free the listener rests: it stays readable, and would be asked without end.
        """
        try:
            return listener.accept()
        except OSError as error:
            if error.errno in _NO_ROOM:
                self.forget(listener.fileno())
                self.after(_REST_SECONDS, lambda: self._listen_again(listener, call))
            return None  # otherwise the caller has hung up already

    def _listen_again(self, listener: socket.socket, call: Call) -> None:
        if listener.fileno() >= 0:
            self.on_readable(listener.fileno(), call)

    def on_exit(self, pid: int, call: Callable[[int], None]) -> None:
        """Once, with its exit code, 128 and the number after a signal; `pid` is a child."""
        descriptor = os.pidfd_open(pid)

        def ended() -> None:
            # What was readable may have been an earlier owner of the descriptor's number.
            found, status = os.waitpid(pid, os.WNOHANG)
            if not found:
                return
            self.forget(descriptor)
            os.close(descriptor)
            exit_code = os.waitstatus_to_exitcode(status)
            call(exit_code if exit_code >= 0 else 128 - exit_code)

        self.on_readable(descriptor, ended)

    def on_signals(self, numbers: Iterable[int], call: Callable[[int], None]) -> None:
        """Each time one comes, with its number."""
        for number in numbers:
            self._on_signal[number] = call
            signal.signal(number, lambda *_: None)

    def _woken(self) -> None:
        try:
            numbers = os.read(self._wake_up, 64)
        except BlockingIOError:
            return
        for number in numbers:
            if number in self._on_signal:
                self._on_signal[number](number)
        # What these queue in turn comes in the next round: signals and deadlines are not to wait for it.
        for _ in range(len(self._calls)):
            self._calls.popleft()()

    def _seconds(self) -> float | None:
        return max(self._due[0][0] - time.monotonic(), 0.0) if self._due else None

    def _call_what_is_due(self) -> None:
        now = time.monotonic()
        while self._due and self._due[0][0] <= now and not self._is_over:
            heapq.heappop(self._due)[2]()

    def _update(self, descriptor: int) -> None:
        events = (selectors.EVENT_READ if descriptor in self._readers else 0) | (
            selectors.EVENT_WRITE if descriptor in self._writers else 0
        )
        is_known = descriptor in self._selector.get_map()
        if not events:
            if is_known:
                self._selector.unregister(descriptor)
        elif is_known:
            self._selector.modify(descriptor, events)
        else:
            self._selector.register(descriptor, events)
