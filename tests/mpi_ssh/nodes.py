"""Nodes of one MPI job whose bring-ups reach each other by a real sshd, as processes of this machine."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
BRINGUP = CHECKOUT / "containers" / "mpi" / "bringup.py"
SECRET = "a secret of the stack"
"""Of every node that is not given another."""

PATIENCE_SECONDS = 60.0
_JOBS = itertools.count(1)


def missing() -> str | None:
    """Why no node can be reached over ssh here; None where one can."""
    if shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin:" + os.environ.get("PATH", "")) is None:
        return "no sshd on this machine; install OpenSSH's server (toolchain/ssh_server.sh)"
    if shutil.which("ssh") is None:
        return "no ssh on this machine; install OpenSSH's client"
    if mpi_directory() is None:
        return "no mpiexec beside this Python or on the PATH; make set-up, or install MPICH or Open MPI"
    return None


MPI_VARIABLE = "HPC_TEST_MPI"
"""Directory of the mpiexec and mpicc to test with, in place of the first that is found."""


def mpi_directory() -> Path | None:
    """Where mpiexec and mpicc are: where the variable says, else beside this Python, else on the PATH."""
    places = (os.environ.get(MPI_VARIABLE, ""), str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath))
    found = shutil.which("mpiexec", path=":".join(place for place in places if place))
    return Path(found).parent if found is not None else None


def search_path() -> str:
    """PATH of nodes."""
    return f"{mpi_directory()}:{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"


def built_ranks(directory: Path) -> Path:
    """The program of ranks.c; skips where nothing compiles it."""
    made = directory / "ranks"
    mpicc = shutil.which("mpicc", path=search_path())
    if mpicc is None or not any(shutil.which(compiler) for compiler in ("gcc", "cc", "clang")):
        pytest.skip("no C compiler on this machine; install gcc")
    source = Path(__file__).with_name("ranks.c")
    subprocess.run([mpicc, "-O1", str(source), "-o", str(made)], check=True, env={**os.environ, "PATH": search_path()})
    return made


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where one node runs."""

    address: str
    enter: tuple[str, ...] = ()
    """Command that runs another there."""

    temporary: Path
    """Of this machine's files, what the node has for temporary ones."""

    seen_as: str
    """That directory, as the node sees it."""


@dataclass
class Job:
    """The nodes of one job."""

    ranks: Path
    machines: Sequence[Machine]
    logs: Path
    number: int = field(default_factory=lambda: next(_JOBS))
    join_seconds: float = 20.0
    environment: Mapping[str, str] = field(default_factory=dict)
    nodes: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def job_id(self) -> str:
        """Unlike that of any other job."""
        return f"job-{os.getpid()}-{self.number}"

    def start(
        self, *program: str, secrets: Mapping[int, str] | None = None, without: Sequence[int] = (), attempt: int = 1
    ) -> None:
        """All nodes that are not left out; `program` is what ranks.c is to do."""
        for index in range(len(self.machines)):
            if index not in without:
                self.start_node(index, *program, secret=(secrets or {}).get(index, SECRET), attempt=attempt)

    def start_node(self, index: int, *program: str, secret: str = SECRET, attempt: int = 1) -> None:
        """One of them."""
        machine = self.machines[index]
        machine.temporary.mkdir(parents=True, exist_ok=True)
        variables = {
            "PATH": search_path(),
            "HOME": machine.seen_as,
            "TMPDIR": machine.seen_as,
            "LANG": "C.UTF-8",
            "AWS_BATCH_JOB_ID": f"{self.job_id}#{index}",
            "AWS_BATCH_JOB_ATTEMPT": str(attempt),
            "AWS_BATCH_JOB_NUM_NODES": str(len(self.machines)),
            "AWS_BATCH_JOB_NODE_INDEX": str(index),
            "AWS_BATCH_JOB_MAIN_NODE_INDEX": "0",
            "MPI_ADDRESS": machine.address,
            "MPI_BRINGUP_SECRET": secret,
            "MPI_JOIN_SECONDS": str(self.join_seconds),
            **self.environment,
        }
        if index != 0:
            variables["AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS"] = self.machines[0].address
        command = [
            *machine.enter,
            sys.executable,
            str(BRINGUP),
            "-p",
            "2",
            "--label",
            "rank",
            str(self.ranks),
            *program,
        ]
        with self._log(index).open("wb") as log:
            self.nodes[index] = subprocess.Popen(
                command, env=variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def log(self, index: int = 0) -> str:
        """What a node has written so far."""
        return self._log(index).read_text(encoding="utf-8", errors="replace")

    def exit_codes(self, seconds: float = PATIENCE_SECONDS) -> dict[int, int]:
        """Of all nodes, by index; fails with the logs where one does not end."""
        deadline = time.monotonic() + seconds
        for node in self.nodes.values():
            try:
                node.wait(max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                pytest.fail(f"a node still runs after {seconds:g} s\n{self._logs()}")
        return {index: node.returncode for index, node in self.nodes.items()}

    def await_line(self, text: str, index: int = 0) -> None:
        """Until a node has written it."""
        await_true(lambda: text in self.log(index), lambda: f"no {text!r} of node {index}\n{self._logs()}")

    def kill(self, index: int) -> None:
        """As a machine that is gone: everything of the node at once."""
        os.killpg(self.nodes[index].pid, signal.SIGKILL)

    def close(self) -> None:
        """End what still runs."""
        for index, node in self.nodes.items():
            if node.poll() is None:
                self.kill(index)
                node.wait()

    def leftovers(self) -> list[str]:
        """Files of the bring-ups that are still there."""
        return [str(path) for machine in self.machines for path in machine.temporary.glob("mpi-job*")]

    def _log(self, index: int) -> Path:
        return self.logs / f"job-{self.number}-node-{index}.log"

    def _logs(self) -> str:
        return "\n".join(f"node {index}:\n{self.log(index)}" for index in self.nodes)


def await_true(condition: Callable[[], bool], problem: Callable[[], str], seconds: float = PATIENCE_SECONDS) -> None:
    """Fails with the problem where it does not become so."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(problem())
        time.sleep(0.02)


@contextmanager
def closing(job: Job) -> Iterator[Job]:
    """A job whose nodes end with the block."""
    try:
        yield job
    finally:
        job.close()
