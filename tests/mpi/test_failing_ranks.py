"""A rank that fails makes the whole program fail, whichever it is, and nothing of it stays behind."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.mpi.programs import RUN_SECONDS, Programs

pytestmark = pytest.mark.mpi

RANKS = 3


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
    with subprocess.Popen(
        programs.command(RANKS, "hello", "--hang-rank", str(rank)), stdout=subprocess.PIPE
    ) as hanging:
        assert hanging.stdout is not None
        assert hanging.stdout.readline().startswith(b"hello from ")
        time.sleep(0.5)
        assert hanging.poll() is None
        hanging.send_signal(signal.SIGTERM)
        assert b"PASSED" not in hanging.stdout.read()
        assert hanging.wait(RUN_SECONDS) != 0
    wait_for_end_of(programs.compiled("hello"))
