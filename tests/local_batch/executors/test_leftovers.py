"""What a killed server leaves running is ended before its successor starts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from image_tags import image_tag
from local_batch.executors.leftovers import end_leftovers
from local_batch.executors.marker import MARKER_VARIABLE, directory_token
from local_batch.executors.process_table import pids, stat_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds processes through /proc")

SERVER = """
import sys
from pathlib import Path
from local_batch.executors.image_store import ImageStore
from local_batch.executors.process import ProcessExecutor
from local_batch.executors.work import AttemptWork

class Printer:
    def report(self, reports):
        for report in reports:
            for line in getattr(report, "lines", ()): print(line.text, flush=True)

top, image = Path(sys.argv[1]), sys.argv[2]
executor = ProcessExecutor(
    images=ImageStore(roots=[top / "containers"], store=top / "images"), jobs_dir=top / "jobs", reporter=Printer()
)
executor.start([AttemptWork("job:1", 2, image, (), {}, vcpus=1, memory_mib=512)])
sys.stdin.read()
"""

SCRIPT = "trap '' PIPE TERM; setsid sh -c 'echo pid $$; sleep 60' & echo pid $$; sleep 60"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], set[int]]]:
    """A server that runs a job, and the two processes of the job: one in its session and one that left it."""
    folder = tmp_path / "containers" / "image"
    folder.mkdir(parents=True)
    (folder / "Dockerfile").write_text(f"FROM base\nCMD {SCRIPT}\n")
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path), f"image:{image_tag(folder)}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[3],
    ) as process:
        assert process.stdout is not None
        yield process, {int(process.stdout.readline().removeprefix("pid ")) for _ in range(2)}
        process.kill()


def agent_of(process: subprocess.Popen[str]) -> int:
    """The process agent of a server: its only child."""
    return next(stat.pid for stat in map(stat_of, pids()) if stat is not None and stat.parent == process.pid)


def eventually_gone(left: set[int]) -> None:
    """Wait until none runs. Zombies are for whoever adopted them to reap."""
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes() for pid in left):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_killed_server_leaves_nothing_running(server: tuple[subprocess.Popen[str], set[int]]) -> None:
    """Its process agent sees to that, without any successor."""
    process, left = server
    agent = agent_of(process)
    process.kill()
    eventually_gone({*left, agent})


def test_processes_of_a_server_that_was_killed_with_its_agent_are_ended(
    tmp_path: Path, server: tuple[subprocess.Popen[str], set[int]]
) -> None:
    """Those in the job's session and those that left it; and the attempt is named."""
    process, left = server
    agent = agent_of(process)
    os.kill(process.pid, signal.SIGSTOP)
    os.kill(agent, signal.SIGKILL)
    process.kill()
    assert left <= set(pids())
    assert end_leftovers(tmp_path / "somewhere else") == []
    assert left <= set(pids())
    assert end_leftovers(tmp_path / "jobs") == ["job:1/2"]
    eventually_gone(left)
    assert end_leftovers(tmp_path / "jobs") == []


def test_a_mark_that_a_job_made_up_is_ended_too(tmp_path: Path) -> None:
    """Whatever it says before the token."""
    jobs = tmp_path / "jobs"
    environment = {MARKER_VARIABLE: f"x/{directory_token(jobs)}", "PATH": os.environ["PATH"]}
    with subprocess.Popen(["sleep", "60"], env=environment, start_new_session=True) as process:
        assert end_leftovers(jobs) == ["x"]
        assert process.wait() == -signal.SIGKILL


def test_an_agent_that_outlives_its_server_is_ended_first(
    tmp_path: Path, server: tuple[subprocess.Popen[str], set[int]]
) -> None:
    """It might start what its server had handed it."""
    process, left = server
    agent = agent_of(process)
    os.kill(agent, signal.SIGSTOP)
    process.kill()
    assert end_leftovers(tmp_path / "jobs") == ["job:1/2"]
    eventually_gone({*left, agent})
