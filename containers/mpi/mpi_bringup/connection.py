"""One TCP connection on the loop: bytes in, bytes out, and its end told once."""

from __future__ import annotations

import contextlib
import os
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


LINGER_SECONDS = 2.0
"""For the other side to hang up when everything was said: what is closed with something unread takes back what was
sent last."""


def connect(
    loop: Loop,
    source: str,
    address: tuple[str, int],
    seconds: float,
    *,
    on_connected: Callable[[socket.socket], None],
    on_failed: Callable[[str], None],
) -> None:
    """Call an address from another one, without waiting; then one of the two is called, within these seconds."""
    called = socket.socket()
    called.setblocking(False)  # noqa: FBT003 - socket takes it so
    is_over = False

    def settle(why: str | None) -> None:
        nonlocal is_over
        if is_over:
            return
        is_over = True
        loop.forget(called.fileno())
        if why is None:
            on_connected(called)
        else:
            called.close()
            on_failed(why)

    def answered() -> None:
        error = called.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        settle(os.strerror(error) if error else None)

    try:
        called.bind((source, 0))
        called.connect(address)
    except BlockingIOError:
        loop.on_writable(called.fileno(), answered)
        loop.after(seconds, lambda: settle("it did not answer in time"))
    except OSError as error:
        settle(error.strerror or str(error))
    else:
        settle(None)


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
        self._is_leaving = False
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
        """Say nothing more after what is on its way, and close when the other side does, soon at any rate; call back.

        What still comes is not told.
        """
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
            if self._after_sending is not None:
                self.close()
            else:
                self.fail("its connection ended")
            return
        self.heard_at = time.monotonic()
        if self._after_sending is None:
            self._on_data(data)

    def _writable(self) -> None:
        while self.is_open:
            if not self._outgoing and self._stream is not None and not self._take_piece(self._stream):
                return
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
            if self._after_sending is not None and not self._is_leaving:
                self._is_leaving = True
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_WR)
                self._loop.after(LINGER_SECONDS, self.close)

    def _take_piece(self, stream: Iterator[bytes]) -> bool:
        """Of what is streamed, to be sent next; False where it cannot be read."""
        try:
            piece = next(stream, None)
        except OSError as error:
            self._loop.call(partial(self.fail, error.strerror or str(error)))
            return False
        if piece is None:
            self._stream = None
        else:
            self._outgoing.append(memoryview(piece))
        return True

    def _call_after_sending(self) -> None:
        if self._after_sending is not None:
            then, self._after_sending = self._after_sending, None
            then()
