"""What attempts write, from their pipes into reports."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from functools import partial

from local_batch.executors.event_loop import EventLoop
from local_batch.executors.report_sender import ReportSender
from local_batch.executors.running_attempt import RunningAttempt

READ_BYTES = 65_536
"""One read: what a pipe holds on Linux. An attempt that floods is read once a turn, so that others are read too."""

READS_AT_END = 17
"""Of what an attempt that is gone left in its pipe: more than a pipe can be made to hold (1 MiB, pipe(7))."""

REPORT_BYTES = 131_072
"""So much output is reported at once, without waiting for the delay."""

REPORT_SECONDS = 0.05
"""How long a line may wait for others to be reported with it."""

YOUNG_SECONDS = 0.01
"""For so long a new attempt's output is left in its pipe: most that end at once write nothing worth waiting for."""

FOREIGN_PIPE_SECONDS = 1.0
"""How long output is awaited after all of an attempt is gone, when somebody else was handed its pipe."""


class OutputReader:
    """Reads the output of running attempts."""

    def __init__(self, loop: EventLoop, sender: ReportSender, on_end: Callable[[RunningAttempt], None]) -> None:
        """`on_end` is told when all that an attempt which is gone has written is reported."""
        self._loop = loop
        self._sender = sender
        self._on_end = on_end
        self._young: deque[RunningAttempt] = deque()

    def follow(self, attempt: RunningAttempt) -> None:
        """Read what it writes, from soon on."""
        self._young.append(attempt)
        if len(self._young) == 1:
            self._loop.after(YOUNG_SECONDS, self._listen)

    def finish(self, attempt: RunningAttempt) -> None:
        """The attempt is gone: read to the end."""
        if attempt.output is None:
            self._on_end(attempt)
            return
        for _ in range(READS_AT_END):
            if not self._read(attempt):
                break
        if attempt.output is not None:
            self._register(attempt)
            self._loop.after(FOREIGN_PIPE_SECONDS, partial(self._end, attempt))

    def _listen(self) -> None:
        old = time.monotonic() - YOUNG_SECONDS
        while self._young and self._young[0].began <= old:
            self._register(self._young.popleft())
        if self._young:
            self._loop.after(self._young[0].began - old, self._listen)

    def _register(self, attempt: RunningAttempt) -> None:
        if attempt.output is not None and not attempt.is_listened_to:
            attempt.is_listened_to = True
            self._loop.on_readable(attempt.output, partial(self._read_once, attempt))

    def _read_once(self, attempt: RunningAttempt) -> None:
        self._read(attempt)

    def _read(self, attempt: RunningAttempt) -> bool:
        """Whether there was something."""
        assert attempt.output is not None
        try:
            data = os.read(attempt.output, READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self._end(attempt)
            return False
        attempt.capture.feed(data, _now_ms())
        attempt.unreported_bytes += len(data)
        if attempt.unreported_bytes >= REPORT_BYTES:
            self._report(attempt)
        elif not attempt.is_report_due:
            attempt.is_report_due = True
            self._loop.after(REPORT_SECONDS, partial(self._report, attempt))
        return True

    def _report(self, attempt: RunningAttempt) -> None:
        attempt.is_report_due = False
        attempt.unreported_bytes = 0
        groups = attempt.capture.take_groups()
        if groups:
            self._sender.logged(attempt.key, groups)

    def _end(self, attempt: RunningAttempt) -> None:
        if attempt.output is not None:
            self._loop.close_descriptor(attempt.output)
            attempt.output = None
            attempt.capture.end(_now_ms())
            self._report(attempt)
            if attempt.is_gone:
                self._on_end(attempt)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
