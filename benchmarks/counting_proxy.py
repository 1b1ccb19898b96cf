"""Counts calls on their way to a server: whoever is given this address instead of the server's is counted.

It passes bytes on as they come, in a thread of its own, and reads of them only the first line of each request: all
clients pay the same small price for it, and none has to be changed or trusted.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self, cast
from urllib.parse import urlsplit

SUBMIT_JOB: Final = "/v1/submitjob"
_REQUEST: Final = re.compile(rb"(?:GET|HEAD|PUT|POST|DELETE|PATCH) ([^ ?\r\n]+)[^ \r\n]* HTTP/1\.1\r\n")


@dataclass
class Counted:
    """Calls of one client, or of several one after the other."""

    paths: Counter[str] = field(default_factory=Counter)
    first_submit_at: float = 0.0
    last_submit_at: float = 0.0
    """When the first SubmitJob was asked for, and the last one answered, on the clock of `time.perf_counter`."""

    @property
    def submits(self) -> int:
        """SubmitJob calls."""
        return self.paths[SUBMIT_JOB]

    @property
    def total(self) -> int:
        """Calls to any service."""
        return self.paths.total()

    @property
    def milliseconds_a_submit(self) -> float:
        """From the first SubmitJob to the last one's answer, for each."""
        return (self.last_submit_at - self.first_submit_at) / max(self.submits, 1) * 1000


class CountingProxy:
    """In front of one server, while it is entered."""

    def __init__(self, server: str) -> None:
        """`server` is `http://HOST:PORT`."""
        parts = urlsplit(server)
        self._server = (str(parts.hostname), int(parts.port or 80))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="counting-proxy")
        self.counted = Counted()
        self.url = ""

    def __enter__(self) -> Self:
        self._thread.start()
        self.url = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def take(self) -> Counted:
        """What was counted since the last time."""
        counted, self.counted = self.counted, Counted()
        return counted

    async def _listen(self) -> str:
        listener = await self._loop.create_server(lambda: _FromClient(self, self._server), "127.0.0.1", 0)
        return f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"


class _FromClient(asyncio.Protocol):
    """One connection of a client, and the one to the server that goes with it."""

    def __init__(self, proxy: CountingProxy, server: tuple[str, int]) -> None:
        self._proxy = proxy
        self._server = server
        self._to_server: asyncio.Transport | None = None
        self._early: list[bytes] = []
        self._is_closed = False
        self.path = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._connecting = asyncio.ensure_future(self._connect())

    def data_received(self, data: bytes) -> None:
        found = _REQUEST.match(data)
        if found:
            counted = self._proxy.counted
            self.path = found[1].decode()
            counted.paths[self.path if self.path.startswith("/v1/") else "other services"] += 1
            if self.path == SUBMIT_JOB and not counted.first_submit_at:
                counted.first_submit_at = time.perf_counter()
        if self._to_server is None:
            self._early.append(data)
        else:
            self._to_server.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._is_closed = True
        if self._to_server is not None:
            self._to_server.close()

    def answered(self, data: bytes) -> None:
        """The server said something to this client."""
        if self.path == SUBMIT_JOB:
            self._proxy.counted.last_submit_at = time.perf_counter()
        self.transport.write(data)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(lambda: _FromServer(self), *self._server)
        for data in self._early:
            transport.write(data)
        self._early.clear()
        self._to_server = transport
        if self._is_closed:
            transport.close()


class _FromServer(asyncio.Protocol):
    """The server's side of a connection."""

    def __init__(self, client: _FromClient) -> None:
        self._client = client

    def data_received(self, data: bytes) -> None:
        self._client.answered(data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._client.transport.close()
