"""No-op jobs a second through the process executor, next to a bare posix_spawn loop; lines a second of a flood."""

from __future__ import annotations

import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.row import Row
from image_tags import image_tag
from local_batch.executors.image_store import ImageStore
from local_batch.executors.process import ProcessExecutor
from local_batch.executors.work import AttemptWork, LogLine

NO_OP = "/bin/true"
JOBS = 1_000
ROUNDS = 5
IN_FLIGHT = 4
"""Twice the processors of a small machine: enough for one to run while another is reaped."""

FLOOD_LINES = 1_000_000


class _CountingReporter:
    """Lets the measuring thread keep a number of attempts in flight."""

    def __init__(self, in_flight: int) -> None:
        self.slots = threading.Semaphore(in_flight)
        self.failures: list[str] = []
        self.lines = 0

    def started(self, job_id: str, attempt: int) -> None:
        pass

    def start_failed(self, job_id: str, attempt: int, reason: str) -> None:
        self.failures.append(f"{job_id}/{attempt}: {reason}")
        self.slots.release()

    def logged(self, job_id: str, attempt: int, lines: Sequence[LogLine]) -> None:  # noqa: ARG002 - Reporter's
        self.lines += len(lines)

    def exited(self, job_id: str, attempt: int, exit_code: int, reason: str | None) -> None:
        if exit_code:
            self.failures.append(f"{job_id}/{attempt}: exit code {exit_code}, {reason}")
        self.slots.release()


@contextmanager
def _executor(reporter: _CountingReporter) -> Iterator[tuple[ProcessExecutor, str, str]]:
    """An executor, and the images of a no-op without files and of one with two, as `dopi` has."""
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        bare, with_files = top / "containers" / "bare", top / "containers" / "files"
        for folder in (bare, with_files):
            folder.mkdir(parents=True)
        (bare / "Dockerfile").write_text(f'FROM scratch\nENTRYPOINT ["{NO_OP}"]\n', encoding="utf-8")
        (with_files / "program.py").write_text("x" * 8_000, encoding="utf-8")
        (with_files / "requirements.txt").write_text("numpy\n", encoding="utf-8")
        (with_files / "Dockerfile").write_text(
            f'FROM scratch\nWORKDIR /app\nCOPY requirements.txt program.py ./\nENTRYPOINT ["{NO_OP}"]\n',
            encoding="utf-8",
        )
        images = ImageStore(roots=[top / "containers"], store=top / "images")
        executor = ProcessExecutor(images=images, jobs_dir=top / "jobs", reporter=reporter)
        try:
            yield executor, f"bare:{image_tag(bare)}", f"files:{image_tag(with_files)}"
        finally:
            executor.close()


def _bare_rate() -> float:
    """Jobs a second of the least that can be done: posix_spawn and waitpid, with as many in flight."""
    running = 0
    began = time.perf_counter()
    for _ in range(JOBS):
        if running == IN_FLIGHT:
            os.waitpid(-1, 0)
            running -= 1
        os.posix_spawn(NO_OP, [NO_OP], {}, setsid=True)
        running += 1
    while running:
        os.waitpid(-1, 0)
        running -= 1
    return JOBS / (time.perf_counter() - began)


def _executor_rate(executor: ProcessExecutor, reporter: _CountingReporter, image: str, name: str) -> float:
    began = time.perf_counter()
    for number in range(JOBS):
        reporter.slots.acquire()
        executor.start(AttemptWork(f"{name}-{number}", 1, image, (), {}, vcpus=1, memory_mib=128))
    for _ in range(IN_FLIGHT):
        reporter.slots.acquire()
    elapsed = time.perf_counter() - began
    reporter.slots.release(IN_FLIGHT)
    return JOBS / elapsed


def _flood_rate(executor: ProcessExecutor, reporter: _CountingReporter, image: str) -> float:
    reporter.lines = 0
    for _ in range(IN_FLIGHT):
        reporter.slots.acquire()
    began = time.perf_counter()
    executor.start(
        AttemptWork("flood", 1, image, ("seq", str(FLOOD_LINES)), {}, vcpus=1, memory_mib=128),
    )
    reporter.slots.acquire()
    elapsed = time.perf_counter() - began
    reporter.slots.release(IN_FLIGHT + 1)
    assert reporter.lines == FLOOD_LINES
    return FLOOD_LINES / elapsed


def run() -> list[Row]:
    """Medians over rounds that alternate between the contestants, so that a busy machine is busy for all of them."""
    reporter = _CountingReporter(IN_FLIGHT)
    bare_rates, rates, file_rates = [], [], []
    with _executor(reporter) as (executor, bare_image, file_image):
        for number in range(ROUNDS):
            bare_rates.append(_bare_rate())
            rates.append(_executor_rate(executor, reporter, bare_image, f"bare-{number}"))
            file_rates.append(_executor_rate(executor, reporter, file_image, f"files-{number}"))
    assert not reporter.failures, reporter.failures[0]
    bare = statistics.median(bare_rates)
    return [
        Row("bare posix_spawn loop, no-op", bare, "jobs/s"),
        Row("process executor, no-op", statistics.median(rates), "jobs/s", bare, "bare loop"),
        Row("process executor, no-op with 2 files", statistics.median(file_rates), "jobs/s", bare, "bare loop"),
    ]
