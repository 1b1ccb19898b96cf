"""The seam between the dispatcher and whatever runs containers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class AttemptWork:
    """Everything needed to run one attempt of one job. Nothing is looked up later."""

    job_id: str
    attempt: int
    image: str
    """`repository:tag`; a tag is the content hash of an image's folder (image_tags.py)."""

    command: tuple[str, ...]
    """Docker's Cmd: arguments of the image's ENTRYPOINT. Empty: the image's own CMD."""

    environment: Mapping[str, str]
    """Complete but for the image's ENV, which it overrides."""

    vcpus: float
    memory_mib: int


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of stdout or stderr, without its newline, stamped when it was read (epoch milliseconds)."""

    timestamp_ms: int
    text: str


class Reporter(Protocol):
    """Where an executor reports to. Any thread may call; calls for one attempt are seen in the order made."""

    def started(self, job_id: str, attempt: int) -> None:
        """The container runs."""

    def start_failed(self, job_id: str, attempt: int, reason: str) -> None:
        """It never ran; `reason` in ECS's words, such as `CannotPullContainerError: …`."""

    def logged(self, job_id: str, attempt: int, lines: Sequence[LogLine]) -> None:
        """It wrote these lines."""

    def exited(self, job_id: str, attempt: int, exit_code: int, reason: str | None) -> None:
        """It ended, and nothing of it runs any more; all its lines were reported before.

        `exit_code` is 128 + n after signal n. `reason` is ECS's text where there is one, such as
        `OutOfMemoryError: Container killed due to memory usage`.
        """


class Executor(Protocol):
    """Runs attempts. No call blocks: what happens is reported."""

    def start(self, work: AttemptWork) -> None:
        """Run it; answered by `started` then `exited`, or by `start_failed`."""

    def stop(self, job_id: str, attempt: int, grace_seconds: float) -> None:
        """SIGTERM to all of the attempt, SIGKILL after the grace. Unknown or ended attempts are ignored."""

    def close(self) -> None:
        """Kill what runs and release everything; the one call that blocks (until all is gone)."""
