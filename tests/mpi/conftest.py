"""What the tests of MPI programs share."""

from __future__ import annotations

import pytest

from tests.mpi.programs import Programs, skip_where_missing


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    """The programs, compiled when first asked for; skips where there is no MPI or no compiler."""
    skip_where_missing()
    return Programs(tmp_path_factory.mktemp("mpi"))
