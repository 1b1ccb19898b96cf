"""What a node started and nobody ended: found by the node's directory in its environment, wherever it went.

Ranks are in sessions of their own and their starters may have left for other parents, so neither groups nor parents
lead to all of them. In a container they would end with it; on a machine that nodes share nobody else would end them.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Final

from mpi_bringup.node import NODE_VARIABLE

_SECONDS: Final = 5.0
"""For all of it: what the kernel does not let go in this time is not waited for."""


def end_remains(directory: Path) -> None:
    """Kill every process of the node that has this directory, and wait until none is left."""
    mark = f"{NODE_VARIABLE}={directory}".encode()
    deadline = time.monotonic() + _SECONDS
    # Anew until none is found: one may have started another just then.
    while (found := _marked(mark)) and time.monotonic() < deadline:
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.002)


def _marked(mark: bytes) -> list[int]:
    found = []
    for name in os.listdir("/proc"):  # noqa: PTH208 - hundreds of paths would take longer than the rest
        if not name.isdecimal() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as opened:  # noqa: PTH123 - likewise
                variables = opened.read()
        except OSError:
            continue  # it has ended, or is somebody else's
        if mark in variables.split(b"\0"):
            found.append(int(name))
    return found
