"""A podman service of our own, for machines where podman is installed and no engine listens."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from local_batch.executors.bare_machine import attainable_ulimits, is_bare_machine
from local_batch.executors.engine_socket import engine_socket
from local_batch.executors.errors import EngineError
from local_batch.executors.marker import directory_token

IDLE_SECONDS = 30
"""A service without a connection ends by itself after this: nothing is left of a server that was killed."""

_START_SECONDS = 60.0
_STOP_SECONDS = 3.0
"""Then it is killed: it may wait for streams that nobody reads any more, and holds nothing that is not on disk."""

_POLL_SECONDS = 0.02

_MAX_SOCKET_PATH_BYTES = 100
"""Of the 108 that an address of a Unix socket has room for on Linux, 104 on macOS."""


class EngineService:
    """Runs `podman system service` on a socket of its own."""

    def __init__(self, directory: Path, environment: Mapping[str, str], *, idle_seconds: int = IDLE_SECONDS) -> None:
        """Its settings and log are kept in `directory`; it ends when nobody was connected for `idle_seconds`.

        Raises EngineError where podman is missing or does not come up.
        """
        podman = shutil.which("podman", path=environment.get("PATH"))
        if podman is None:
            raise EngineError(
                "container executor: needs Docker or podman, got no engine at DOCKER_HOST or the usual sockets and no "
                "podman on PATH; start one, install podman, or use --executor process"
            )
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory.resolve()
        self._socket_directory = _socket_directory(self._directory)
        self.socket = self._socket_directory / "podman.sock"
        self._command = [podman, "system", "service", "--time", str(idle_seconds), f"unix://{self.socket}"]
        self._environment = dict(environment)
        if is_bare_machine() and "CONTAINERS_CONF" not in environment:
            self._environment["CONTAINERS_CONF"] = str(self._write_settings())
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._is_closed = False
        try:
            self.revive()
        except EngineError:
            self.close()
            raise

    def revive(self) -> None:
        """Start the service unless it runs or was closed, and wait until it answers. Raises EngineError."""
        with self._lock:
            if self._is_closed or (self._process is not None and self._process.poll() is None):
                return
            self.socket.unlink(missing_ok=True)
            with (self._directory / "service.log").open("ab") as log:
                try:
                    self._process = subprocess.Popen(
                        self._command,
                        # What conmon 2.1 leaves behind after a container ran out of memory, it leaves here: a file
                        # named oom.
                        cwd=self._directory,
                        env=self._environment,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        start_new_session=True,
                    )
                except OSError as error:
                    raise EngineError(
                        f"container executor: podman can be started, got {self._command[0]}: {error.strerror}; correct "
                        "that, or use --executor process"
                    ) from error
            self._await_answer(self._process)

    def close(self) -> None:
        """End the service, and wait for its end. Containers do not need it to run."""
        with self._lock:
            self._is_closed = True
            if self._process is not None:
                _end(self._process)
        self.socket.unlink(missing_ok=True)
        if self._socket_directory != self._directory:
            with suppress(OSError):
                self._socket_directory.rmdir()

    def _await_answer(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            with suppress(EngineError):
                engine_socket({"DOCKER_HOST": f"unix://{self.socket}"})
                return
            time.sleep(_POLL_SECONDS)
        log = self._directory / "service.log"
        last = log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
        raise EngineError(
            f"container executor: `podman system service` answers within {_START_SECONDS:g} s, got {last!r}; see {log}"
        )

    def _write_settings(self) -> Path:
        """podman's own settings do not work on a bare machine, nor does crun know its mixed cgroup tree."""
        path = self._directory / "containers.conf"
        limits = ", ".join(f'"{limit.name}={limit.soft}:{limit.hard}"' for limit in attainable_ulimits())
        runtime = 'runtime = "runc"\n' if shutil.which("runc") else ""
        path.write_text(
            f"[containers]\ndefault_ulimits = [{limits}]\nhttp_proxy = false\n"
            f'[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n{runtime}',
            encoding="utf-8",
        )
        return path


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _socket_directory(directory: Path) -> Path:
    """`directory`, else one with a name short enough for a socket's address; only this user may enter either."""
    if len(os.fsencode(directory / "podman.sock")) <= _MAX_SOCKET_PATH_BYTES:
        directory.chmod(0o700)
        return directory
    # Named alike at every start, so that what a killed server left is found again.
    short = Path(tempfile.gettempdir()) / f"local-batch-{os.getuid()}-{directory_token(directory)}"
    with suppress(FileExistsError):
        short.mkdir(mode=0o700)
    status = short.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise EngineError(
            f"container executor: {short}: a directory that only this user may enter, got "
            f"{stat.filemode(status.st_mode)} of uid {status.st_uid}; remove it"
        )
    return short
