"""What this process started, however indirectly: found and ended, so that nothing of a job outlives it.

In a container everything ends with its first process. Nodes that are processes of a machine have to see to it: a daemon
that leaves its session and its parent comes to the bring-up, and is found among its descendants.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from pathlib import Path
from typing import Final

_PR_SET_CHILD_SUBREAPER: Final = 36
_ROUNDS: Final = 20
"""Of looking for what was started while the last ones were ended."""


def adopt_orphans() -> None:
    """Become the parent of descendants whose parents end: https://man7.org/linux/man-pages/man2/prctl.2.html."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def kill_descendants() -> None:
    """SIGKILL to all, until there are none."""
    for _ in range(_ROUNDS):
        found = _descendants(os.getpid())
        if not found:
            return
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def _descendants(ancestor: int) -> list[int]:
    """Without those that have ended and wait for their parents to notice."""
    children: dict[int, list[int]] = {}
    has_ended = set()
    for directory in Path("/proc").iterdir():
        if not directory.name.isdecimal():
            continue
        try:
            # "pid (name) state parent ...": the name may hold anything.
            state, parent = (directory / "stat").read_text(encoding="latin-1").rpartition(")")[2].split()[:2]
        except OSError:
            continue
        pid = int(directory.name)
        children.setdefault(int(parent), []).append(pid)
        if state in "ZX":
            has_ended.add(pid)
    found, unseen = [], [ancestor]
    while unseen:
        beneath = children.get(unseen.pop(), [])
        found += beneath
        unseen += beneath
    return [pid for pid in found if pid not in has_ended]
