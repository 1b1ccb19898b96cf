"""Who writes faster than is read waits."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from local_batch.executors.work import Logged, Report
from tests.local_batch.executors.conftest import process_executor
from tests.local_batch.executors.workshop import RecordingReporter, Workshop

LINES = 200_000


class StuckReporter(RecordingReporter):
    """Takes no line until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.is_stuck = threading.Event()
        self.let_go = threading.Event()

    def report(self, reports: Sequence[Report]) -> None:
        """See Reporter."""
        if any(isinstance(report, Logged) for report in reports):
            self.is_stuck.set()
            assert self.let_go.wait(60)
        super().report(reports)


def test_a_slow_reporter_slows_the_job_down(tmp_path: Path) -> None:
    """Output that nobody takes stays in the pipe, where the job has to wait, instead of filling our memory."""
    reporter = StuckReporter()
    executor = process_executor(tmp_path, reporter)
    written = tmp_path / "written"
    Workshop(tmp_path / "containers", executor, reporter).shell(f"seq {LINES}; touch {written}")
    assert reporter.is_stuck.wait(60)
    threading.Event().wait(0.5)
    assert not written.exists()
    reporter.let_go.set()
    outcome = reporter.end_of("job", 1)
    assert written.exists()
    assert outcome.exit_code == 0
    assert outcome.texts == [str(number) for number in range(1, LINES + 1)]
    executor.close()
