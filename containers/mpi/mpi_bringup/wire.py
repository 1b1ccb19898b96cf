"""The control channel's bytes, without any input or output: the handshake, then frames that cannot be forged.

Theory of operation. Both sides prove that they know the job's control key, by a code over both sides' nonces, before
either says anything else; the keys of the frames come from the same nonces, so that nothing of another connection can
be played back. A frame carries its code over its number, kind and content. Content is not hidden: neither is what MPI
sends on the same network.

    main    cloud-hpc-mpi 1\\n, tag of the job (16), nonce of 32 bytes
    other   nonce of 32 bytes, HMAC(control key, "node" | both nonces)
    main    HMAC(control key, "main" | both nonces)
    frame   length (4), kind (1), content, HMAC(session key, number (8) | kind | content)
"""

from __future__ import annotations

import hmac
import json
import os
import struct
from collections.abc import Iterator, Mapping
from typing import Any, Final

from mpi_bringup.keys import TAG_BYTES, JobKeys

BANNER: Final = b"cloud-hpc-mpi 1\n"
NONCE_BYTES: Final = 32
CODE_BYTES: Final = 32
MAX_CONTENT_BYTES: Final = 1 << 20
"""Of a frame: what a stranger could make the other side hold is bounded, and pings are not stuck behind more."""

MESSAGE: Final = 0
DATA: Final = 1

_HEAD: Final = struct.Struct("!IB")
_NUMBER: Final = struct.Struct("!QB")

Message = Mapping[str, Any]


class WireError(Exception):
    """What came is not what the other side of this channel says."""


class WrongKeyError(WireError):
    """The other side does not know this job's key."""


class Frames:
    """One connection after its handshake."""

    def __init__(self, sending: bytes, receiving: bytes) -> None:
        self._sending = sending
        self._receiving = receiving
        self._sent = 0
        self._received = 0
        self._buffer = bytearray()

    def message(self, message: Message) -> bytes:
        """A message, as it is sent."""
        return self._frame(MESSAGE, json.dumps(message, separators=(",", ":")).encode())

    def data(self, content: bytes | memoryview) -> bytes:
        """A piece of at most MAX_CONTENT_BYTES of something larger that a message has announced."""
        return self._frame(DATA, content)

    def feed(self, data: bytes) -> Iterator[Message | bytes]:
        """Every message, or piece of data, that is complete. Raises WireError."""
        self._buffer += data
        while (content := self._next()) is not None:
            yield content

    def _frame(self, kind: int, content: bytes | memoryview) -> bytes:
        code = _code(self._sending, self._sent, kind, content)
        self._sent += 1
        return b"".join((_HEAD.pack(len(content), kind), content, code))

    def _next(self) -> Message | bytes | None:
        if len(self._buffer) < _HEAD.size:
            return None
        length, kind = _HEAD.unpack_from(self._buffer)
        if length > MAX_CONTENT_BYTES:
            raise WireError(f"a frame holds at most {MAX_CONTENT_BYTES} bytes, got one of {length}")
        end = _HEAD.size + length
        if len(self._buffer) < end + CODE_BYTES:
            return None
        content = bytes(self._buffer[_HEAD.size : end])
        code = bytes(self._buffer[end : end + CODE_BYTES])
        del self._buffer[: end + CODE_BYTES]
        if not hmac.compare_digest(code, _code(self._receiving, self._received, kind, content)):
            raise WireError("a frame was changed on its way")
        self._received += 1
        return content if kind == DATA else _message(content)


class MainHandshake:
    """The main node's side of a new connection."""

    def __init__(self, keys: JobKeys, nonce: bytes | None = None) -> None:
        """`nonce` is fresh where none is given."""
        self._keys = keys
        self._nonce = nonce or os.urandom(NONCE_BYTES)
        self._buffer = b""

    @property
    def has_heard(self) -> bool:
        """Whether the other side has said anything."""
        return bool(self._buffer)

    def greeting(self) -> bytes:
        """What is sent first."""
        return BANNER + self._keys.job_tag + self._nonce

    def feed(self, data: bytes) -> tuple[bytes, Frames, bytes] | None:
        """What to answer, the frames from now on, and what came of them already; None while the proof is incomplete.

        Raises WrongKeyError.
        """
        self._buffer += data
        if len(self._buffer) < NONCE_BYTES + CODE_BYTES:
            return None
        other, proof = self._buffer[:NONCE_BYTES], self._buffer[NONCE_BYTES : NONCE_BYTES + CODE_BYTES]
        transcript = self._nonce + other
        if not hmac.compare_digest(proof, _proof(self._keys, b"node", transcript)):
            raise WrongKeyError("it does not know the key of this job")
        frames = Frames(self._keys.session(transcript, "main"), self._keys.session(transcript, "node"))
        return _proof(self._keys, b"main", transcript), frames, self._buffer[NONCE_BYTES + CODE_BYTES :]


class NodeHandshake:
    """Another node's side of its connection to the main node."""

    def __init__(self, keys: JobKeys, nonce: bytes | None = None) -> None:
        """`nonce` is fresh where none is given."""
        self._keys = keys
        self._nonce = nonce or os.urandom(NONCE_BYTES)
        self._buffer = b""
        self._transcript: bytes | None = None

    @property
    def has_proved(self) -> bool:
        """Whether the proof was sent: who hangs up after that did not take it."""
        return self._transcript is not None

    def feed(self, data: bytes) -> tuple[bytes, Frames | None, bytes]:
        """What to send, the frames once the main node has proved itself, and what came of them already.

        Raises WireError where something else answers, another job's main node too, WrongKeyError where this job's does
        not know the key.
        """
        self._buffer += data
        reply = b""
        if self._transcript is None:
            start = self._buffer[: len(BANNER)]
            if not BANNER.startswith(start):
                raise WireError("something else answers there")
            start_of_nonce = len(BANNER) + TAG_BYTES
            if len(self._buffer) < start_of_nonce + NONCE_BYTES:
                return b"", None, b""
            if self._buffer[len(BANNER) : start_of_nonce] != self._keys.job_tag:
                raise WireError("the main node of another job answers there")
            self._transcript = self._buffer[start_of_nonce : start_of_nonce + NONCE_BYTES] + self._nonce
            self._buffer = self._buffer[start_of_nonce + NONCE_BYTES :]
            reply = self._nonce + _proof(self._keys, b"node", self._transcript)
        if len(self._buffer) < CODE_BYTES:
            return reply, None, b""
        if not hmac.compare_digest(self._buffer[:CODE_BYTES], _proof(self._keys, b"main", self._transcript)):
            raise WrongKeyError("it does not know the key of this job")
        frames = Frames(self._keys.session(self._transcript, "node"), self._keys.session(self._transcript, "main"))
        return reply, frames, self._buffer[CODE_BYTES:]


def _proof(keys: JobKeys, side: bytes, transcript: bytes) -> bytes:
    return hmac.digest(keys.control, side + transcript, "sha256")


def _code(key: bytes, number: int, kind: int, content: bytes | memoryview) -> bytes:
    code = hmac.new(key, _NUMBER.pack(number, kind), "sha256")
    code.update(content)
    return code.digest()


def _message(content: bytes) -> Message:
    try:
        message = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise WireError(f"a message is JSON, got {content[:80]!r}") from error
    if not isinstance(message, dict) or "type" not in message:
        raise WireError(f"a message is an object with a type, got {content[:80]!r}")
    return message
