"""No-op jobs through the container executor, next to `podman run` of the same image on the same engine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from benchmarks.row import Row
from image_tags import image_tag
from local_batch.executors.container import ContainerExecutor
from local_batch.executors.engine_service import EngineService
from local_batch.executors.image_store import ImageStore
from local_batch.executors.work import AttemptWork, Exited, Report, Started, StartFailed

BASE_IMAGE_SCRIPT = Path(__file__).resolve().parents[1] / "toolchain" / "base_image.sh"
BASE = "localhost/local-batch-benchmark:base"
ROUNDS = 3
ALONE = 8
"""Jobs a round that run one after another."""

TOGETHER = 32
IN_FLIGHT = 4
MEMORY_MIB = 64
DOCKERFILE = 'ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nENTRYPOINT ["true"]\n'


class _Clock:
    """Implements Reporter: notes when jobs start and end."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._ended = 0
        self.started_at = 0.0

    def report(self, reports: Sequence[Report]) -> None:
        for report in reports:
            if isinstance(report, Started):
                self.started_at = time.perf_counter()
            elif isinstance(report, StartFailed) or (isinstance(report, Exited) and report.exit_code):
                sys.stderr.write(f"benchmarks: {report.reason}\n")
            if isinstance(report, StartFailed | Exited):
                with self._changed:
                    self._ended += 1
                    self._changed.notify_all()

    def await_end_of(self, number: int) -> None:
        """So many jobs in all."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended >= number)
            self._ended -= number


class _Bench:
    """One image, run by the executor and by `podman run`."""

    def __init__(self, executor: ContainerExecutor, clock: _Clock, image: str, environment: dict[str, str]) -> None:
        self._executor = executor
        self._clock = clock
        self._image = image
        self._environment = environment
        self._numbers = iter(range(1, 1_000_000))

    def alone(self) -> tuple[float, float]:
        """Seconds from `start` to Started, and to Exited with nothing left, of one job."""
        began = time.perf_counter()
        self._executor.start([self._work()])
        self._clock.await_end_of(1)
        return self._clock.started_at - began, time.perf_counter() - began

    def together(self) -> float:
        """Seconds a job, with some at a time."""
        began = time.perf_counter()
        self._executor.start([self._work() for _ in range(TOGETHER)])
        self._clock.await_end_of(TOGETHER)
        return (time.perf_counter() - began) / TOGETHER

    def podman(self) -> float:
        """Seconds of one `podman run --rm`."""
        began = time.perf_counter()
        options = ["--network", "host", "--log-driver", "none", "--memory", f"{MEMORY_MIB}m"]
        subprocess.run(["podman", "run", "--rm", *options, self._image], env=self._environment, check=True)
        return time.perf_counter() - began

    def podmen(self) -> float:
        """Seconds a `podman run --rm`, with some at a time."""
        began = time.perf_counter()
        with ThreadPoolExecutor(IN_FLIGHT) as pool:
            list(pool.map(lambda _: self.podman(), range(TOGETHER)))
        return (time.perf_counter() - began) / TOGETHER

    def _work(self) -> AttemptWork:
        return AttemptWork(f"job-{next(self._numbers)}", 1, self._image, (), {}, vcpus=1, memory_mib=MEMORY_MIB)


@contextmanager
def _bench(top: Path) -> Iterator[_Bench]:
    service = EngineService(top / "engine", os.environ)
    environment = {**os.environ, "DOCKER_HOST": f"unix://{service.socket}"}
    settings = top / "engine" / "containers.conf"
    if settings.exists():
        environment["CONTAINERS_CONF"] = str(settings)
    with subprocess.Popen([BASE_IMAGE_SCRIPT], stdout=subprocess.PIPE) as script:
        subprocess.run(
            ["podman", "import", "-q", "-", BASE],
            stdin=script.stdout,
            stdout=subprocess.DEVNULL,
            env=environment,
            check=True,
        )
    folder = top / "containers" / "no-op"
    folder.mkdir(parents=True)
    (folder / "Dockerfile").write_text(DOCKERFILE, encoding="utf-8")
    clock = _Clock()
    image = f"localhost/local-batch-benchmark:{image_tag(folder)}"
    executor = ContainerExecutor(
        images=ImageStore(roots=[top / "containers"], store=top / "images"),
        state=top,
        reporter=clock,
        base_image=BASE,
        environment=environment,
    )
    bench = _Bench(executor, clock, image, environment)
    bench.alone()
    yield bench
    executor.close()
    subprocess.run(["podman", "rmi", "-f", image, BASE], env=environment, check=True, stdout=subprocess.DEVNULL)
    service.close()


def run() -> list[Row]:
    """Contestants take turns. The image is built before; nothing where there is no podman."""
    if shutil.which("podman") is None:
        sys.stderr.write("benchmarks: container_rate needs podman; left out\n")
        return []
    with tempfile.TemporaryDirectory() as name, _bench(Path(name)) as bench:
        starts, ours, theirs, ours_together, theirs_together = [], [], [], [], []
        for _ in range(ROUNDS):
            for _ in range(ALONE):
                start, whole = bench.alone()
                starts.append(start)
                ours.append(whole)
                theirs.append(bench.podman())
            ours_together.append(bench.together())
            theirs_together.append(bench.podmen())
    return [
        Row("podman run --rm, no-op, one after another", median(theirs), "s"),
        Row("container executor, no-op, until nothing is left", median(ours), "s", median(theirs), "podman run"),
        Row("container executor, until it is started", median(starts), "s", median(theirs), "podman run"),
        Row(f"podman run --rm, no-op, {IN_FLIGHT} at a time", 1 / min(theirs_together), "jobs/s"),
        Row(
            "container executor, no-op, all at once",
            1 / min(ours_together),
            "jobs/s",
            1 / min(theirs_together),
            "podman run",
        ),
    ]
