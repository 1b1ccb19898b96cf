"""Whether this kernel lets this user give attempts a view of their own of mounts and host name."""

from __future__ import annotations

import marshal
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local_batch.executors.launcher import ORDERS_DESCRIPTOR, PROBE, STATUS_DESCRIPTOR
from local_batch.executors.spawn import spawn

_PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); from local_batch.executors.launcher import main; main()"
_PACKAGES = str(Path(__file__).resolve().parents[2])


def spawn_launcher(
    orders: Mapping[str, Any], *, environment: Mapping[str, str], directory: str, output: int
) -> tuple[int, int]:
    """The pid of a launcher with these orders, and a descriptor to read what goes wrong from. Raises OSError."""
    status, status_inlet = os.pipe()
    written = -1
    try:
        written = os.memfd_create("orders")
        os.write(written, marshal.dumps(dict(orders)))
        os.lseek(written, 0, os.SEEK_SET)
        pid = spawn(
            sys.executable,
            (sys.executable, "-I", "-S", "-X", "utf8", "-c", _PROGRAM, _PACKAGES),
            environment,
            directory,
            {1: output, 2: output, ORDERS_DESCRIPTOR: written, STATUS_DESCRIPTOR: status_inlet},
        )
    except OSError:
        os.close(status)
        raise
    finally:
        os.close(status_inlet)
        if written >= 0:
            os.close(written)
    return pid, status


class NameSpaces:
    """Tried once, when somebody first asks."""

    def __init__(self, directory: Path) -> None:
        """Tried in a new directory below `directory`."""
        self._directory = directory
        self._is_tried = False
        self._refusal: str | None = None

    def refusal(self) -> str | None:
        """What the kernel says; None where all is well. Takes some tens of milliseconds the first time."""
        if not self._is_tried:
            self._refusal = self._tried()
            self._is_tried = True
        return self._refusal

    def _tried(self) -> str | None:
        if sys.platform != "linux":
            return "name spaces: a feature of Linux"
        directory = str(self._directory / f"probe-{os.getpid()}")
        try:
            os.mkdir(directory)  # noqa: PTH102 - a string is what the launcher takes
            pid, status = spawn_launcher({PROBE: directory}, environment={}, directory=directory, output=2)
            with open(status, "rb") as answer:  # noqa: PTH123 - a descriptor
                data = answer.read()
            os.waitpid(pid, 0)
        finally:
            shutil.rmtree(directory, ignore_errors=True)
        refusal: str | None = marshal.loads(data) if data else "name spaces: no answer"  # noqa: S302 - our own process
        return refusal
