"""Processes of attempts that outlive their parents.

Theory of operation. This process declares itself the reaper of its descendants (prctl(2), PR_SET_CHILD_SUBREAPER):
when the first process of an attempt ends, whatever it started becomes our child, also what left the process group, the
session and the output pipe. So one read of our own list of children, after a first process has ended, tells whether
anything of its attempt is left, at no cost that grows with the machine. Other parts of this process may have children
too, so each new child is attributed by marker, session, group or working directory, and what cannot be attributed is
left alone: nothing here waits for "any child".

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
from local_batch.executors.process_table import adopted_children, directory_of, environment_of, stat_of
from local_batch.executors.running_attempt import RunningAttempt

_PR_SET_CHILD_SUBREAPER = 36


class Orphans:
    """Keeps each running attempt's `orphans` true."""

    def __init__(self, attempts: Mapping[int, RunningAttempt]) -> None:
        """`attempts` is by pid of the first process, and is looked at in place."""
        self._attempts = attempts
        self._adopted: dict[int, RunningAttempt] = {}
        self._strangers: set[int] = set()
        self._is_reaper = sys.platform == "linux" and ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0

    def look(self) -> None:
        """Attribute new orphans, reap those that have ended."""
        if not self._is_reaper:
            return
        present = set(adopted_children())
        self._strangers &= present
        for pid in present - self._strangers - self._adopted.keys() - self._attempts.keys():
            self._attribute(pid)
        for pid in tuple(self._adopted):
            self._reap(pid)

    def reconsider(self) -> None:
        """There is a new attempt, and a child that was seen before may be its."""
        self._strangers.clear()

    def kill(self, attempt: RunningAttempt) -> None:
        """SIGKILL to the attempt's orphans. They are unreaped children of ours, so their pids are still theirs."""
        for pid in attempt.orphans:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)

    def _attribute(self, pid: int) -> None:
        stat = stat_of(pid)
        if stat is None:
            return
        attempt = self._attempts.get(stat.session) or self._attempts.get(stat.group)
        environment = environment_of(pid)
        if attempt is None:
            attempt = self._marked(environment.get(MARKER_VARIABLE.encode())) or self._in_its_directory(pid)
        if attempt is not None:
            self._adopted[pid] = attempt
            attempt.orphans.add(pid)
        # The environment of a process in the midst of execve() reads empty: it is looked at again.
        elif environment or stat.is_zombie:
            self._strangers.add(pid)

    def _marked(self, marker: bytes | None) -> RunningAttempt | None:
        text = marker.decode(errors="replace") if marker else None
        return next((attempt for attempt in self._attempts.values() if attempt.marker == text), None)

    def _in_its_directory(self, pid: int) -> RunningAttempt | None:
        directory = directory_of(pid)
        if directory is None:
            return None
        below = f"{directory}/"
        return next((a for a in self._attempts.values() if below.startswith(f"{a.root.directory}/")), None)

    def _reap(self, pid: int) -> None:
        try:
            ended, _ = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            ended = pid
        if ended:
            self._adopted.pop(pid).orphans.discard(pid)
