"""What goes wrong with a job's nodes, and how the job ends: in bounded time, with the node's name, leaving nothing."""

from __future__ import annotations

import time

import pytest
from mpi_bringup import exits
from mpi_bringup.connection import SILENCE_SECONDS
from mpi_bringup.main_node import LOST_GRACE_SECONDS, ROLL_CALL_SECONDS, STOP_SECONDS

from tests.mpi_ssh.conftest import JobMaker
from tests.mpi_ssh.name_spaces import Network, kill_sshd, processes
from tests.mpi_ssh.nodes import Job, Machine, await_true

pytestmark = pytest.mark.sshd

SLACK_SECONDS = 10.0
"""For a machine with other things to do."""


def stepping(machines: tuple[Machine, ...], make_job: JobMaker) -> Job:
    """A job whose program runs on all nodes."""
    job = make_job(machines)
    job.start("steps", "120")
    job.await_line("stepping")
    return job


def expect_nothing_left(machines: tuple[Machine, ...]) -> None:
    """No process on any of them."""
    await_true(lambda: not any(map(processes, machines)), lambda: f"{list(map(processes, machines))} still run")


def test_a_node_with_another_secret(loopback: tuple[Machine, ...], make_job: JobMaker) -> None:
    """It ends at once; the job at the deadline for joining, with the name that is missing and who was turned away."""
    job = make_job(loopback, join_seconds=5.0)
    job.start("hello", secrets={2: "a secret of another stack"})
    assert job.exit_codes() == {0: exits.NODES_MISSING, 1: exits.NODES_MISSING, 2: exits.REFUSED}, job.log()
    assert "2 of 3 nodes came within 5 s, without node-2" in job.log()
    assert f"{loopback[2].address} was turned away: it does not know the key of this job" in job.log()
    assert "the main node turned this node away" in job.log(2)


def test_a_node_that_never_comes(loopback: tuple[Machine, ...], make_job: JobMaker) -> None:
    """Killed before the run, or never started: the deadline for joining names it."""
    job = make_job(loopback, join_seconds=3.0)
    job.start("hello", without=(1,))
    assert job.exit_codes() == {0: exits.NODES_MISSING, 2: exits.NODES_MISSING}
    assert "2 of 3 nodes came within 3 s, without node-1" in job.log()


def test_a_node_that_is_killed_while_others_are_waited_for(machines: Network, make_job: JobMaker) -> None:
    """Whoever was there and is gone is named at once, not at the deadline."""
    job = make_job(machines.machines)
    job.start("hello", without=(2,))
    job.await_line("taken this node on", index=1)
    job.kill(1)
    assert job.exit_codes()[0] == exits.NODE_LOST
    assert f"node-1 ({machines.machines[1].address}) was lost before the program ran" in job.log()


def test_a_node_of_an_earlier_attempt(loopback: tuple[Machine, ...], make_job: JobMaker) -> None:
    """It knows the key, and is refused all the same; the node of this attempt takes its place."""
    job = make_job(loopback)
    job.start_node(1, "hello", attempt=1)
    late = job.nodes.pop(1)
    for index in range(2):
        job.start_node(index, "hello", attempt=2)
    assert late.wait(timeout=30) == exits.REFUSED
    job.start_node(2, "hello", attempt=2)
    assert job.exit_codes() == {0: 0, 1: 0, 2: 0}, job.log()
    assert "turned away: it is of attempt 1, this is attempt 2" in job.log()


def test_a_node_that_is_killed_during_the_run(machines: Network, make_job: JobMaker) -> None:
    """The job fails with its name, whatever mpirun says, and the other node ends with it."""
    job = stepping(machines.machines, make_job)
    job.kill(1)
    codes = job.exit_codes(LOST_GRACE_SECONDS + STOP_SECONDS + SLACK_SECONDS)
    assert codes[0] != 0
    assert codes[2] == codes[0]
    assert f"node-1 ({machines.machines[1].address}) was lost while the program ran" in job.log()
    expect_nothing_left(machines.machines)


def test_a_main_node_that_is_killed(machines: Network, make_job: JobMaker) -> None:
    """The others notice within seconds, and end what ran there."""
    job = stepping(machines.machines, make_job)
    job.kill(0)
    codes = job.exit_codes(SLACK_SECONDS)
    assert (codes[1], codes[2]) == (exits.MAIN_LOST, exits.MAIN_LOST)
    assert "the main node is gone" in job.log(1)
    expect_nothing_left(machines.machines)


def test_a_link_that_is_cut_during_the_run(machines: Network, make_job: JobMaker) -> None:
    """Nothing says that a node is gone: silence does, on both of its sides."""
    job = stepping(machines.machines, make_job)
    machines.cut(2)
    cut_at = time.monotonic()
    codes = job.exit_codes(SILENCE_SECONDS + ROLL_CALL_SECONDS + LOST_GRACE_SECONDS + STOP_SECONDS + SLACK_SECONDS)
    assert codes[0] != 0
    assert codes[1] == codes[0]
    assert codes[2] == exits.MAIN_LOST
    assert f"node-2 ({machines.machines[2].address})" in job.log()
    assert "nothing was heard of it" in job.log(2)
    assert time.monotonic() - cut_at > SILENCE_SECONDS
    expect_nothing_left(machines.machines)


def test_an_sshd_that_ends_during_the_run_fails_its_node(machines: Network, make_job: JobMaker) -> None:
    """A node that mpirun can no longer reach says so itself."""
    job = stepping(machines.machines, make_job)
    kill_sshd(machines.machines[1])
    assert job.exit_codes()[0] != 0
    assert f"node-1 ({machines.machines[1].address}) was lost while the program ran: its sshd ended" in job.log()
