"""Ranks that end with something else than 0: told of, waited for a moment, and the job has their exit code."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from mpi_bringup import exits
from mpi_bringup.loop import Loop
from mpi_bringup.main_events import (
    Deadline,
    DeadlinePassed,
    End,
    LauncherEnded,
    NodePresent,
    RankFailed,
    Say,
    SetDeadline,
    State,
    StopLauncher,
)
from mpi_bringup.main_node import RANK_GRACE_SECONDS, STOP_SECONDS
from mpi_bringup.other_node import Accepted, Connected, OtherNode, SayRankFailed
from mpi_bringup.other_node import RankFailed as RankFailedHere
from mpi_bringup.rank_ends import PIPE, RankEnds

from tests.mpi_bringup.main_nodes import checking, running, saving, stopping_for_a_loss


def test_running_gives_the_others_a_moment() -> None:
    """From the first rank that failed; those after it are its consequence."""
    core = running()
    assert core.handle(RankFailed(1, 3, 9)) == [
        Say("rank 3 on node-1 (10.0.0.2) ended with exit code 9"),
        SetDeadline(Deadline.RANK_GRACE, RANK_GRACE_SECONDS),
    ]
    assert core.handle(RankFailed(2, 4, 137)) == []
    assert core.state is State.RUNNING


def test_running_ends_the_others_after_that_moment() -> None:
    """The job has the rank's exit code, whatever an mpirun says that was ended."""
    core = running()
    core.handle(RankFailed(1, 3, 9))
    say, stop, deadline = core.handle(DeadlinePassed(Deadline.RANK_GRACE))
    assert isinstance(say, Say)
    assert [stop, deadline] == [StopLauncher(is_hard=False), SetDeadline(Deadline.STOP, STOP_SECONDS)]
    assert core.handle(LauncherEnded(143)) == [End(9)]


@pytest.mark.parametrize(("mpirun", "job"), [(0, 9), (exits.DAEMONS_LOST, 9), (9, 9), (137, 137)])
def test_a_ranks_exit_code_counts_where_mpirun_has_none_of_the_program(mpirun: int, job: int) -> None:
    """Where it says that all is well or that its daemons were lost; any other word of its own is kept."""
    core = running()
    core.handle(RankFailed(0, 0, 9))
    core.handle(LauncherEnded(mpirun))
    core.handle(NodePresent(1))
    assert core.handle(NodePresent(2)) == [End(job)]


def test_checking_learns_of_a_rank_before_the_roll_is_answered() -> None:
    """A node tells of its ranks first."""
    core = checking(0)
    core.handle(RankFailed(1, 3, 9))
    core.handle(NodePresent(1))
    assert core.handle(NodePresent(2)) == [End(9)]


def test_a_lost_node_counts_before_the_ranks_that_missed_it() -> None:
    """They failed because it was gone."""
    core = stopping_for_a_loss()
    core.handle(RankFailed(1, 3, 9))
    core.handle(DeadlinePassed(Deadline.LOST_GRACE))
    assert core.handle(LauncherEnded(143))[-1] == End(exits.NODE_LOST)


def test_saving_takes_no_notice() -> None:
    """Every rank had ended by then."""
    assert saving().handle(RankFailed(1, 3, 9)) == []


def test_another_node_passes_it_on() -> None:
    """To the main node, which decides."""
    core = OtherNode()
    core.handle(Connected())
    core.handle(Accepted())
    assert core.handle(RankFailedHere(3, 9)) == [SayRankFailed(3, 9)]


def test_the_pipe_is_read_line_by_line(tmp_path: Path) -> None:
    """However it comes; what no shell of a rank writes is passed over."""
    said: list[tuple[int, int]] = []
    ends = RankEnds(Loop(), tmp_path, lambda rank, exit_code: said.append((rank, exit_code)))
    pipe = os.open(tmp_path / PIPE, os.O_WRONLY)
    for piece in (b"3 9\n4", b" 137\nnonsense\n", b"99999999999 1\n5 "):
        os.write(pipe, piece)
        ends.read()
    os.close(pipe)
    ends.read()
    assert said == [(3, 9), (4, 137)]
