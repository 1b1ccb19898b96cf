"""The server's side of a process agent."""

from __future__ import annotations

import dataclasses
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from local_batch.executors.channel import Channel, encoded
from local_batch.executors.host_programs import HostPrograms
from local_batch.executors.image import Image
from local_batch.executors.marker import AGENT_VARIABLE, directory_token
from local_batch.executors.report_sender import received
from local_batch.executors.work import AttemptWork, Exited, Report, Started, StartFailed
from local_batch.executors.work_message import sent_work

_PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from local_batch.executors.process_agent import main; main(int(sys.argv[2]), *sys.argv[3:])"
)
_PACKAGES = str(Path(__file__).resolve().parents[2])

LOST_EXIT_CODE = 255
"""Of attempts whose agent was killed under them."""


class AgentProcess:
    """A process agent that runs: what it is sent, and what is to come from it yet."""

    def __init__(self, jobs_dir: Path, programs: HostPrograms) -> None:
        """Starts it, in a session of its own: what the terminal sends to the server is not for the jobs."""
        connection, theirs = socket.socketpair()
        self.channel = Channel(connection)
        try:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", "-X", "utf8", "-c", _PROGRAM),
                    *(_PACKAGES, str(theirs.fileno()), str(jobs_dir), *dataclasses.astuple(programs)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env={**os.environ, AGENT_VARIABLE: directory_token(jobs_dir)},
                start_new_session=True,
            )
        except OSError:
            self.channel.close()
            raise
        finally:
            theirs.close()
        self._began = time.monotonic()
        self._tags: set[str] = set()
        self._in_flight: dict[tuple[str, int], bool] = {}
        """Attempts that were sent to it, and whether they have started."""

    def starting(self, works: Iterable[tuple[AttemptWork, Image]]) -> bytes:
        """What to send so that it runs these. Counts them as sent."""
        messages = []
        values = []
        for work, image in works:
            tag = work.image.rpartition(":")[2]
            if tag not in self._tags:
                self._tags.add(tag)
                messages.append(encoded(("image", tag, image)))
            self._in_flight[work.job_id, work.attempt] = False
            values.append(sent_work(work))
        return b"".join((*messages, encoded(("start", values))))

    def receive(self) -> list[Report] | None:
        """Its next reports, waiting for them; None when it has ended."""
        messages = self.channel.receive()
        if messages is None:
            return None
        reports = [report for _, of_one_turn in messages for report in received(of_one_turn)]
        for report in reports:
            if isinstance(report, Started):
                self._in_flight[report.job_id, report.attempt] = True
            elif isinstance(report, Exited | StartFailed):
                del self._in_flight[report.job_id, report.attempt]
        return reports

    def end(self) -> tuple[int, float]:
        """Wait for its end: its exit code, and for how many seconds it had run."""
        self.channel.close()
        return self._process.wait(), time.monotonic() - self._began

    def lost(self, why: str) -> Sequence[Report]:
        """Reports on what it left without one. `why` it ended is part of the reasons."""
        return [
            Exited(*key, LOST_EXIT_CODE, f"The exit status was lost: {why}")
            if is_started
            else StartFailed(*key, f"CannotStartContainerError: {why}; submit the job again")
            for key, is_started in self._in_flight.items()
        ]
