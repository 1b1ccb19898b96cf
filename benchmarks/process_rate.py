"""No-op jobs and log lines a second through the process executor, next to bare loops of posix_spawn and a bare pipe."""

from __future__ import annotations

import itertools
import os
import subprocess
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.bare_loop import BareLoop
from benchmarks.row import Row
from image_tags import image_tag
from local_batch.executors.image_store import ImageStore
from local_batch.executors.process import ProcessExecutor
from local_batch.executors.work import AttemptWork, Executor, Exited, Logged, Report, Started, StartFailed

NO_OP = "/bin/true"
JOBS = 1_000
ROUNDS = 8
IN_FLIGHT = 4
"""Twice the processors of a small machine: enough for one to run while another is reaped."""

FLOOD_LINES = 1_000_000
WAITING = 10_000

VARIABLES = {f"AWS_BATCH_VARIABLE_{number}": f"value-{number}" for number in range(12)}
"""About as many as Batch and a job set."""


class _Feeder:
    """Implements Reporter: starts another attempt for each that ends, as the dispatcher does."""

    def __init__(self) -> None:
        self.executor: Executor | None = None
        self.failures: list[str] = []
        self.lines = 0
        self._is_done = threading.Event()
        self._works: Iterator[AttemptWork] = iter(())
        self._running = 0

    def seconds(self, works: Sequence[AttemptWork]) -> float:
        """From the first start to the last report, with a number of attempts in flight."""
        self._works = iter(works)
        self._is_done.clear()
        began = time.perf_counter()
        self._feed(IN_FLIGHT)
        self._is_done.wait()
        return time.perf_counter() - began

    def _feed(self, slots: int) -> None:
        works = list(itertools.islice(self._works, slots))
        self._running += len(works)
        if works:
            assert self.executor is not None
            self.executor.start(works)
        if not self._running:
            self._is_done.set()

    def report(self, reports: Sequence[Report]) -> None:
        ended = 0
        for report in reports:
            match report:
                case Logged():
                    self.lines += len(report.lines)
                case StartFailed():
                    self.failures.append(report.reason)
                    ended += 1
                case Exited():
                    if report.exit_code:
                        self.failures.append(f"{report.job_id}: exit code {report.exit_code}, {report.reason}")
                    ended += 1
                case Started():
                    pass
        if ended:
            self._running -= ended
            self._feed(ended)


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
        """With an executor that is awake and knows the image."""
        feeder = _Feeder()
        images = ImageStore(roots=[self._top / "containers"], store=self._top / "images")
        feeder.executor = ProcessExecutor(images=images, jobs_dir=self._top / "jobs", reporter=feeder)
        feeder.seconds([_work(number, image) for number in range(IN_FLIGHT)])
        elapsed = feeder.seconds([_work(number, image) for number in range(IN_FLIGHT, IN_FLIGHT + jobs)])
        feeder.executor.close()
        if feeder.failures:
            raise RuntimeError(feeder.failures[0])
        return elapsed


def _work(number: int, image: str) -> AttemptWork:
    environment = {**VARIABLES, "AWS_BATCH_JOB_ARRAY_INDEX": str(number)}
    return AttemptWork(f"job:{number}", 1, image, (), environment, vcpus=1, memory_mib=512)


def _python_seconds() -> float:
    """For the least that Python can do: posix_spawn and waitpid, with as many in flight."""
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


def _waiting_bytes() -> float:
    """Memory of one AttemptWork that waits to be started."""
    tracemalloc.start()
    works = [_work(number, "image:tag") for number in range(WAITING)]
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size / len(works)


def run() -> list[Row]:
    """The best of rounds in which the contestants take turns: what else the machine does can only slow them down.

    Processor time hardly depends on what else runs: compare that on a busy machine.
    """
    with tempfile.TemporaryDirectory() as name:
        loop = BareLoop(Path(name))
        bench = _Bench(Path(name))
        contestants = (
            lambda: JOBS / loop.per_second(JOBS, IN_FLIGHT, NO_OP),
            _python_seconds,
            lambda: bench.seconds(bench.no_op, JOBS),
            lambda: bench.seconds(bench.with_files, JOBS),
        )
        rounds = [[_cpu_us(contestant) for contestant in contestants] for _ in range(ROUNDS)]
        floods = [(FLOOD_LINES / _pipe_seconds(), FLOOD_LINES / bench.seconds(bench.flood, 1)) for _ in range(3)]
    bare, python, no_op, with_files = (max(rate for rate, _ in results) for results in zip(*rounds, strict=True))
    bare_us, python_us, no_op_us, files_us = (min(us for _, us in results) for results in zip(*rounds, strict=True))
    pipe, flood = (max(rates) for rates in zip(*floods, strict=True))
    return [
        Row("bare C posix_spawn loop, no-op", bare, "jobs/s"),
        Row("bare Python posix_spawn loop, no-op", python, "jobs/s", bare, "bare C loop"),
        Row("process executor, no-op", no_op, "jobs/s", bare, "bare C loop"),
        Row("process executor, no-op, two files copied", with_files, "jobs/s", bare, "bare C loop"),
        Row("bare C posix_spawn loop, processor time", bare_us, "us/job"),
        Row("bare Python posix_spawn loop, processor time", python_us, "us/job", bare_us, "bare C loop"),
        Row("process executor, processor time", no_op_us, "us/job", bare_us, "bare C loop"),
        Row("process executor, two files, processor time", files_us, "us/job", bare_us, "bare C loop"),
        Row("bare pipe, lines decoded and stamped", pipe, "lines/s"),
        Row("process executor, one job's flood", flood, "lines/s", pipe, "bare pipe"),
        Row("an attempt that waits, of 13 variables", _waiting_bytes(), "bytes"),
    ]
