"""What stands where sshd stands, for nodes that are processes of one machine and one user.

Theory of operation. mpirun starts a remote shell for each node. Here that is a client (remote_shell.py), which hands
its own standard streams to the node's agent over a Unix socket, with the command line; the agent runs it as a child of
its node, in the node's environment. No byte of output is copied on the way, and what a node runs ends with the node.
The socket's name is in the abstract space of the machine's network: no file is made, none is left. Who connects must
be the same user and know the job's user key.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import signal
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from mpi_bringup.keys import JobKeys
from mpi_bringup.loop import Loop

MAX_REQUEST_BYTES: Final = 1 << 20
KEY_VARIABLE: Final = "MPI_AGENT_KEY"
"""How mpirun's remote shells learn the key that opens agents; it is the job's, not the stack's."""

SOCKET_VARIABLE: Final = "MPI_AGENT_SOCKET"
"""Beginning of the names of the sockets of a job; an address follows."""

_CREDENTIALS: Final = struct.Struct("3i")
_STREAMS: Final = 3


def socket_name(keys: JobKeys, attempt: int) -> str:
    """Beginning of the names of the sockets of a job's attempt."""
    return f"cloud-hpc-mpi-{hmac.digest(keys.control, b'agent', 'sha256').hex()[:16]}-{attempt}-"


@dataclass
class _Session:
    connection: socket.socket
    request: bytearray = field(default_factory=bytearray)
    streams: list[int] = field(default_factory=list)
    pid: int | None = None


class Agent:
    """Runs what remote shells ask for, on one node."""

    def __init__(self, loop: Loop, keys: JobKeys, name: str, environment: Mapping[str, str]) -> None:
        """`name` is that of its socket. Raises OSError where it is taken."""
        self._loop = loop
        self._key = keys.user_seed.hex()
        self._environment = dict(environment)
        self._sessions: dict[int, _Session] = {}
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(f"\0{name}")
        self._listener.listen(64)
        self._listener.setblocking(False)  # noqa: FBT003 - socket takes it so
        loop.on_readable(self._listener.fileno(), self._accept)

    def close(self) -> None:
        """End everything that it runs."""
        self._loop.forget(self._listener.fileno())
        self._listener.close()
        for session in list(self._sessions.values()):
            self._hang_up(session)

    def _accept(self) -> None:
        accepted = self._loop.accept(self._listener, self._accept)
        if accepted is None:
            return
        connection, _ = accepted
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        if _CREDENTIALS.unpack(credentials)[1] != os.geteuid():
            connection.close()
            return
        connection.setblocking(False)  # noqa: FBT003 - socket takes it so
        session = _Session(connection)
        self._sessions[connection.fileno()] = session
        self._loop.on_readable(connection.fileno(), lambda: self._receive(session))

    def _receive(self, session: _Session) -> None:
        try:
            data, streams, _, _ = socket.recv_fds(session.connection, 65536, _STREAMS)
        except BlockingIOError:
            return
        except OSError:
            data, streams = b"", []
        session.streams += streams
        session.request += data
        # A client says one thing and then waits: whatever else comes, its end included, is its hanging up.
        if not data or session.pid is not None or len(session.request) > MAX_REQUEST_BYTES:
            self._hang_up(session)
        elif session.request.endswith(b"\n"):
            self._run(session)

    def _run(self, session: _Session) -> None:
        try:
            request = json.loads(session.request)
            key, command = str(request["key"]), str(request["command"])
        except (ValueError, KeyError, TypeError, RecursionError):
            key, command = "", ""
        if not hmac.compare_digest(key.encode(), self._key.encode()) or len(session.streams) != _STREAMS:
            self._hang_up(session)
            return
        actions = [(os.POSIX_SPAWN_DUP2, stream, number) for number, stream in enumerate(session.streams)]
        session.pid = os.posix_spawn(
            "/bin/sh",
            ["/bin/sh", "-c", command],
            self._environment,
            file_actions=actions,
            setsid=True,
            setsigdef=[signal.SIGTERM, signal.SIGINT, signal.SIGPIPE],
        )
        _close(session)
        self._loop.on_exit(session.pid, lambda exit_code: self._ended(session, exit_code))

    def _ended(self, session: _Session, exit_code: int) -> None:
        session.pid = None
        with contextlib.suppress(OSError):  # the client may be gone: then nobody is to be told
            session.connection.send(b"%d" % exit_code)
        self._hang_up(session)

    def _hang_up(self, session: _Session) -> None:
        if self._sessions.pop(session.connection.fileno(), None) is None:
            return
        self._loop.forget(session.connection.fileno())
        _close(session)
        session.connection.close()
        if session.pid is not None:
            for number in (signal.SIGHUP, signal.SIGKILL):
                try:
                    os.killpg(session.pid, number)
                except ProcessLookupError:
                    break


def _close(session: _Session) -> None:
    for stream in session.streams:
        os.close(stream)
    session.streams = []
