"""The MPI programs of the checkout, compiled with this environment's MPICH, and runs of them under its mpiexec."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

SOURCES = Path(__file__).resolve().parents[2] / "mpi"
FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-pedantic")
BIN = Path(sys.executable).parent
MPIEXEC = BIN / "mpiexec"
COMPILERS = ("cc", "gcc", "clang")
RUN_SECONDS = 60.0


@cache
def missing() -> str | None:
    """Why MPI programs cannot be tested here, None where they can."""
    if not MPIEXEC.exists():
        return f"no mpiexec in {BIN}: toolchain/setup.sh dev installs it"
    if not (any(map(shutil.which, COMPILERS)) or (BIN / "zig-cc").exists()):
        return "no C compiler here: one of cc, gcc, clang, or toolchain/setup.sh dev, which installs one then"
    return None


def compiler_environment() -> dict[str, str]:
    """What makes mpicc use a compiler that is here."""
    return {} if shutil.which("cc") else {"MPICH_CC": next(filter(shutil.which, COMPILERS), str(BIN / "zig-cc"))}


@dataclass(frozen=True)
class Ended:
    """How a run of a program ended."""

    exit_code: int
    output: str
    errors: str

    @property
    def verdict(self) -> str:
        """PASSED or FAILED, or nothing where it said neither."""
        return next((words[-1] for words in self._results), "")

    @property
    def result(self) -> dict[str, str]:
        """The names and values of its result."""
        return dict(word.split("=", 1) for words in self._results for word in words[:-1])

    @property
    def _results(self) -> list[list[str]]:
        """The line with the result; a launcher may let other ranks' lines come after it."""
        lines = [line.split() for line in self.output.splitlines()]
        return [words for words in lines if words and words[-1] in {"PASSED", "FAILED"}]


@dataclass
class Programs:
    """Compiles into a directory, each program once, and runs there."""

    directory: Path
    _compiled: dict[tuple[str, ...], Path] = field(default_factory=dict)

    def compiled(self, name: str, *flags: str) -> Path:
        """The executable of `mpi/<name>.c`."""
        key = (name, *flags)
        if key not in self._compiled:
            program = self.directory / "-".join((str(len(self._compiled)), name))
            command = [str(BIN / "mpicc"), *FLAGS, *flags, "-o", str(program), str(SOURCES / f"{name}.c"), "-lm"]
            environment = {"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(self.directory), **compiler_environment()}
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            self._compiled[key] = program
        return self._compiled[key]

    def command(self, ranks: int, name: str, *arguments: str, flags: tuple[str, ...] = ()) -> list[str]:
        """What starts so many ranks of a program; one that ends with .py is taken as it is."""
        program = [sys.executable, str(name)] if name.endswith(".py") else [str(self.compiled(name, *flags))]
        return [str(MPIEXEC), "-n", str(ranks), *program, *arguments]

    def run(self, ranks: int, name: str, *arguments: str, flags: tuple[str, ...] = ()) -> Ended:
        """Run it to its end."""
        command = self.command(ranks, name, *arguments, flags=flags)
        done = subprocess.run(
            command, cwd=self.directory, capture_output=True, text=True, timeout=RUN_SECONDS, check=False
        )
        return Ended(done.returncode, done.stdout, done.stderr)


def skip_where_missing() -> None:
    """Skip the test with the reason, where there is one."""
    reason = missing()
    if reason is not None:
        pytest.skip(reason)
