"""Reports on their way from the process agent to the server."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from local_batch.executors.channel import Channel, encoded
from local_batch.executors.event_loop import EventLoop
from local_batch.executors.line_capture import log_lines
from local_batch.executors.work import Exited, Logged, Report, Started, StartFailed

REPORTS = "reports"
"""What a message of reports begins with."""

_HOLD_SECONDS = 0.001
"""How long the news that something has started may wait for the news that it has ended."""

_Key = tuple[str, int]


class ReportSender:
    """Gathers reports and sends what one turn of the loop has brought in one message."""

    def __init__(self, channel: Channel, loop: EventLoop) -> None:
        """Sends through `channel`; waits for the server to take what it sends."""
        self._channel = channel
        self._loop = loop
        self._reports: list[tuple[object, ...]] = []
        self._is_urgent = False
        self._is_due = False

    def started(self, key: _Key) -> None:
        """See Started."""
        self._reports.append(("started", *key))

    def start_failed(self, key: _Key, reason: str) -> None:
        """See StartFailed."""
        self._reports.append(("start_failed", *key, reason))
        self._is_urgent = True

    def logged(self, key: _Key, groups: list[tuple[int, list[str]]]) -> None:
        """See Logged; the lines are as LineCapture.take_groups gives them."""
        self._reports.append(("logged", *key, groups))
        self._is_urgent = True

    def exited(self, key: _Key, exit_code: int, reason: str | None) -> None:
        """See Exited."""
        self._reports.append(("exited", *key, exit_code, reason))
        self._is_urgent = True

    def turn(self) -> None:
        """Send, if it is time to."""
        if self._is_urgent:
            self._send()
        elif self._reports and not self._is_due:
            self._is_due = True
            self._loop.after(_HOLD_SECONDS, self._send)

    def _send(self) -> None:
        self._is_due = self._is_urgent = False
        if self._reports:
            reports, self._reports = self._reports, []
            # Where nobody is left to hear it, the loop sees the end of the channel next.
            with suppress(OSError):
                self._channel.send(encoded((REPORTS, reports)))


def _logged(job_id: str, attempt: int, groups: list[tuple[int, list[str]]]) -> Logged:
    return Logged(job_id, attempt, log_lines(groups))


_KINDS: dict[str, Callable[..., Report]] = {
    "started": Started,
    "start_failed": StartFailed,
    "logged": _logged,
    "exited": Exited,
}


def received(reports: list[tuple[str, ...]]) -> list[Report]:
    """The reports of a message, on the server's side."""
    return [_KINDS[kind](*values) for kind, *values in reports]
