"""MiniStack's state on disk while it runs: what was answered survives a kill.

MiniStack itself saves at a clean shutdown only. Theory of operation: a request that may change something is let
through, and before the first byte of its answer leaves, the state of the service that it was sent to is written. What a
request changed elsewhere (a stack's resources, an event that reached a queue) is written by a sweep over all services,
at most SWEEP_DELAY_SECONDS later, longer only where the last sweep was slow; answers about stacks wait for a due sweep.
So a kill can lose side effects of the last moments, never what an answer said. One exception: that a message of a queue
was taken is written by the sweep, too, for a queue is written as a whole and emptied by many requests; SQS promises no
more than that a message comes at least once. Not covered: parts of an unfinished multipart upload, and a power cut
(nothing is fsynced).

S3's bodies and their metadata are files of their own, written by MiniStack with each request; log events and
streams are journalled by LogArchive. The rest is small: whole services are written, only if their bytes changed.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from local_batch.host.asgi import App, Message, Receive, Scope, Send
from local_batch.host.log_archive import LogArchive
from local_batch.host.seams import MiniStack

SWEEP_DELAY_SECONDS: Final = 0.2
SWEEP_SHARE: Final = 0.1
"""Sweeps take at most this share of the loop's time: a sweep of 50 ms is followed by none for half a second."""

LOGS_KEY: Final = "cloudwatch_logs"

INTERRUPTED: Final[Mapping[str, str]] = {
    "CREATE_IN_PROGRESS": "ROLLBACK_FAILED",
    "ROLLBACK_IN_PROGRESS": "ROLLBACK_FAILED",
    "DELETE_IN_PROGRESS": "DELETE_FAILED",
    "UPDATE_IN_PROGRESS": "UPDATE_ROLLBACK_COMPLETE",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS": "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_IN_PROGRESS": "UPDATE_ROLLBACK_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS": "UPDATE_ROLLBACK_COMPLETE",
}
"""Where a stack goes whose operation died with the server: to a state from which the next command goes on.

CDK deletes a ROLLBACK_FAILED stack and creates it anew; it updates an UPDATE_ROLLBACK_COMPLETE one.
"""

_LOG = logging.getLogger(__name__)
_READING_ACTION: Final = re.compile(r"(?:Describe|Get|List|BatchGet|BatchCheck|Head|Filter|Search|Lookup|Validate)")
_TAKING_MESSAGES: Final = frozenset(
    {
        "ReceiveMessage",
        "DeleteMessage",
        "DeleteMessageBatch",
        "ChangeMessageVisibility",
        "ChangeMessageVisibilityBatch",
    }
)
_QUERY_ACTION: Final = re.compile(rb"(?:^|&)Action=(\w+)")


