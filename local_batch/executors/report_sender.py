"""Reports on their way from the process agent to the server."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from local_batch.executors.channel import Channel, encoded
from local_batch.executors.line_capture import log_lines
from local_batch.executors.work import Exited, Logged, Report, Started, StartFailed

REPORTS = "reports"
"""What a message of reports begins with."""

_HOLD_SECONDS = 0.001
"""How long the news that something has started may wait for the news that it has ended."""

_Key = tuple[str, int]


class ReportSender:
    """Gathers reports and sends what one turn of the loop has brought in one message."""

    def __init__(self, channel: Channel) -> None:
        """Sends through `channel`; waits for the server to take what it sends."""
        self._channel = channel
        self._reports: list[tuple[object, ...]] = []
        self._is_urgent = False
        self._since = 0.0

    def started(self, key: _Key) -> None:
        """See Started."""
        if not self._reports:
            self._since = time.monotonic()
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

    def turn(self) -> float | None:
        """Send, if it is time to; else the seconds for which what there is may wait for more."""
        if not self._reports:
            return None
        if not self._is_urgent:
            waited = time.monotonic() - self._since
            if waited < _HOLD_SECONDS:
                return _HOLD_SECONDS - waited
        reports, self._reports = self._reports, []
        self._is_urgent = False
        # Where nobody is left to hear it, the loop sees the end of the channel next.
        with suppress(OSError):
            self._channel.send(encoded((REPORTS, reports)))
        return None


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
