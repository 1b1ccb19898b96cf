"""The ASGI application in front: Batch and our own paths are answered here, all else by MiniStack.

Everything runs on one event loop, MiniStack's: a handler sees no state change under its feet.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol
from urllib.parse import parse_qs

from local_batch.host.asgi import App, Message, Receive, Reply, Scope, Send
from local_batch.host.state_saver import StateSaver

OWN_PREFIX: Final = "/_local_batch/"
MAX_BATCH_BODY_BYTES: Final = 1024 * 1024
"""Far above every Batch limit (SubmitJob: 30 KiB), far below what hurts."""

_LOG = logging.getLogger(__name__)
_SCOPE: Final = re.compile(rb"Credential=([^/,\s]+)/\d{8}/([^/,\s]*)/([^/,\s]+)/aws4_request")
_LOCAL_HOST: Final = re.compile(rb"(?:.+\.)?(?:localhost|127\.0\.0\.1)(?::\d+)?")
_ACCOUNT_KEY: Final = re.compile(r"\d{12}")


class BatchHandler(Protocol):
    """The Batch API over HTTP."""

    def handle(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, query: Mapping[str, list[str]]
    ) -> Reply:
        """Answer one request; quick, never blocks."""


class Backlog(Protocol):
    """What was published but is not yet to be seen in MiniStack."""

    def flush(self) -> None:
        """Make it seen."""


class Gateway:
    """One per process. `own` answers paths under OWN_PREFIX, given what follows it.

    `pin` keeps a request to Batch, with the access key it names, as it was sent: for who checks its signature.
    """

    def __init__(  # noqa: PLR0913 - the composition of the server; keyword-only
        self,
        *,
        batch: BatchHandler,
        pin: Callable[[Scope, str, bytes], None] | None = None,
        ministack: App,
        backlog: Backlog,
        saver: StateSaver,
        own: Callable[[str, str], Awaitable[Reply]],
        account_id: str,
        region: str,
        on_startup: Callable[[], None],
        on_shutdown: Callable[[], None],
    ) -> None:
        self._batch = batch
        self._pin = pin
        self._ministack = ministack
        self._backlog = backlog
        self._saver = saver
        self._own = own
        self._account_id = account_id
        self._region = region
        self._on_startup = on_startup
        self._on_shutdown = on_shutdown

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
            return
        if scope["type"] != "http":
            await self._ministack(scope, receive, send)
            return
        headers = dict(scope["headers"])
        refusal = _browser_refusal(headers) or _admin_refusal(scope["path"])
        if refusal is not None:
            await _reply(send, refusal)
        elif scope["path"].startswith(OWN_PREFIX):
            await _reply(send, await self._own(scope["method"], scope["path"][len(OWN_PREFIX) :]))
        else:
            await self._serve_aws(scope, headers, receive, send)

    async def batch_request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, query: Mapping[str, list[str]]
    ) -> Reply:
        """A Batch request that MiniStack routed to its `batch` service (one without a signature)."""
        return self._answer(method, path, headers, body, query)

    def _answer(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, query: Mapping[str, list[str]]
    ) -> Reply:
        try:
            return self._batch.handle(method, path, headers, body, query)
        except Exception:  # noqa: BLE001 - reported to both sides
            # The top of a request: the caller gets Batch's own word for it, the log gets the traceback.
            _LOG.exception("%s %s failed", method, path)
            return _error("ServerException", "The local cloud failed; its server.log says why", status=500)

    async def _serve_aws(self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, send: Send) -> None:
        signed = _SCOPE.search(headers.get(b"authorization", b""))
        if signed is None or signed[3] != b"batch":
            self._backlog.flush()
            service = signed[3].decode() if signed else None
            await self._saver.serve(self._ministack, service, scope, receive, send)
            return
        body = await _body(receive)
        if body is None:
            return
        refusal = self._elsewhere(signed[1].decode(), signed[2].decode())
        if refusal is not None:
            await _reply(send, refusal)
            return
        if self._pin is not None:
            self._pin(scope, signed[1].decode(), body)
        text_headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()}
        query = parse_qs(scope["query_string"].decode(), keep_blank_values=True) if scope["query_string"] else {}
        await _reply(send, self._answer(scope["method"], _path(scope), text_headers, body, query))

    def _elsewhere(self, access_key: str, region: str) -> Reply | None:
        """A refusal of a request for another region or account: there is one Batch here, not one for each."""
        if region != self._region:
            return _client_error(
                f"region: this local cloud's Batch is in {self._region}, got a request signed for {region}; set "
                f"AWS_REGION={self._region}"
            )
        if _ACCOUNT_KEY.fullmatch(access_key) and access_key != self._account_id:
            return _client_error(
                f"account: this local cloud's Batch is in account {self._account_id}, got one for {access_key} (an "
                "access key of twelve digits names its account here); use another access key"
            )
        return None

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_ours(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                self._on_startup()
            elif message["type"] == "lifespan.shutdown.complete":
                self._on_shutdown()
            await send(message)

        await self._ministack(scope, receive, send_with_ours)


def _path(scope: Scope) -> str:
    """The path as it was sent: an ARN in it keeps its %2F."""
    raw: bytes | None = scope.get("raw_path")
    return raw.decode("ascii").partition("?")[0] if raw else str(scope["path"])


def _browser_refusal(headers: Mapping[bytes, bytes]) -> Reply | None:
    """A refusal of what a web page sends: this server runs commands, and a page must not make it do so.

    Browsers name their page's origin with every request that can change something; AWS clients send no Origin. A Host
    that is not this machine's is a page whose name was made to resolve here.
    """
    if b"origin" in headers:
        return _client_error("Origin: the local cloud answers no web pages; use an AWS SDK or command", status=403)
    host = headers.get(b"host", b"127.0.0.1")
    if not _LOCAL_HOST.fullmatch(host):
        text = host.decode("latin-1")
        return _client_error(f"Host: names this machine's loopback interface, got {text!r}; use 127.0.0.1", status=403)
    return None


def _admin_refusal(path: str) -> Reply | None:
    if path == "/_ministack/reset":
        # It would empty every service but Batch.
        return _client_error(f"{path}: not part of a local cloud; stop it and delete its state directory", status=403)
    return None


def _client_error(message: str, *, status: int = 400) -> Reply:
    return _error("ClientException", message, status=status)


def _error(code: str, message: str, *, status: int) -> Reply:
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": code}
    return status, headers, json.dumps({"message": message}).encode()


async def _body(receive: Receive) -> bytes | None:
    """The request's body, None where the client went away. What is over MAX_BATCH_BODY_BYTES is cut off."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part = message.get("body", b"")
        size += len(part)
        if size <= MAX_BATCH_BODY_BYTES:
            parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


async def _reply(send: Send, reply: Reply) -> None:
    status, headers, body = reply
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    encoded.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
