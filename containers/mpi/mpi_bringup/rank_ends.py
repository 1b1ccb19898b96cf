"""Ranks of this node that ended badly, as their shells say.

An mpirun may wait for ever for ranks that wait for one that has ended: MPICH's ends the others when a rank dies by a
signal, not when it exits with something else than 0. So what each rank begins with (launching.ON_NODE) stays until its
program ends, and writes a line to a pipe of its node where that was not with 0.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from mpi_bringup.loop import Loop

PIPE: Final = "rank-ends"
"""In a bring-up's directory."""

_LINE: Final = re.compile(rb"(\d{1,9}) (\d{1,3})")


class RankEnds:
    """Reads the pipe of one node."""

    def __init__(self, loop: Loop, directory: Path, on_end: Callable[[int, int], None]) -> None:
        """`on_end` is told rank and exit code, 128 and its number after a signal."""
        self._on_end = on_end
        self._buffer = b""
        path = directory / PIPE
        os.mkfifo(path, 0o600)
        # For writing as well: else the pipe would be at its end whenever no rank has it open.
        self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        loop.on_readable(self._descriptor, self.read)

    def read(self) -> None:
        """Everything that was written by now."""
        try:
            self._buffer += os.read(self._descriptor, 65536)
        except BlockingIOError:
            return
        *lines, self._buffer = self._buffer.split(b"\n")
        for line in lines:
            said = _LINE.fullmatch(line)
            if said is not None:  # a program may write here too, whatever it likes
                self._on_end(int(said[1]), int(said[2]))
