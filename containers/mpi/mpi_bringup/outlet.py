"""The log of a node: its standard output and error, which may take what is written slowly without stopping the loop."""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable

from mpi_bringup.loop import Loop

STDOUT = 1
STDERR = 2

_FULL_BYTES = 8 << 20
"""Of what waits to be written, beyond which no more is read from the program."""

_STUCK_SECONDS = 5.0


class Outlet:
    """Writes in the order given, on a thread of its own."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._condition = threading.Condition()
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._bytes = 0
        self._is_over = False
        self._moved_at = time.monotonic()
        self._on_room: list[Callable[[], None]] = []
        self._thread = threading.Thread(target=self._write, name="mpi-outlet", daemon=True)
        self._thread.start()

    def say(self, text: str) -> None:
        """A message of the bring-up."""
        self.write(STDERR, "".join(f"mpi: {line}\n" for line in text.splitlines()).encode(errors="backslashreplace"))

    def write(self, stream: int, data: bytes) -> None:
        """To STDOUT or STDERR."""
        if data:
            with self._condition:
                self._waiting.append((stream, data))
                self._bytes += len(data)
                self._condition.notify()

    @property
    def is_full(self) -> bool:
        """Whether to write nothing more until there is room."""
        return self._bytes > _FULL_BYTES

    @property
    def is_stuck(self) -> bool:
        """Whether nobody has read anything of it for a while, though it is full."""
        return self.is_full and time.monotonic() - self._moved_at > _STUCK_SECONDS

    def on_room(self, call: Callable[[], None]) -> None:
        """Once, on the loop, when it is no longer full."""
        with self._condition:
            if self.is_full:
                self._on_room.append(call)
                return
        self._loop.call(call)

    def close(self, seconds: float) -> None:
        """Write the rest; no longer than this."""
        with self._condition:
            self._is_over = True
            self._condition.notify()
        self._thread.join(seconds)

    def _write(self) -> None:
        while True:
            with self._condition:
                while not self._waiting and not self._is_over:
                    self._condition.wait()
                if not self._waiting:
                    return
                stream, data = self._waiting.popleft()
            self._write_all(stream, data)
            with self._condition:
                self._bytes -= len(data)
                calls, self._on_room = (self._on_room, []) if not self.is_full else ([], self._on_room)
            for call in calls:
                self._loop.call(call)

    def _write_all(self, stream: int, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(stream, rest) :]
            except BlockingIOError:
                # A build tool that had it too may have made it so.
                select.select([], [stream], [])
            except OSError:
                return  # Nobody reads it any more: the job goes on.
            self._moved_at = time.monotonic()
