"""The program as it arrives at a node that is not the main one: piece by piece to disk, then unpacked."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from mpi_bringup import program
from mpi_bringup.loop import Loop
from mpi_bringup.program import ProgramError
from mpi_bringup.wire import WireError


class Arrival:
    """One program. Unpacking is a thread's: the node answers pings however large it is."""

    def __init__(self, loop: Loop, directory: Path, on_end: Callable[[str | None], None]) -> None:
        """`on_end` is told on the loop, with what went wrong if something did."""
        self._loop = loop
        self._archive = directory / "program.tar"
        self._work = directory / "work"
        self._on_end = on_end
        self._missing: int | None = None
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None

    def announce(self, size_bytes: int) -> None:
        """So much will come; 0 where the image has the program. Raises WireError."""
        if self._missing is not None or size_bytes < 0:
            raise WireError(f"a program is announced once, and not of {size_bytes} bytes")
        self._missing = size_bytes
        if size_bytes == 0:
            self._on_end(None)

    def take(self, piece: bytes) -> None:
        """The next of it. Raises WireError for what was not announced."""
        if self._missing is None or len(piece) > self._missing:
            raise WireError("it sent more of the program than it had announced")
        try:
            with self._archive.open("ab") as opened:
                opened.write(piece)
        except OSError as error:
            self._on_end(f"{self._archive.name}: is stored, got {error.strerror}; give the job more disk")
            return
        self._missing -= len(piece)
        if self._missing == 0:
            self._thread = threading.Thread(target=self._unpack, name="mpi-unpacking", daemon=True)
            self._thread.start()

    def close(self, seconds: float) -> None:
        """Unpack no more; waits no longer than this for what is being written."""
        self._is_over.set()
        if self._thread is not None:
            self._thread.join(seconds)

    def _unpack(self) -> None:
        problem: str | None = None
        try:
            program.unpack(self._archive, self._work, self._is_over.is_set)
            self._archive.unlink()
        except (ProgramError, OSError) as error:
            problem = str(error)
        self._loop.call(lambda: self._on_end(problem))
