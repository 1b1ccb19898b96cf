"""What the tests of the bring-up share; those that need an MPI are skipped, with a reason, where there is none."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mpi_bringup.loop import Loop

from tests.mpi_bringup.object_server import ObjectServer, running_object_server

SEARCH_PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what is marked mpi where it cannot run."""
    if item.get_closest_marker("mpi") is None:
        return
    for needed in ("mpiexec", "mpicc", "cc"):
        if shutil.which(needed, path=SEARCH_PATH) is None:
            pytest.skip(f"needs {needed}: install an MPI (pip install mpich) and a C compiler")


@pytest.fixture
def loop() -> Iterator[Loop]:
    """One that ends by itself where a test does not end it."""
    made = Loop()
    made.after(10.0, made.end)
    yield made
    signal.set_wakeup_fd(-1)


@pytest.fixture
def address() -> str:
    """On loopback, nobody else's."""
    return f"127.{secrets.randbelow(250) + 1}.{secrets.randbelow(250) + 1}.77"


@pytest.fixture
def server() -> Iterator[ObjectServer]:
    """A bucket of the test's own."""
    with running_object_server() as running:
        yield running
