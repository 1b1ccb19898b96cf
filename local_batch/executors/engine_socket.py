"""Where a container engine listens."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from local_batch.executors.errors import EngineError

_CONNECT_SECONDS = 5.0


def engine_socket(environment: Mapping[str, str]) -> Path | None:
    """The socket of the engine to use: that of DOCKER_HOST, else the first usual one that answers, else None.

    Raises EngineError where DOCKER_HOST names an engine that is not to be had, or one of another machine: jobs reach
    the local cloud by this machine's loopback interface.
    """
    host = environment.get("DOCKER_HOST", "")
    if host:
        if not host.startswith("unix://"):
            raise EngineError(
                f"DOCKER_HOST: the engine is one of this machine, at unix:///a/socket, got {host!r}; name one"
            )
        named = Path(host.removeprefix("unix://"))
        if not _answers(named):
            raise EngineError(f"DOCKER_HOST: an engine answers there, got nothing at {host!r}; start it or unset it")
        return named
    return next(filter(_answers, _usual_sockets(environment)), None)


def _usual_sockets(environment: Mapping[str, str]) -> list[Path]:
    runtime = environment.get("XDG_RUNTIME_DIR", "")
    home = environment.get("HOME", "")
    sockets = [Path("/var/run/docker.sock"), Path("/run/podman/podman.sock")]
    if runtime:
        sockets += [Path(runtime, "docker.sock"), Path(runtime, "podman", "podman.sock")]
    if home:
        sockets.append(Path(home, ".docker", "run", "docker.sock"))
    return sockets


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, suppress(OSError):
        probe.settimeout(_CONNECT_SECONDS)
        probe.connect(str(path))
        return True
    return False