class StateSaver:
    """Writes services' state files in MiniStack's own format, and reads them back at start."""

    def __init__(self, ministack: MiniStack, directory: Path, logs: LogArchive) -> None:
        self._ministack = ministack
        self._directory = directory
        self._logs = logs
        self._digests: dict[str, bytes] = {}
        self._sweep: asyncio.TimerHandle | None = None
        self._last_sweep_seconds = 0.0
        self._last_sweep_at = 0.0

    def load(self) -> None:
        """Bring every service back to what was saved, stacks that were cut short to an end."""
        app = self._ministack.app
        for key, module in app.state_map.items():
            saved = self._ministack.persistence.load_state(key)
            if saved:
                app.get_module(module).load_persisted_state(saved)
        self._logs.replay()
        end_interrupted_stacks(self._ministack)

    def save_all(self) -> None:
        """Write every service that changed since it was last written."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        began = time.monotonic()
        self._save(self._ministack.app.build_persistence_save_dict())
        self._last_sweep_at = time.monotonic()
        self._last_sweep_seconds = self._last_sweep_at - began
        if any(stack.get("StackStatus") in INTERRUPTED for stack in self._ministack.cloudformation.stacks.all_values()):
            # The operation goes on in the background; nobody but the clock tells when it has changed more.
            self.schedule_sweep()

    def save_service(self, service: str) -> None:
        """Write one service now, named as in signatures."""
        save_functions = self._ministack.app.build_persistence_save_dict()
        self._save({key: save_functions[key] for key in self._keys(service) if key in save_functions})

    def schedule_sweep(self) -> None:
        """Something changed somewhere; loop thread only."""
        if self._sweep is not None:
            return
        rest = self._last_sweep_at + self._last_sweep_seconds / SWEEP_SHARE - time.monotonic()
        self._sweep = asyncio.get_running_loop().call_later(max(SWEEP_DELAY_SECONDS, rest), self.save_all)

    async def serve(self, app: App, service: str | None, scope: Scope, receive: Receive, send: Send) -> None:
        """Let `app` answer; what the answer says is on disk before it leaves. `service`: by the signature, if any."""
        headers = dict(scope["headers"])
        opening = bytearray()

        async def receive_seen() -> Message:
            message = await receive()
            if len(opening) < 4096:
                opening.extend(message.get("body", b""))
            return message

        saved = False

        async def send_saved(message: Message) -> None:
            nonlocal saved
            if not saved and message["type"] == "http.response.start":
                saved = True
                self._before_answer(service, scope, headers, bytes(opening))
            await send(message)

        await app(scope, receive_seen, send_saved)

    def _before_answer(self, service: str | None, scope: Scope, headers: Mapping[bytes, bytes], opening: bytes) -> None:
        if is_reading(scope["method"], headers, opening):
            if service == "cloudformation" and self._sweep is not None:
                self.save_all()
            return
        waits = takes_messages(headers, opening) or (service == "s3" and _is_object_request(scope))
        if service is not None and not waits:
            self.save_service(service)
        self.schedule_sweep()

    def _keys(self, service: str) -> Iterable[str]:
        """The state files of a service named as signatures name it; none for one that MiniStack does not know."""
        app = self._ministack.app
        entry = app.SERVICE_REGISTRY.get(app.SERVICE_NAME_ALIASES.get(service, service))
        if entry is None:
            return ()
        modules = {entry["module"], *entry.get("sub_modules", ())}
        return [key for key, module in app.state_map.items() if module in modules]

    def _save(self, states: Mapping[str, Any]) -> None:
        for key, get_state in states.items():
            if key == "batch":
                continue
            try:
                state = self._logs.state() if key == LOGS_KEY else get_state()
                if state is not None:
                    self._write(key, state)
            except Exception:  # noqa: BLE001 - one service's trouble must not keep the others from disk
                _LOG.exception("the state of %s could not be saved", key)

    def _write(self, key: str, state: Any) -> None:
        persistence = self._ministack.persistence
        wrapped = {"__ministack_format__": persistence.state_format_version(key), "payload": state}
        data = json.dumps(wrapped, default=persistence.json_default).encode()
        digest = hashlib.blake2b(data, digest_size=16).digest()
        if self._digests.get(key) == digest:
            return
        path = self._directory / f"{key}.json"
        temporary = path.with_suffix(".json.new")
        temporary.write_bytes(data)
        temporary.replace(path)
        self._digests[key] = digest


def is_reading(method: str, headers: Mapping[bytes, bytes], opening: bytes) -> bool:
    """Whether a request surely changes nothing: by HTTP method, or by the name of its action."""
    if method in ("GET", "HEAD", "OPTIONS"):
        return True
    return _READING_ACTION.match(_action(headers, opening)) is not None


def takes_messages(headers: Mapping[bytes, bytes], opening: bytes) -> bool:
    """Whether a request is one of those that empty a queue."""
    return _action(headers, opening) in _TAKING_MESSAGES


def _action(headers: Mapping[bytes, bytes], opening: bytes) -> str:
    """The name of a request's action, in JSON or query protocol; empty where it has none."""
    target = headers.get(b"x-amz-target", b"").decode("latin-1").rpartition(".")[2]
    if target:
        return target
    found = _QUERY_ACTION.search(opening)
    return found[1].decode() if found else ""


def _is_object_request(scope: Scope) -> bool:
    """Of an S3 request: whether it is about an object, which MiniStack writes to disk itself."""
    return len(str(scope["path"]).strip("/").split("/", 1)) == 2


def end_interrupted_stacks(ministack: MiniStack) -> None:
    """Bring stacks whose operation died with the last server to an end that can be worked from, with an event."""
    for (account, region, name), stack in ministack.cloudformation.stacks.all_items():
        ended = INTERRUPTED.get(stack.get("StackStatus", ""))
        if ended is None:
            continue
        reason = f"The local cloud was stopped during {stack['StackStatus']}; repeat the command"
        stack["StackStatus"] = ended
        stack["StackStatusReason"] = reason
        with ministack.responses.request_scope(account, region):
            stack_id = stack["StackId"]
            ministack.stacks.add_event(stack_id, name, name, "AWS::CloudFormation::Stack", ended, reason, stack_id)
