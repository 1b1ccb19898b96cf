"""What the tests of the bring-up share: skipping, with a reason, where there is no MPI."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

SEARCH_PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what is marked mpi where it cannot run."""
    if item.get_closest_marker("mpi") is None:
        return
    for needed in ("mpiexec", "mpicc", "cc"):
        if shutil.which(needed, path=SEARCH_PATH) is None:
            pytest.skip(f"needs {needed}: install an MPI (pip install mpich) and a C compiler")
