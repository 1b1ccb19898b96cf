"""A C loop around posix_spawn and wait: what starting processes costs on this machine, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("spawn_loop.c")


class BareLoop:
    """The loop, compiled into a directory."""

    def __init__(self, directory: Path) -> None:
        compiler = next((name for name in ("cc", "gcc", "clang") if shutil.which(name)), None)
        if compiler is None:
            raise SystemExit("benchmarks: the bare loop is a C program, got no cc, gcc or clang; install one")
        self._program = directory / "spawn_loop"
        subprocess.run([compiler, "-O2", "-o", str(self._program), str(SOURCE)], check=True)

    def per_second(self, count: int, in_flight: int, program: str) -> float:
        """Programs a second, `in_flight` at a time."""
        command = [str(self._program), str(count), str(in_flight), program]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
