"""Messages between the server and its process agent."""

from __future__ import annotations

import pickle
import socket
import struct
from typing import Any

Message = tuple[Any, ...]
"""What it is about, and what is to be known of it. Plain tuples: they cost a tenth of dataclasses to hand over."""

_LENGTH = struct.Struct("!I")
_READ_BYTES = 1 << 16
"""Of one read: for more, the C library would map and unmap memory every time."""


class Channel:
    """One end of a socket pair. One thread may receive; whoever sends takes turns with others by itself."""

    def __init__(self, connection: socket.socket) -> None:
        """The connection is the channel's from now on."""
        self._connection = connection
        self._received = bytearray()

    def fileno(self) -> int:
        """The descriptor, to wait on."""
        return self._connection.fileno()

    def send(self, data: bytes) -> None:
        """All of it, when there is room for it. Raises OSError where the other side is gone."""
        self._connection.sendall(data)

    def send_now(self, data: bytes) -> bytes:
        """As much as there is room for, without waiting; what is left over is returned. Raises OSError."""
        try:
            return data[self._connection.send(data, socket.MSG_DONTWAIT) :]
        except BlockingIOError:
            return data

    def receive(self) -> list[Message] | None:
        """The messages that have come since the last call, waiting for something to come; None at the end of all."""
        try:
            data = self._connection.recv(_READ_BYTES)
        except ConnectionResetError:
            return None
        if not data:
            return None
        self._received += data
        messages: list[Message] = []
        position = 0
        while (begin := position + _LENGTH.size) <= len(self._received):
            (length,) = _LENGTH.unpack_from(self._received, position)
            if begin + length > len(self._received):
                break
            messages.append(pickle.loads(self._received[begin : begin + length]))  # noqa: S301 - our own process wrote it
            position = begin + length
        del self._received[:position]
        return messages

    def close(self) -> None:
        """The other side learns of it."""
        self._connection.close()


def encoded(message: Message) -> bytes:
    """A message as it is sent."""
    data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(data)) + data
