"""Jobs over real sshd's, from the start to the exit code."""

from __future__ import annotations

import re
import socket

import pytest

from tests.mpi_ssh.conftest import JobMaker
from tests.mpi_ssh.name_spaces import Network, processes
from tests.mpi_ssh.nodes import Machine

pytestmark = pytest.mark.sshd


def greetings(log: str) -> set[tuple[str, ...]]:
    """Node in the label, rank in the label, rank, size, index of the node and sum of each line of hello."""
    pattern = r"^(node-\d) rank (\d+) \| rank (\d+) of (\d+) on (\d), sum (\d+)$"
    return set(re.findall(pattern, log, re.MULTILINE))


EXPECTED = {(f"node-{rank // 2}", str(rank), str(rank), "6", str(rank // 2), "15") for rank in range(6)}


def test_ranks_on_three_machines_greet(machines: Network, make_job: JobMaker) -> None:
    """Two ranks a node, in their node's environment, and every node ends with the program's exit code."""
    job = make_job(machines.machines)
    job.start("hello")
    assert job.exit_codes() == {0: 0, 1: 0, 2: 0}, job.log()
    assert greetings(job.log()) == EXPECTED
    assert all(node not in job.log(1) + job.log(2) for node in ("rank 2 |", "rank 4 |"))


def test_nothing_is_left_of_a_job(machines: Network, make_job: JobMaker) -> None:
    """No process, no file, and with the files no key."""
    job = make_job(machines.machines)
    job.start("hello")
    job.exit_codes()
    assert job.leftovers() == []
    assert [processes(machine) for machine in machines.machines] == [[], [], []]


def test_ranks_on_three_loopback_addresses_greet(loopback: tuple[Machine, ...], make_job: JobMaker) -> None:
    """Nodes that share a machine, a user and its temporary directory's parent; no right is needed."""
    job = make_job(loopback)
    job.start("hello")
    assert job.exit_codes() == {0: 0, 1: 0, 2: 0}, job.log()
    assert greetings(job.log()) == EXPECTED
    assert job.leftovers() == []


def test_the_exit_code_of_a_rank_is_that_of_every_node(loopback: tuple[Machine, ...], make_job: JobMaker) -> None:
    """Whichever node the rank was on."""
    job = make_job(loopback)
    job.start("end", "3", "7")
    assert job.exit_codes() == {0: 7, 1: 7, 2: 7}, job.log()


def test_two_jobs_on_the_same_addresses(loopback: tuple[Machine, ...], make_job: JobMaker) -> None:
    """Each finds its own main node and its own sshd's, though the other has the usual ports."""
    first, second = make_job(loopback), make_job(loopback)
    first.start("steps", "3")
    first.await_line("stepping")
    second.start("hello")
    assert second.exit_codes() == {0: 0, 1: 0, 2: 0}, second.log()
    assert greetings(second.log()) == EXPECTED
    assert first.exit_codes() == {0: 0, 1: 0, 2: 0}, first.log()
    assert "turned away" not in first.log() + second.log()


def test_ports_that_are_taken(loopback: tuple[Machine, ...], make_job: JobMaker) -> None:
    """Another program has the usual ports of a node and of the main one: the next are taken."""
    with socket.create_server((loopback[0].address, 7522)), socket.create_server((loopback[1].address, 2222)):
        job = make_job(loopback)
        job.start("hello")
        assert job.exit_codes() == {0: 0, 1: 0, 2: 0}, job.log()
    assert greetings(job.log()) == EXPECTED
