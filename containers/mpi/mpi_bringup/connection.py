"""One TCP connection on the loop: bytes in, bytes out, and its end told once."""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial

from mpi_bringup.loop import Loop

PING_SECONDS = 2.0
SILENCE_SECONDS = 12.0
"""Of a connection over which nothing comes: pings do, every two seconds, however busy the node is with its program."""

_READ_BYTES = 1 << 18


class Connection:
    """Calls back with what came, and once with why it ended."""

    def __init__(
        self,
        loop: Loop,
        connected: socket.socket,
        *,
        on_data: Callable[[bytes], None],
        on_closed: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._socket = connected
        self._on_data = on_data
        self._on_closed = on_closed
        self._outgoing: deque[memoryview] = deque()
        self._stream: Iterator[bytes] | None = None
        self._after_sending: Callable[[], None] | None = None
        self.heard_at = time.monotonic()
        """When something came last."""
        self.is_open = True
        connected.setblocking(False)  # noqa: FBT003 - socket takes it so
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        loop.on_readable(connected.fileno(), self._readable)

    def send(self, data: bytes) -> None:
        """As soon as the other side takes it."""
        if self.is_open:
            self._outgoing.append(memoryview(data))
            self._writable()

    def send_stream(self, pieces: Iterator[bytes]) -> None:
        """Piece by piece, as the other side takes them: none is made before there is room for it.

        What is sent meanwhile goes between two pieces.
        """
        self._stream = pieces
        self._writable()

    def close_when_sent(self, then: Callable[[], None]) -> None:
        """Close after everything has gone out, or cannot; then call back."""
        self._after_sending = then
        if self.is_open:
            self._writable()
        else:
            self._call_after_sending()

    def close(self) -> None:
        """Without a word to `on_closed`."""
        if self.is_open:
            self.is_open = False
            self._loop.forget(self._socket.fileno())
            self._socket.close()
            self._call_after_sending()

    def fail(self, why: str) -> None:
        """Close, and say why."""
        if self.is_open:
            self.close()
            self._on_closed(why)

    def _readable(self) -> None:
        try:
            data = self._socket.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self.fail(error.strerror or str(error))
            return
        if not data:
            self.fail("its connection ended")
            return
        self.heard_at = time.monotonic()
        self._on_data(data)

    def _writable(self) -> None:
        while self.is_open:
            if not self._outgoing and self._stream is not None:
                piece = next(self._stream, None)
                if piece is None:
                    self._stream = None
                else:
                    self._outgoing.append(memoryview(piece))
            if not self._outgoing:
                break
            try:
                sent = self._socket.send(self._outgoing[0])
            except BlockingIOError:
                self._loop.on_writable(self._socket.fileno(), self._writable)
                return
            except OSError as error:
                # Later: whoever sends something is in the middle of what it does about something else.
                self._loop.call(partial(self.fail, error.strerror or str(error)))
                return
            if sent == len(self._outgoing[0]):
                self._outgoing.popleft()
            else:
                self._outgoing[0] = self._outgoing[0][sent:]
        if self.is_open:
            self._loop.on_writable(self._socket.fileno(), None)
            if self._after_sending is not None:
                self.close()

    def _call_after_sending(self) -> None:
        if self._after_sending is not None:
            then, self._after_sending = self._after_sending, None
            then()
