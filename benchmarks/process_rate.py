"""No-op jobs and log lines a second through the process executor, next to a bare posix_spawn loop and a bare pipe."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.row import Row
from image_tags import image_tag
from local_batch.executors.image_store import ImageStore
from local_batch.executors.process import ProcessExecutor
from local_batch.executors.work import AttemptWork, Exited, Logged, Report, Started, StartFailed

NO_OP = "/bin/true"
JOBS = 300
ROUNDS = 12
IN_FLIGHT = 4
"""Twice the processors of a small machine: enough for one to run while another is reaped."""

FLOOD_LINES = 1_000_000


class _CountingReporter:
    """Lets the measuring thread keep a number of attempts in flight."""

    def __init__(self, in_flight: int) -> None:
        self.slots = threading.Semaphore(in_flight)
        self.failures: list[str] = []
        self.lines = 0

    def report(self, reports: Sequence[Report]) -> None:
        for report in reports:
            match report:
                case Logged():
                    self.lines += len(report.lines)
                case StartFailed():
                    self._end(report, report.reason)
                case Exited():
                    self._end(report, f"exit code {report.exit_code}, {report.reason}" if report.exit_code else None)
                case Started():
                    pass

    def _end(self, report: StartFailed | Exited, failure: str | None) -> None:
        if failure:
            self.failures.append(f"{report.job_id}/{report.attempt}: {failure}")
        self.slots.release()


class _Bench:
    """A directory with images, in which executors come and go."""

    def __init__(self, top: Path) -> None:
        self._top = top
        self.no_op = self._image("no-op", f'ENTRYPOINT ["{NO_OP}"]')
        files = {"program.py": "x" * 8_000, "requirements.txt": "numpy"}
        self.with_files = self._image("files", f'WORKDIR /app\nCOPY . .\nENTRYPOINT ["{NO_OP}"]', files)
        self.flood = self._image("flood", f'ENTRYPOINT ["seq", "{FLOOD_LINES}"]')

    def _image(self, name: str, instructions: str, files: Mapping[str, str] | None = None) -> str:
        folder = self._top / "containers" / name
        folder.mkdir(parents=True)
        for path, content in {"Dockerfile": f"FROM scratch\n{instructions}\n", **(files or {})}.items():
            (folder / path).write_text(content, encoding="utf-8")
        return f"{name}:{image_tag(folder)}"

    def seconds(self, image: str, jobs: int) -> float:
        """From the first start to the last report, with a number of jobs in flight."""
        reporter = _CountingReporter(IN_FLIGHT)
        images = ImageStore(roots=[self._top / "containers"], store=self._top / "images")
        images.resolve(image)
        executor = ProcessExecutor(images=images, jobs_dir=self._top / "jobs", reporter=reporter)
        began = time.perf_counter()
        for number in range(jobs):
            reporter.slots.acquire()
            executor.start([AttemptWork(f"job-{number}", 1, image, (), {}, vcpus=1, memory_mib=512)])
        for _ in range(IN_FLIGHT):
            reporter.slots.acquire()
        elapsed = time.perf_counter() - began
        executor.close()
        if reporter.failures:
            raise RuntimeError(reporter.failures[0])
        return elapsed


def _bare_seconds() -> float:
    """For the least that can be done: posix_spawn and waitpid, with as many in flight."""
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
    return time.perf_counter() - began


def _pipe_seconds() -> float:
    """For the least that can be done with the flood: read it from a pipe, and decode and stamp its lines."""
    began = time.perf_counter()
    count, partial = 0, b""
    with subprocess.Popen(["seq", str(FLOOD_LINES)], stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdout is not None
        while data := os.read(process.stdout.fileno(), 65_536):
            now_ms = time.time_ns() // 1_000_000
            *whole, partial = (partial + data).split(b"\n")
            count += len([(now_ms, line.decode()) for line in whole])
    if count != FLOOD_LINES:
        raise RuntimeError(f"{FLOOD_LINES} lines were written, got {count}")
    return time.perf_counter() - began


def _cpu_us(measured: Callable[[], float]) -> tuple[float, float]:
    """(jobs a second, microseconds of processor time a job, its process included)."""
    before = os.times()
    seconds = measured()
    used = sum(after - then for after, then in zip(os.times()[:4], before[:4], strict=True))
    return JOBS / seconds, used / JOBS * 1e6


def run() -> list[Row]:
    """The best of rounds in which the contestants take turns: what else the machine does can only slow them down.

    Processor time hardly depends on what else runs: compare that on a busy machine.
    """
    with tempfile.TemporaryDirectory() as name:
        bench = _Bench(Path(name))
        contestants = (
            _bare_seconds,
            lambda: bench.seconds(bench.no_op, JOBS),
            lambda: bench.seconds(bench.with_files, JOBS),
        )
        rounds = [[_cpu_us(contestant) for contestant in contestants] for _ in range(ROUNDS)]
        floods = [(FLOOD_LINES / _pipe_seconds(), FLOOD_LINES / bench.seconds(bench.flood, 1)) for _ in range(3)]
    bare, no_op, with_files = (max(rate for rate, _ in results) for results in zip(*rounds, strict=True))
    bare_us, no_op_us, files_us = (min(us for _, us in results) for results in zip(*rounds, strict=True))
    pipe, flood = (max(rates) for rates in zip(*floods, strict=True))
    return [
        Row("bare posix_spawn loop, no-op", bare, "jobs/s"),
        Row("process executor, no-op", no_op, "jobs/s", bare, "bare loop"),
        Row("process executor, no-op, three files copied", with_files, "jobs/s", bare, "bare loop"),
        Row("bare posix_spawn loop, processor time", bare_us, "us/job"),
        Row("process executor, processor time", no_op_us, "us/job", bare_us, "bare loop"),
        Row("process executor, three files, processor time", files_us, "us/job", bare_us, "bare loop"),
        Row("bare pipe, lines decoded and stamped", pipe, "lines/s"),
        Row("process executor, one job's flood", flood, "lines/s", pipe, "bare pipe"),
    ]
