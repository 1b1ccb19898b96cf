"""Ending what a server that was killed has left running."""

from __future__ import annotations

import logging
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from local_batch.executors.marker import AGENT_VARIABLE, MARKER_VARIABLE, directory_token
from local_batch.executors.process_table import environment_of, pids, stat_of

_LOG = logging.getLogger(__name__)

_DEADLINE_SECONDS = 10.0
"""For processes to go after SIGKILL; only one that hangs in the kernel takes longer."""

_POLL_SECONDS = 0.01


def end_leftovers(jobs_dir: Path) -> list[str]:
    """Kill every process of attempts that ran in `jobs_dir`, and say which (`<job id>/<number>`) those were.

    Before them goes the process agent, which might yet start more.

    To be called while no process agent is to run for the directory. Returns when all are gone; raises TimeoutError,
    naming the processes, when some are not after ten seconds. On systems without /proc nothing is found.
    """
    token = directory_token(jobs_dir)
    for pid in _agents(token):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    attempts: set[str] = set()
    deadline = time.monotonic() + _DEADLINE_SECONDS
    # Again until none is found: a process may have forked between being seen and being killed.
    while found := _marked(token):
        attempts.update(found.values())
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"{jobs_dir}: processes of an earlier local cloud end within {_DEADLINE_SECONDS:g} s of SIGKILL, "
                f"got {sorted(found)!r} still there; end them and start again"
            )
        time.sleep(_POLL_SECONDS)
    if attempts:
        _LOG.warning("%s: ended what was left of attempts: %s", jobs_dir, ", ".join(sorted(attempts)))
    return sorted(attempts)


def _agents(token: str) -> list[int]:
    return [pid for pid in pids() if environment_of(pid).get(AGENT_VARIABLE.encode()) == token.encode()]


def _marked(token: str) -> dict[int, str]:
    """The living processes that carry the token, or share a session with one that does, and of which attempt."""
    marked: dict[int, str] = {}
    sessions: dict[int, str] = {}
    table = [stat for stat in map(stat_of, pids()) if stat is not None and not stat.is_zombie]
    for stat in table:
        marker = environment_of(stat.pid).get(MARKER_VARIABLE.encode(), b"").decode(errors="replace")
        if marker.endswith(f"/{token}"):
            marked[stat.pid] = sessions[stat.session] = marker.removesuffix(f"/{token}")
    sessions.pop(os.getsid(0), None)
    marked.update({stat.pid: sessions[stat.session] for stat in table if stat.session in sessions})
    marked.pop(os.getpid(), None)
    return marked
