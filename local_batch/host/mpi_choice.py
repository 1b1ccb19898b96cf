"""Which MPI jobs that run as processes find: MPICH of this environment, Open MPI beside it, or the system's.

All have programs of the same names, so one directory has to come first on the jobs' PATH.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from local_batch.executors.host_programs import HostPrograms

MPICH: Final = "mpich"
OPENMPI: Final = "openmpi"
SYSTEM: Final = "system"

_OF_MPICH: Final = ("hydra*", "*.hydra", "*.mpich")
_OF_OPEN_MPI: Final = ("ompi*", "opal*", "ort*", "prt*", "pmix*", "*.openmpi")
_OF_ANY: Final = ("mpi*",)
"""Names of what an MPI consists of: compilers, launchers, and what its launchers start on the nodes."""


class MpiChoiceError(Exception):
    """The MPI that was asked for is not here; the text says how to install it."""


def host_programs(choice: str | None, *, python_bin: Path, search_path: str, directory: Path) -> HostPrograms:
    """Where jobs find `python` and that MPI; None is MPICH, which then may be missing as long as no job wants it.

    `search_path` is the caller's PATH, on which the system's is looked for, outside of the environment of `python_bin`.
    What stands for that one is made in `directory`. Raises MpiChoiceError.
    """
    environment = python_bin.parent
    if choice is None or choice == MPICH:
        if choice is not None and not _holds_mpi(python_bin):
            raise _missing(choice, f"mpiexec in {python_bin}", "install it: toolchain/setup.sh run")
        return HostPrograms(str(python_bin))
    if choice == OPENMPI:
        own = environment / "openmpi" / "bin"
        if not _holds_mpi(own):
            raise _missing(choice, f"mpiexec in {own}", "install it: toolchain/setup.sh openmpi")
        return HostPrograms(str(python_bin), str(own), _libraries(own))
    system = next(_outside(environment, search_path), None)
    if system is None:
        raise _missing(
            choice, "an mpiexec on the PATH outside of this checkout", "install one (Debian: apt-get install mpich)"
        )
    _make_starters(system, directory)
    return HostPrograms(str(python_bin), str(directory), f"{_libraries(system)}:")


def _missing(choice: str, wanted: str, fix: str) -> MpiChoiceError:
    return MpiChoiceError(f"--mpi {choice}: {wanted}, got none; {fix}, or leave the option out")


def _holds_mpi(directory: Path) -> bool:
    return os.access(directory / "mpiexec", os.X_OK)


def _outside(environment: Path, search_path: str) -> Iterator[Path]:
    """Directories of the search path with an `mpiexec` that is not the environment's."""
    for name in filter(None, search_path.split(os.pathsep)):
        directory = Path(name).absolute()
        if _holds_mpi(directory) and not directory.resolve().is_relative_to(environment.resolve()):
            yield directory


def _libraries(mpi_bin: Path) -> str:
    return f"{mpi_bin.parent / 'lib'}:{mpi_bin.parent / 'lib64'}"


def _make_starters(system: Path, directory: Path) -> None:
    """Scripts that start the MPI's programs where they are, since other programs of that directory are not wanted.

    A system's bin holds its own `python`, which must not come before the jobs'. Links would not do: launchers look for
    their parts beside the path that they were started by.
    """
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    # Where a directory has several MPIs, links choose; parts of another one would make it look like that.
    name = (system / "mpiexec").resolve().name
    others = _OF_OPEN_MPI if _is_one_of(name, _OF_MPICH) else _OF_MPICH if _is_one_of(name, _OF_OPEN_MPI) else ()
    for program in system.iterdir():
        is_wanted = _is_one_of(program.name, (*_OF_ANY, *_OF_MPICH, *_OF_OPEN_MPI))
        if is_wanted and not _is_one_of(program.name, others) and os.access(program, os.X_OK):
            starter = directory / program.name
            starter.write_text(f'#!/bin/sh\nexec {shlex.quote(str(program))} "$@"\n', encoding="utf-8")
            starter.chmod(0o755)


def _is_one_of(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
