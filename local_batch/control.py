"""Start, stop and ask for local clouds: what `hpc local` and tests use. Imports nothing of the server."""

from __future__ import annotations

import dataclasses
import errno
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypedDict, Unpack

from local_batch.host.account import OWNER_KEY
from local_batch.host.state_directory import Endpoint, StateDirectory, StateDirectoryError

DEFAULT_STATE: Final = Path(".hpc/local")
HEALTH: Final = "/_local_batch/health"
START_TIMEOUT_SECONDS: Final = 60.0
STOP_TIMEOUT_SECONDS: Final = 30.0
REFUSED_EXIT_CODE: Final = 2
"""Of a server that cannot start with what it was given."""

LOG_LINES: Final = 20
"""How much of a server's log an error shows."""

_PACKAGE_ROOT: Final = Path(__file__).resolve().parent.parent
_CREDENTIAL_VARIABLES: Final = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)


class LocalCloudError(Exception):
    """A local cloud could not be started or stopped; the text says why and what to do."""


class SettingsError(LocalCloudError):
    """What a local cloud is to be like cannot be."""


class Settings(TypedDict, total=False):
    """How a local cloud is to be; what is left out, or None, is as `python -m local_batch serve --help` has it."""

    port: int
    images: Sequence[Path]
    vcpus: float | None
    memory_mib: int | None
    gpus: int | None
    executor: str | None
    base_image: str | None
    mpi: str | None
    enforce_iam: bool | None


def start(
    state: Path = DEFAULT_STATE,
    *,
    timeout_seconds: float = START_TIMEOUT_SECONDS,
    **settings: Unpack[Settings],
) -> Endpoint:
    """A running local cloud on this state directory: started in the background, or the one that runs already.

    Raises StateDirectoryError where the directory cannot be made; SettingsError where settings contradict each other
    or the one that runs, or the server refuses them; LocalCloudError where it does not come up. The last two show the
    end of the server's log.
    """
    directory = StateDirectory(state)
    running = status(state)
    if running is not None:
        _check_alike(running, settings)
        return running
    if settings.get("base_image") is not None and settings.get("executor") != "container":
        raise SettingsError(
            f"--base-image: goes with --executor container, got {settings['base_image']!r} for processes; add that, or "
            "leave it out"
        )
    if settings.get("mpi") is not None and settings.get("executor") == "container":
        raise SettingsError(
            f"--mpi: goes with --executor process, got {settings['mpi']!r} for containers, which have their image's; "
            "leave it out"
        )
    command = [sys.executable, "-m", "local_batch", "serve", "--state", str(directory.path), *_arguments(settings)]
    try:
        directory.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StateDirectoryError(
            f"{directory.path}: a directory that is there or can be made, got: {error.strerror}; correct HPC_HOME or "
            "what is there"
        ) from error
    with directory.log.open("ab") as log:
        log_start = log.tell()
        server = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=_server_environment(),
        )
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        started = status(state)
        if started is not None:
            return started
        # Two starts at the same moment: ours may have ended because the other one's server has the directory.
        if server.poll() is not None and not directory.is_held():
            failure = SettingsError if server.returncode == REFUSED_EXIT_CODE else LocalCloudError
            raise failure(_failure(directory, log_start, f"ended with exit code {server.returncode}"))
        time.sleep(0.02)
    server.kill()
    server.wait()
    raise LocalCloudError(_failure(directory, log_start, f"did not answer within {timeout_seconds:g} s"))


def stop(state: Path = DEFAULT_STATE, *, timeout_seconds: float = STOP_TIMEOUT_SECONDS) -> bool:
    """Stop the local cloud of this state directory; False where none was running. Its state stays.

    Raises LocalCloudError where it does not end in time.
    """
    directory = StateDirectory(state)
    endpoint = directory.read_endpoint()
    if endpoint is None:
        return False
    os.kill(endpoint.pid, signal.SIGTERM)
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        if not directory.is_held():
            _reap(endpoint.pid)
            return True
        time.sleep(0.02)
    raise LocalCloudError(
        f"local cloud: ends within {timeout_seconds:g} s of SIGTERM, got process {endpoint.pid} still at work on "
        f"{directory.path}; look at {directory.log}, or end it with kill -9 {endpoint.pid} (nothing answered is lost)"
    )


