"""The Docker Engine API over a Unix socket, for asyncio.

One connection a request: on a Unix socket that costs little, and a stream of any length holds up no other request.
Reference: https://docs.docker.com/reference/api/engine/version/v1.41/ (podman speaks it too).
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import h11

VERSION = "v1.41"
"""Spoken by Docker since 20.10 and by podman since 4.0."""

READ_BYTES = 65_536

_BACKLOG_PAUSES_SECONDS = tuple(0.01 * 1.5**number for number in range(16))
"""Between two looks for a place among those who wait to be accepted: 13 s in all."""

_MAX_ERROR_CHARACTERS = 2_000


class DockerApiError(Exception):
    """The engine refused: its own text."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class EngineLostError(Exception):
    """The engine does not answer, or stopped in the middle of an answer."""


class DockerApi:
    """Sends requests to the engine that listens on one socket."""

    def __init__(self, socket: Path) -> None:
        """Connects when asked; nothing is kept open between requests."""
        self.socket = socket

    async def call(self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: object = None) -> Any:
        """The JSON document of the answer; None where it has no body. `body` is sent as JSON.

        Raises DockerApiError where the engine refuses, EngineLostError where it is not there.
        """
        content = b"" if body is None else json.dumps(body).encode()
        async with self.stream(method, path, query=query, content=content) as chunks:
            answer = b"".join([chunk async for chunk in chunks])
        return json.loads(answer) if answer.strip() else None

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        content: bytes = b"",
        content_type: str = "application/json",
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The body of the answer as it arrives, once its status is known to be good. Raises as `call` does."""
        target = f"/{VERSION}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = [("Host", "engine"), ("Connection", "close"), ("Content-Length", str(len(content)))]
        if content:
            headers.append(("Content-Type", content_type))
        try:
            connection = await _connected(self.socket)
        except OSError as error:
            raise EngineLostError(f"{self.socket}: {error.strerror or error}") from error
        reader, writer = await asyncio.open_unix_connection(sock=connection, limit=READ_BYTES)
        try:
            exchange = _Exchange(reader, writer)
            await exchange.send(h11.Request(method=method, target=target, headers=headers), content)
            status = await exchange.status()
            if status >= 400:
                text = b"".join([chunk async for chunk in exchange.body()])
                raise DockerApiError(status, _message(text))
            yield exchange.body()
        finally:
            writer.close()


async def _connected(path: Path) -> socket.socket:
    """A connection. Raises OSError.

    Where so many are waiting to be accepted that one more finds no place, Linux says EAGAIN, and asyncio takes that
    for a connection under way; on a Unix socket there is no such thing.
    """
    pauses = iter(_BACKLOG_PAUSES_SECONDS)
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(0)
        try:
            connection.connect(str(path))
        except BlockingIOError:
            connection.close()
            pause_seconds = next(pauses, None)
            if pause_seconds is None:
                raise
            await asyncio.sleep(pause_seconds)
        except OSError:
            connection.close()
            raise
        else:
            return connection


class _Exchange:
    """One request and its answer on one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.CLIENT)

    async def send(self, request: h11.Request, content: bytes) -> None:
        pieces = [
            self._http.send(request),
            self._http.send(h11.Data(data=content)),
            self._http.send(h11.EndOfMessage()),
        ]
        try:
            self._writer.write(b"".join(piece for piece in pieces if piece))
            await self._writer.drain()
        except OSError:
            # An engine that refuses early closes early; its answer says why, and is read next.
            return

    async def status(self) -> int:
        while True:
            event = await self._next_event()
            if isinstance(event, h11.Response):
                return event.status_code
            if not isinstance(event, h11.InformationalResponse):
                raise EngineLostError(f"the engine answers HTTP, got {event!r}")

    async def body(self) -> AsyncIterator[bytes]:
        while True:
            event = await self._next_event()
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            else:
                return

    async def _next_event(self) -> Any:
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                self._http.receive_data(await self._reader.read(READ_BYTES))
        except (OSError, h11.RemoteProtocolError) as error:
            raise EngineLostError(f"the container engine stopped in the middle of an answer: {error}") from error
        return event


def _message(text: bytes) -> str:
    """What an error's body says: `{"message": …}` of both engines, else the text itself."""
    try:
        document = json.loads(text)
    except ValueError:
        return text.decode(errors="replace").strip()[:_MAX_ERROR_CHARACTERS]
    message = document.get("message") if isinstance(document, dict) else None
    return str(message or document).strip()[:_MAX_ERROR_CHARACTERS]
