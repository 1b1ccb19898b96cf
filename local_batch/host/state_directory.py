"""A local cloud's state directory: where everything lies, who holds it, and where its server answers.

Imports nothing of the server, so that starting, stopping and asking cost nothing.
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import secrets
import socket
import time
from pathlib import Path
from typing import Final

LOOPBACK: Final = "127.0.0.1"
"""The only address that is ever bound."""


class StateDirectoryError(Exception):
    """The state directory cannot be used; the text says what to do."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a running local cloud answers, and how it is: the content of `endpoint.json`."""

    endpoint: str
    """`http://127.0.0.1:PORT`, for every service."""

    pid: int
    region: str
    account: str
    started_at: str
    """UTC, ISO 8601."""

    executor: str
    vcpus: float
    memory_mib: int
    gpus: int
    """What jobs may have, together."""

    images: tuple[str, ...]
    """Absolute paths of the folders of image folders."""

    base_image: str | None
    mpi: str | None
    """The MPI that jobs find; None where that is their images' own."""

    enforce_iam: bool = False
    """Whether policies decide on every request."""


class StateDirectory:
    """Names the files of one local cloud; creates only what is asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.ministack = self.path / "ministack"
        self.journal = self.path / "journal.jsonl"
        self.images = self.path / "images"
        self.jobs = self.path / "jobs"
        self.file_systems = self.path / "efs"
        self.mpi = self.path / "mpi"
        self.log = self.path / "server.log"
        self._endpoint = self.path / "endpoint.json"
        self._port = self.path / "port"
        self._lock = self.path / "lock"
        self._secret = self.path / "secret"

    def hold(self) -> int:
        """Take the directory for this process until it ends; the lock's descriptor.

        Raises StateDirectoryError where another process has it: two servers on one journal would destroy it.
        """
        # Keys and job output are in it: for nobody else's eyes.
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The kernel drops the lock with the process, however that ends: a stale lock cannot be.
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        for delay_seconds in (0.05, 0.2, None):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                # Asking whether the lock is held takes it for a moment.
                if delay_seconds is not None:
                    time.sleep(delay_seconds)
        else:
            holder = os.read(descriptor, 32).decode().strip() or "another"
            os.close(descriptor)
            raise StateDirectoryError(
                f"--state {self.path}: one server at a time works on a state directory, got process {holder} at "
                "work on it; use that one (hpc local status), stop it (hpc local down) or name another directory"
            )
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        return descriptor

    def is_held(self) -> bool:
        """Whether a server works on this directory right now."""
        try:
            descriptor = os.open(self._lock, os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def secret(self) -> bytes:
        """What this local cloud signs with; made at the first call, the same at every later one."""
        if not self._secret.exists():
            temporary = self._secret.with_name(f"{self._secret.name}.{os.getpid()}")
            temporary.touch(mode=0o600)
            temporary.write_bytes(secrets.token_bytes(32))
            temporary.replace(self._secret)
        return self._secret.read_bytes()

    def listen(self, port: int) -> socket.socket:
        """A listening socket on the loopback interface.

        `port` 0 means the port of the last start where it is free, so that URLs that clients and stacks remember
        stay true, else any free one. Raises StateDirectoryError for a wanted port that is taken.
        """
        wanted = [port] if port else [self._last_port(), 0]
        for candidate in wanted:
            # The protocol is named so that asyncio recognises TCP and sets TCP_NODELAY: without it an answer's body
            # waits 40 ms for the acknowledgement of its head.
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((LOOPBACK, candidate))
                listener.listen(128)
            except OSError:
                listener.close()
                continue
            _write_atomically(self._port, str(listener.getsockname()[1]))
            return listener
        raise StateDirectoryError(
            f"--port: a port of {LOOPBACK} that nobody listens on, got {port}; name another or leave the option out"
        )

    def write_endpoint(self, endpoint: Endpoint) -> None:
        """Say where the server answers; readers see the old file or the new one, never half of it."""
        _write_atomically(self._endpoint, json.dumps(dataclasses.asdict(endpoint), indent=2) + "\n")

    def read_endpoint(self) -> Endpoint | None:
        """Where the server answers, None where none does (a killed server's leftover file counts as none)."""
        if not self.is_held():
            return None
        endpoint = self.last_endpoint()
        if endpoint is None:
            return None
        # A server that is starting holds the directory before it has put its own file in the place of an old one.
        return endpoint if self._lock.read_text(encoding="utf-8").strip() == str(endpoint.pid) else None

    def last_endpoint(self) -> Endpoint | None:
        """What the server that answers has written, or one that was killed; None where there is neither."""
        try:
            content = json.loads(self._endpoint.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Endpoint(**{**content, "images": tuple(content["images"])})

    def remove_endpoint(self) -> None:
        """The server answers no more."""
        self._endpoint.unlink(missing_ok=True)

    def _last_port(self) -> int:
        try:
            return int(self._port.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return 0


def _write_atomically(path: Path, text: str) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
