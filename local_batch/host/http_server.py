"""HTTP/1.1 on one listening socket: uvicorn, told what a local cloud needs."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator
from typing import Final

import uvicorn

from local_batch.host.asgi import App

GRACE_SECONDS: Final = 1
"""How long a stop waits for requests that are being answered."""

KEEP_ALIVE_SECONDS: Final = 75
"""Longer than SDKs keep an idle connection (60 s), so that it is never the server that closes under a request."""


class _Server(uvicorn.Server):
    """Stops at SIGTERM or SIGINT by returning; uvicorn's own raises the signal again before anything is put away."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        yield

    def _stop(self) -> None:
        self.should_exit = True


def serve_until_signalled(app: App, listener: socket.socket) -> None:
    """Run `app` on the socket; returns when its shutdown is complete."""
    config = uvicorn.Config(
        app,
        http="httptools",
        loop="asyncio",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        # MiniStack sends its own, and two are one too many.
        date_header=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    asyncio.run(_Server(config).serve(sockets=[listener]))
