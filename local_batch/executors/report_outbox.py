"""Reports on their way from an event loop to the Reporter."""

from __future__ import annotations

import asyncio

from local_batch.executors.work import Logged, Report, Reporter

LINES_SECONDS = 0.05
"""How long a line may wait for others to be reported with it."""

LINES_AT_ONCE = 4_096
"""So many are reported without waiting: a Reporter that takes its time slows down the reading, and so the job."""


class ReportOutbox:
    """Gathers what one turn of the loop reports, and lines for a moment longer; the order stays as it was."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._reports: list[Report] = []
        self._lines = 0
        self._due: asyncio.Handle | None = None
        self._is_urgent = False

    def put(self, report: Report) -> None:
        """On the loop's thread: take a report."""
        self._reports.append(report)
        if isinstance(report, Logged):
            self._lines += len(report.lines)
            if self._lines >= LINES_AT_ONCE:
                self.send()
            elif self._due is None:
                self._due = asyncio.get_running_loop().call_later(LINES_SECONDS, self.send)
        elif not self._is_urgent:
            self._is_urgent = True
            asyncio.get_running_loop().call_soon(self.send)

    def send(self) -> None:
        """On the loop's thread: report what has been gathered."""
        reports, self._reports = self._reports, []
        self._lines = 0
        self._is_urgent = False
        if self._due is not None:
            self._due.cancel()
            self._due = None
        if reports:
            self._reporter.report(reports)
