"""One virtual environment a client, so that nobody's pins meet ours or each other's."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ENVIRONMENTS = HERE.parents[1] / ".hpc" / "clients"
INSTALL_TIMEOUT_SECONDS = 900


@dataclass(frozen=True)
class VirtualEnvironment:
    """Installed packages of one requirements file."""

    directory: Path

    @property
    def programs(self) -> Path:
        """Where its commands are."""
        return self.directory / "bin"


def requirements(client: str) -> Path:
    """The file of a client's pins."""
    return HERE / f"requirements-{client}.txt"


def virtual_environment(client: str) -> VirtualEnvironment:
    """The environment of `requirements-<client>.txt`: the one that is there for these very pins, else a new one."""
    pins = hashlib.sha256(requirements(client).read_bytes() + sys.version.encode()).hexdigest()[:12]
    directory = ENVIRONMENTS / f"{client}-{pins}"
    complete = directory / "complete"
    ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
    with (ENVIRONMENTS / f"{client}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.is_file():
            shutil.rmtree(directory, ignore_errors=True)
            venv.create(directory, with_pip=True)
            pip(directory, "install", "--requirement", str(requirements(client)))
            complete.touch()
    return VirtualEnvironment(directory)


def pip(directory: Path, *arguments: str) -> None:
    """`pip …` of an environment, whose failure shows what pip said."""
    done = subprocess.run(
        [str(directory / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments],
        # Compiled once here instead of at each of the many starts of an engine.
        env={name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        capture_output=True,
        text=True,
        timeout=INSTALL_TIMEOUT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"pip {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
