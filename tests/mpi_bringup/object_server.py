"""A small server of objects: answers as it is told, keeps what it is given, and remembers the requests."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Request:
    """One that came."""

    method: str
    target: str
    headers: dict[str, str]


@dataclass
class ObjectServer:
    """Objects by path; `failures` are statuses that are answered first, 0 for hanging up."""

    url: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    failures: list[int] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    credentials: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """Of a job that uses it, with credentials."""
        return {
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "AKTEST",
            "AWS_SECRET_ACCESS_KEY": "secret of the test",
            "AWS_SESSION_TOKEN": "token of the test",
        }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def _state(self) -> ObjectServer:
        assert isinstance(self.server, _Server)
        return self.server.state

    def do_GET(self) -> None:
        self._note()
        if self._fails():
            return
        if self.path.startswith("/credentials"):
            self._answer(200, json.dumps(self._state.credentials).encode())
        elif self.path in self._state.objects:
            self._answer(200, self._state.objects[self.path])
        else:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

    def do_PUT(self) -> None:
        self._note()
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if not self._fails():
            self._state.objects[self.path] = content
            self._answer(200, b"")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Not into the tests' output."""

    def _note(self) -> None:
        self._state.requests.append(Request(self.command, self.path, dict(self.headers.items())))

    def _fails(self) -> bool:
        if not self._state.failures:
            return False
        status = self._state.failures.pop(0)
        if status:
            self._answer(status, b"<Error>\n<Code>Told</Code></Error>")
        else:
            self.close_connection = True
        return True

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    def __init__(self, state: ObjectServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.state = state


@contextmanager
def running_object_server() -> Iterator[ObjectServer]:
    """One on loopback."""
    state = ObjectServer()

    with _Server(state) as server:
        state.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
