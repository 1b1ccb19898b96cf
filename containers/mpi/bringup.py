"""Brings up an MPI job on the nodes of a multi-node parallel job; see docs/mpi-bring-up.md."""

from __future__ import annotations

import sys

from mpi_bringup.main import main

if __name__ == "__main__":
    sys.exit(main())
