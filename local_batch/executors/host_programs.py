"""Where processes find programs that their images do not bring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HostPrograms:
    """Directories of this machine that stand before those of the image's PATH."""

    python_bin: str
    """Holds the `python` that jobs find, and with it MPICH's programs where its wheel is installed."""

    mpi_bin: str = ""
    """Holds the `mpiexec` and `mpicc` that jobs find; empty: those beside `python`."""

    mpi_libraries: str = ""
    """Where mpi4py is to look for the library of that MPI: directories with colons between them, an empty one for those
    of the system. It would take the one beside `python`, and every rank would be alone in its world."""

    @property
    def search_path(self) -> str:
        """The beginning of a PATH."""
        return f"{self.mpi_bin}:{self.python_bin}" if self.mpi_bin else self.python_bin

    @property
    def variables(self) -> Mapping[str, str]:
        """What jobs are told about them, besides PATH."""
        return {"MPI4PY_LIBMPI": self.mpi_libraries} if self.mpi_bin else {}
