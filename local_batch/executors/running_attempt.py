"""An attempt whose process has been started."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field

from local_batch.executors.attempt_root import AttemptRoot
from local_batch.executors.line_capture import LineCapture
from local_batch.executors.work import AttemptWork


@dataclass(slots=True, eq=False)
class RunningAttempt:
    """From spawn until nothing of it is left."""

    work: AttemptWork
    root: AttemptRoot
    marker: str
    pid: int = 0
    """Of the container's first process, which leads the session and the process group of the rest."""

    command: str = ""
    """What it executes, as the container's command has it."""

    output: int | None = None
    """The reading end of its stdout and stderr; None after the end of file."""

    status: int | None = None
    """Of a launcher: tells by its end that the container's program is executed, or else what is in the way."""

    start_failure: str | None = None
    """Why it never ran, if it did not."""

    began: float = field(default_factory=time.monotonic)
    capture: LineCapture = field(default_factory=LineCapture)
    is_listened_to: bool = False
    unreported_bytes: int = 0
    is_report_due: bool = False
    exit_code: int | None = None
    """128 + n after signal n; None while the first process runs."""

    reason: str | None = None
    is_gone: bool = False
    """Whether the first process and all that it left have ended."""

    orphans: set[int] = field(default_factory=set)
    """Processes of it whose parents are gone: children of this process now."""

    gpus: tuple[int, ...] = ()

    @property
    def key(self) -> tuple[str, int]:
        """Job and attempt."""
        return (self.work.job_id, self.work.attempt)

    def signal_group(self, number: signal.Signals) -> None:
        """Send to the process group. Not once it is gone: numbers of processes are used again."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)
