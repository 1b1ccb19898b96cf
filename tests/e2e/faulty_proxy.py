"""A proxy between a runner and a local cloud that fails calls of Batch in every way that calls can fail."""

from __future__ import annotations

import http.client
import random
import socket
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self, cast
from urllib.parse import urlsplit

THROTTLED = (429, "TooManyRequestsException", b'{"message":"Too Many Requests"}')
BROKEN = (500, "ServerException", b'{"message":"internal"}')
_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


class FaultyProxy:
    """In front of one server, while it is entered. `rates` are chances of faults by the end of a call's path."""

    def __init__(self, server: str, rates: dict[str, float], seed: int) -> None:
        parts = urlsplit(server)
        self.server = (str(parts.hostname), int(parts.port or 80))
        self.rates = rates
        self.chance = random.Random(seed)
        self.faults: Counter[str] = Counter()
        self.lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._http.daemon_threads = True
        self._http.proxy = self  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, name="faulty-proxy")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def fault(self, path: str) -> str | None:
        """What goes wrong with this call, if anything."""
        with self.lock:
            rate = self.rates.get(path.rpartition("/")[2], 0.0) if path.startswith("/v1/") else 0.0
            if self.chance.random() >= rate:
                return None
            kinds = ["throttled", "throttled", "throttled", "broken", "broken after", "reset", "lost"]
            kind = self.chance.choice(kinds)
            self.faults[kind] += 1
            return kind


class _Handler(BaseHTTPRequestHandler):
    """One connection of the runner."""

    protocol_version = "HTTP/1.1"

    def handle_one_request(self) -> None:
        """Pass a request on, or fail it before or after that."""
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return None
        proxy = cast("FaultyProxy", self.server.proxy)  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind = proxy.fault(self.path)
        if kind == "reset":
            return self._hang_up()
        if kind in {"throttled", "broken"}:
            status, code, content = THROTTLED if kind == "throttled" else BROKEN
            return self._answer(status, {"x-amzn-ErrorType": code, "Content-Type": "application/json"}, content)
        connection = http.client.HTTPConnection(*proxy.server, timeout=60)
        connection.request(self.command, self.path, body, dict(self.headers))
        answer = connection.getresponse()
        content = answer.read()
        headers = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP}
        connection.close()
        if kind == "lost":
            return self._hang_up()
        if kind == "broken after":
            return self._answer(500, {"x-amzn-ErrorType": BROKEN[1], "Content-Type": "application/json"}, BROKEN[2])
        length = answer.getheader("Content-Length") if self.command == "HEAD" else None
        return self._answer(answer.status, headers, content, length)

    def _answer(self, status: int, headers: dict[str, str], content: bytes, length: str | None = None) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", length or str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
        self.wfile.flush()

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that it has
        """Nothing."""