def delete(state: Path = DEFAULT_STATE) -> bool:
    """Delete a state directory that no server works on, and end what one that was killed has left in containers.

    False where there is none. Raises LocalCloudError or StateDirectoryError where those cannot be ended, and nothing
    is deleted then; OSError where the directory cannot be deleted.
    """
    directory = StateDirectory(state)
    if not directory.path.exists():
        return False
    killed = directory.last_endpoint()
    if killed is not None and killed.executor == "container":
        # It is the start of a server that ends them.
        start(state, executor=killed.executor, base_image=killed.base_image)
        stop(state)
    deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
    while directory.path.exists():
        try:
            shutil.rmtree(directory.path)
        except OSError as error:
            # What a killed server ran is being ended meanwhile, and its directories come and go.
            if error.errno not in {errno.ENOENT, errno.ENOTEMPTY} or time.monotonic() > deadline:
                raise
    return True


def status(state: Path = DEFAULT_STATE) -> Endpoint | None:
    """Where the local cloud of this state directory answers; None where none runs."""
    endpoint = StateDirectory(state).read_endpoint()
    return endpoint if endpoint is not None and is_healthy(endpoint) else None


def is_healthy(endpoint: Endpoint, timeout_seconds: float = 5.0) -> bool:
    """Whether the server answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(endpoint.endpoint + HEALTH, timeout=timeout_seconds) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def environment(endpoint: Endpoint) -> dict[str, str]:
    """Variables that make AWS SDKs, the AWS command and cdk talk to this local cloud and nothing else.

    The keys are throw-away ones: a local cloud takes any, and where it enforces policies they are the owner's.
    """
    return {
        "AWS_ENDPOINT_URL": endpoint.endpoint,
        # Given as an address, so that clients address buckets by path, not by host name.
        "AWS_ENDPOINT_URL_S3": endpoint.endpoint,
        "AWS_ACCESS_KEY_ID": OWNER_KEY,
        "AWS_SECRET_ACCESS_KEY": OWNER_KEY,
        "AWS_REGION": endpoint.region,
        "AWS_DEFAULT_REGION": endpoint.region,
        "AWS_EC2_METADATA_DISABLED": "true",
        # Neither a profile nor a proxy of the user's must lead elsewhere.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        "CDK_DEFAULT_ACCOUNT": endpoint.account,
        "CDK_DEFAULT_REGION": endpoint.region,
        "CDK_DISABLE_CLI_TELEMETRY": "true",
    }


def client_environment(endpoint: Endpoint) -> dict[str, str]:
    """This process's environment for a child that is to talk to this local cloud: nothing of a real account in it."""
    own = {name: value for name, value in os.environ.items() if name not in _CREDENTIAL_VARIABLES}
    return {**own, **environment(endpoint)}


def _check_alike(running: Endpoint, settings: Settings) -> None:
    """Raise SettingsError where the one that runs is not as asked for."""
    images = tuple(str(root.absolute()) for root in settings.get("images", ()))
    asked = {**settings, "port": settings.get("port") or None, "images": images or None}
    has = {**dataclasses.asdict(running), "port": int(running.endpoint.rpartition(":")[2])}
    for name, value in asked.items():
        if value is not None and value != has[name]:
            raise SettingsError(
                f"--{name.replace('_', '-')}: {running.endpoint} runs already with {_shown(has[name])}, got "
                f"{_shown(value)}; leave the option out, or stop that one first: hpc local down"
            )


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "it" if value else "none"
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _arguments(settings: Settings) -> list[str]:
    arguments = [word for root in settings.get("images", ()) for word in ("--images", str(root.absolute()))]
    for name, value in settings.items():
        if isinstance(value, bool):
            arguments += [f"--{name.replace('_', '-')}"] if value else []
        elif name != "images" and value is not None:
            arguments += [f"--{name.replace('_', '-')}", str(value)]
    return arguments


def _server_environment() -> dict[str, str]:
    """The server sees no AWS setting of the user's, and keeps its compiled modules: half a second instead of three."""
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "MINISTACK_", "LOCALSTACK_")) and name != "PYTHONDONTWRITEBYTECODE"
    }
    path = os.pathsep.join(part for part in (str(_PACKAGE_ROOT), own.get("PYTHONPATH", "")) if part)
    return {**own, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


def _failure(directory: StateDirectory, log_start: int, what: str) -> str:
    with directory.log.open("rb") as log:
        log.seek(log_start)
        lines = log.read().decode("utf-8", errors="replace").splitlines()[-LOG_LINES:]
    shown = "\n".join(f"  {line}" for line in lines) or "  (nothing)"
    return f"local cloud: the server {what}; the end of {directory.log}:\n{shown}"


def _reap(pid: int) -> None:
    """A server that this very process started would stay behind as a zombie."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


__all__ = [
    "DEFAULT_STATE",
    "Endpoint",
    "LocalCloudError",
    "SettingsError",
    "StateDirectoryError",
    "client_environment",
    "delete",
    "environment",
    "is_healthy",
    "start",
    "status",
    "stop",
]
