"""Jobs on machines that are network namespaces, and on loopback addresses."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.mpi_ssh import name_spaces, nodes
from tests.mpi_ssh.name_spaces import Network, network
from tests.mpi_ssh.nodes import Job, Machine, built_ranks, closing

JobMaker = Callable[..., Job]


@pytest.fixture(scope="session")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled program of ranks.c; skips where there is no sshd, MPI or compiler."""
    why = nodes.missing()
    if why is not None:
        pytest.skip(why)
    return built_ranks(tmp_path_factory.mktemp("ranks"))


@pytest.fixture
def machines(ranks: Path, tmp_path: Path) -> Iterator[Network]:
    """Three on a network of their own; skips where that cannot be made."""
    why = name_spaces.missing()
    if why is not None:
        pytest.skip(why)
    with network(3, tmp_path) as made:
        yield made


@pytest.fixture
def loopback(ranks: Path, tmp_path: Path) -> tuple[Machine, ...]:
    """Three addresses of this machine, unlike those of another worker's tests; skips for Open MPI 5."""
    if (directory := nodes.mpi_directory()) is not None and (directory / "prterun").exists():
        pytest.skip(
            "Open MPI 5 takes nodes with one host name for one machine; only namespaces have names of their own"
        )
    block = os.getpid() % 200 + 20
    directories = [tmp_path / f"node-{index}" for index in range(3)]
    return tuple(
        Machine(address=f"127.0.{block}.{index + 2}", temporary=directory, seen_as=str(directory))
        for index, directory in enumerate(directories)
    )


@pytest.fixture
def make_job(ranks: Path, tmp_path: Path) -> Iterator[JobMaker]:
    """A job on machines, whose nodes end with the test."""
    with ExitStack() as open_jobs:

        def make(machines: tuple[Machine, ...], **options: object) -> Job:
            return open_jobs.enter_context(closing(Job(ranks, machines, tmp_path, **options)))  # type: ignore[arg-type]

        yield make
