"""Processes of attempts that outlive their parents.

Theory of operation. The process agent declares itself the reaper of its descendants (prctl(2), PR_SET_CHILD_SUBREAPER):
when the first process of an attempt ends, whatever it started becomes the agent's child, also what left the process
group, the session and the output pipe. So one read of the agent's list of children, after a first process has ended,
tells whether anything of its attempt is left, at no cost that grows with the machine. The agent has no other children:
each new one is attributed by session, group, marker or working directory. What has shed all of these could be
anybody's, and is ended when no attempt runs that it could belong to.

Where there is no such list (macOS), there are no orphans to see, and killing the process group has to do.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress

from local_batch.executors.marker import MARKER_VARIABLE
from local_batch.executors.process_table import Children, directory_of, environment_of, stat_of
from local_batch.executors.running_attempt import RunningAttempt

_PR_SET_CHILD_SUBREAPER = 36

_LOOKS = 20
"""So often a process that shows no environment is looked at again: in the midst of execve() it has none."""


class Orphans:
    """Keeps each running attempt's `orphans` true."""

    def __init__(self, attempts: Mapping[int, RunningAttempt]) -> None:
        """`attempts` is by pid of the first process, and is looked at in place."""
        self._attempts = attempts
        self._adopted: dict[int, RunningAttempt] = {}
        self._strangers: set[int] = set()
        self._unclear: dict[int, int] = {}
        self._is_reaper = sys.platform == "linux" and ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
        self._children = Children()

    def look(self) -> bool:
        """Attribute new orphans. False where it is too early to say of some whose they are."""
        if not self._is_reaper:
            return True
        new = self._children.pids() - self._attempts.keys()
        if new:
            for pid in new - self._adopted.keys() - self._strangers:
                self._attribute(pid)
        return not self._unclear

    def reaped(self, pid: int) -> None:
        """The child has ended, and was waited for."""
        attempt = self._adopted.pop(pid, None)
        if attempt is not None:
            attempt.orphans.discard(pid)
        self._strangers.discard(pid)
        self._unclear.pop(pid, None)

    def kill(self, attempt: RunningAttempt) -> None:
        """SIGKILL to the attempt's orphans. They are unreaped children of ours, so their pids are still theirs."""
        _kill(attempt.orphans)

    def kill_strangers(self) -> None:
        """SIGKILL to those that could be anybody's."""
        _kill(self._strangers)

    def _attribute(self, pid: int) -> None:
        stat = stat_of(pid)
        if stat is None:
            return
        attempt = self._attempts.get(stat.session) or self._attempts.get(stat.group)
        environment = environment_of(pid)
        if attempt is None:
            attempt = self._marked(environment.get(MARKER_VARIABLE.encode())) or self._in_its_directory(pid)
        looks = self._unclear.pop(pid, 0) + 1
        if attempt is not None:
            self._adopted[pid] = attempt
            attempt.orphans.add(pid)
        elif environment or stat.is_zombie or looks > _LOOKS:
            self._strangers.add(pid)
        else:
            self._unclear[pid] = looks

    def _marked(self, marker: bytes | None) -> RunningAttempt | None:
        text = marker.decode(errors="replace") if marker else None
        return next((attempt for attempt in self._attempts.values() if attempt.marker == text), None)

    def _in_its_directory(self, pid: int) -> RunningAttempt | None:
        directory = directory_of(pid)
        if directory is None:
            return None
        below = f"{directory}/"
        return next((a for a in self._attempts.values() if below.startswith(f"{a.root.directory}/")), None)


def _kill(pids: set[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
