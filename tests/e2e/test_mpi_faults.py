"""What goes wrong with MPI jobs, through Batch: bounded time, the right end, nothing left, and others go on."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Shell

HELLO = "mpi/hello.c"
FAST = ("-m", "256", "-v", "1")
PATIENCE_SECONDS = 60.0


class Job:
    """One job of nodes, seen from outside."""

    def __init__(self, shell: Shell, *arguments: str) -> None:
        """Submits it."""
        self._shell = shell
        document = json.loads(shell.hpc("submit", "--local", "--json", *FAST, *arguments).stdout)
        self.job_id: str = document["tasks"][0]["job_id"]
        self.run: str = document["run"]

    def printed(self, node: int | None = None) -> str:
        """Its output so far: the main node's, or a node's own."""
        name = self.job_id if node is None else f"{self.job_id}#{node}"
        return self._shell.hpc("out", "--local", name).stdout

    def wait_until(self, is_so: Callable[[], bool], pause_seconds: float = 0.1) -> None:
        """Until something can be seen of it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            assert time.monotonic() < deadline, self.printed()
            time.sleep(pause_seconds)

    def wait_for_start(self) -> None:
        """Until its ranks have said something."""
        self.wait_until(lambda: "hello from processor" in self.printed())

    def end(self) -> dict[str, Any]:
        """Its task when it has ended, which must be soon; nothing of it runs any more."""

        self.wait_until(lambda: self.status() in {"SUCCEEDED", "FAILED"})
        self.wait_until(lambda: not list(self.processes()))
        return self._task()

    def status(self) -> str:
        """Batch's word for its state."""
        return str(self._task()["status"])

    def _task(self) -> dict[str, Any]:
        (task,) = self._shell.status(self.run)["tasks"]
        return dict(task)

    def processes(self, node: int | None = None) -> Iterator[int]:
        """Ids of what runs for it, or for one of its nodes."""
        mark = f"AWS_BATCH_JOB_ID={self.job_id}".encode()
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                for variable in (entry / "environ").read_bytes().split(b"\0"):
                    name, _, index = variable.partition(b"#")
                    if name == mark and node in (None, int(index or b"-1")):
                        yield int(entry.name)

    def kill(self, node: int) -> None:
        """End all of a node at once, as when its machine is lost."""
        for process in list(self.processes(node)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


@pytest.fixture
def bystander(shell: Shell, tmp_path: Path) -> Iterator[Job]:
    """Another MPI job that runs beside, and succeeds when it is let go, whatever happened to the first."""
    signal_file = tmp_path / "go"
    other = Job(shell, "-n", "2", "-p", "1", "sh", "-c", f"echo up; while [ ! -e {signal_file} ]; do sleep 0.1; done")
    other.wait_until(lambda: other.printed().count("up") == 2)
    yield other
    assert other.status() == "RUNNING"
    signal_file.touch()
    assert other.end()["status"] == "SUCCEEDED", other.printed()


@pytest.mark.usefixtures("bystander")
def test_a_worker_is_lost_while_the_program_runs(shell: Shell) -> None:
    """The job ends in seconds, with its name."""
    job = Job(shell, "-n", "3", "-p", "1", HELLO, "--hang-rank", "0")
    job.wait_for_start()
    job.kill(2)
    began = time.monotonic()
    task = job.end()
    assert time.monotonic() - began < 30
    assert task["status"] == "FAILED"
    assert task["exit_code"] not in (0, None)
    assert re.search(r"^mpi: node-2 \(127\.0\.0\.\d+\) was lost", job.printed(), flags=re.MULTILINE)


@pytest.mark.usefixtures("bystander")
def test_a_worker_is_lost_before_the_program_runs(shell: Shell) -> None:
    """The main node waits no longer than it was told to; that was the cloud's fault, so the job is tried again."""
    # Its id is to be known before it starts.
    first = Job(shell, "-n", "1", "-p", "1", "sleep", "3")
    # Of a few seconds, so that a kill that comes late on a busy machine still finds the node.
    job = Job(shell, "-d", first.job_id, "-e", "MPI_JOIN_SECONDS=4", "-n", "2", "-p", "1", "sleep", "3")
    job.wait_until(lambda: bool(list(job.processes(1))), pause_seconds=0.001)
    job.kill(1)
    task = job.end()
    assert task["status"] == "SUCCEEDED"
    # Killed before it reported, or just after.
    assert [attempt["exit_code"] in (69, 70) for attempt in task["attempts"]] == [True, False]
    assert "node-1" in shell.hpc("out", "--local", job.job_id, "--attempt", "1").stdout


@pytest.mark.usefixtures("bystander")
def test_a_worker_is_lost_after_the_program(shell: Shell, tmp_path: Path) -> None:
    """Whatever mpirun said by then: a job that lost a node before its end has failed, and is tried again."""
    script = tmp_path / "job.sh"
    script.write_text("#!/bin/sh\nmpirun -np 2 true && echo done with $?\nsleep 5\n", encoding="utf-8")
    job = Job(shell, "-n", "2", "-p", "1", "-c", str(script))
    job.wait_until(lambda: "done with 0" in job.printed())
    job.kill(1)
    task = job.end()
    assert [attempt["exit_code"] for attempt in task["attempts"]] == [70, 0], job.printed()
    assert "mpi: node-1" in shell.hpc("out", "--local", job.job_id, "--attempt", "1").stdout


@pytest.mark.usefixtures("bystander")
def test_the_main_node_is_killed(shell: Shell) -> None:
    """That is the job's end, with what the kernel says, and the other nodes go with it."""
    job = Job(shell, "-n", "3", "-p", "1", HELLO, "--hang-rank", "1")
    job.wait_for_start()
    job.kill(0)
    task = job.end()
    assert (task["status"], task["exit_code"]) == ("FAILED", 137)


def test_a_job_is_ended_while_a_rank_hangs(shell: Shell) -> None:
    """As the timeout ends it: SIGTERM to every node, 143, well before SIGKILL would come."""
    job = Job(shell, "-n", "2", "-p", "2", HELLO, "--hang-rank", "3")
    job.wait_for_start()
    began = time.monotonic()
    shell.hpc("kill", "--local", job.job_id, "-r", "enough")
    task = job.end()
    assert time.monotonic() - began < 25
    assert (task["status"], task["exit_code"], task["status_reason"]) == ("FAILED", 143, "enough")


@pytest.mark.slow
def test_a_rank_hangs_past_the_timeout(shell: Shell) -> None:
    """Batch ends the job after its timeout, and says so."""
    job = Job(shell, "-t", "60", "-n", "2", "-p", "1", HELLO, "--hang-rank", "1")
    job.wait_for_start()
    time.sleep(50)
    task = job.end()
    assert task["status_reason"] == "Job attempt duration exceeded timeout"


def test_two_jobs_at_once(shell: Shell) -> None:
    """Their nodes do not meet: addresses, sockets and keys are each job's own; the end of one is not the other's."""
    jobs = [Job(shell, "-n", "2", "-p", "1", HELLO, "--hang-rank", "1") for _ in range(2)]
    for job in jobs:
        job.wait_until(lambda job=job: job.printed().count("hello from processor") == 2)  # type: ignore[misc]
    assert [job.status() for job in jobs] == ["RUNNING", "RUNNING"]
    for job in jobs:
        shell.hpc("kill", "--local", job.job_id, "-r", "enough")
        assert job.end()["exit_code"] == 143
        assert jobs[1].status() == ("FAILED" if job is jobs[1] else "RUNNING")


def test_ports_that_are_taken_are_passed_over(shell: Shell) -> None:
    """By another program of the machine, on all addresses."""
    with contextlib.ExitStack() as taken:
        for port in (7522, 7523):
            listener = taken.enter_context(socket.socket())
            # What earlier jobs left half closed is not in the way; a main node's listener is, of this socket.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("0.0.0.0", port))
            listener.listen()
        job = Job(shell, "-n", "2", "-p", "1", HELLO)
        assert job.end()["status"] == "SUCCEEDED", job.printed()


def test_sixteen_nodes(shell: Shell) -> None:
    """On loopback, each with an address of its own."""
    job = Job(shell, "-n", "16", "-p", "1", HELLO)
    assert job.end()["status"] == "SUCCEEDED", job.printed()
    printed = job.printed()
    assert "ranks=16 sum=120 wrong=0 PASSED" in printed
    assert len(set(re.findall(r"^node-(\d+) \| hello", printed, flags=re.MULTILINE))) == 16


@pytest.mark.slow
def test_a_hundred_megabytes_of_output(shell: Shell, tmp_path: Path) -> None:
    """Every line of every rank comes out whole, in its rank's order."""
    lines, ranks = 250_000, 4
    script = tmp_path / "speak.py"
    script.write_text(
        "from mpi4py import MPI\n"
        "rank = MPI.COMM_WORLD.rank\n"
        f"for number in range({lines}):\n"
        "    print(f'{rank} {number:07d} ' + 'x' * 90)\n",
        encoding="utf-8",
    )
    job = Job(shell, "-m", "1024", "-n", "2", "-p", "2", str(script))
    deadline = time.monotonic() + 240
    while (state := shell.status(job.run)["tasks"][0])["status"] not in {"SUCCEEDED", "FAILED"}:
        assert time.monotonic() < deadline
        time.sleep(1)
    assert state["status"] == "SUCCEEDED"
    counts = dict.fromkeys(range(ranks), 0)
    for line in job.printed().splitlines():
        said = re.fullmatch(r"node-(\d) \| (\d) (\d{7}) x{90}", line)
        if line.startswith("mpi: "):
            continue
        assert said, line
        rank = int(said[2])
        assert int(said[1]) == rank // 2
        assert int(said[3]) == counts[rank]
        counts[rank] += 1
    assert counts == dict.fromkeys(range(ranks), lines)
