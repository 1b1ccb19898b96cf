"""A rank that fails makes the whole program fail, whichever it is, and nothing of it stays behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.mpi.programs import RUN_SECONDS, Programs

pytestmark = pytest.mark.mpi

RANKS = 3
WAIT_SECONDS = 2.0
"""Many times what the whole program takes."""


def running(program: Path) -> list[int]:
    """Processes of a program."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "exe").readlink() == program:
                found.append(int(entry.name))
    return found


def wait_for_end_of(program: Path) -> None:
    """Until none of its processes runs; an error where some still do after a while."""
    deadline = time.monotonic() + RUN_SECONDS
    while left := running(program):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def ended_in_time(programs: Programs, *arguments: str) -> tuple[bool, bytes, int]:
    """Run hello and, should it still run after a while, tell it to end: whether so, its output and its exit code."""
    command = programs.command(RANKS, "hello", *arguments)
    is_told = False
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True) as run:
        try:
            try:
                output, _ = run.communicate(timeout=WAIT_SECONDS)
            except subprocess.TimeoutExpired:
                is_told = True
                run.send_signal(signal.SIGTERM)
                output, _ = run.communicate(timeout=RUN_SECONDS)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)
    wait_for_end_of(programs.compiled("hello"))
    return is_told, output, run.returncode


@pytest.mark.parametrize("rank", range(RANKS))
def test_a_rank_aborts(programs: Programs, rank: int) -> None:
    """The program ends with the code of MPI_Abort."""
    ended = programs.run(RANKS, "hello", "--abort-rank", str(rank))
    assert ended.exit_code == 3
    assert "PASSED" not in ended.output
    wait_for_end_of(programs.compiled("hello"))


@pytest.mark.parametrize("rank", range(RANKS))
def test_a_rank_hangs(programs: Programs, rank: int) -> None:
    """The program goes on until it is told to end, and then all of it does."""
    waited, output, exit_code = ended_in_time(programs, "--hang-rank", str(rank))
    assert waited
    assert b"hello from " in output
    assert b"PASSED" not in output
    assert exit_code != 0


@pytest.mark.parametrize("rank", range(RANKS))
def test_a_rank_leaves(programs: Programs, rank: int) -> None:
    """The program fails, though the others wait for it: MPICH ends them, or, at times, waits with them to be told."""
    _, output, exit_code = ended_in_time(programs, "--exit-rank", str(rank), "7")
    assert b"PASSED" not in output
    assert exit_code != 0
