"""Machines on which root may do less than podman expects, such as sandboxes and CI runners."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

from local_batch.executors.work import Ulimit

_MOST_FILES = 1 << 20
"""Open files that podman gives a container of root's that asks for nothing."""

_MOST_PROCESSES = Path("/proc/sys/kernel/pid_max")
"""To this podman lowers its own limit of processes, and so that of containers."""


def is_bare_machine() -> bool:
    """Whether this is root without systemd: nobody makes cgroups or keeps a journal, and limits may not be raised."""
    return sys.platform == "linux" and os.geteuid() == 0 and not Path("/run/systemd/system").exists()


def attainable_ulimits() -> tuple[Ulimit, ...]:
    """The limits that podman sets in every container, no higher than this process's own.

    Without CAP_SYS_RESOURCE a container that is to have more does not start.
    """
    return (
        _ulimit("nofile", resource.RLIMIT_NOFILE, _MOST_FILES),
        _ulimit("nproc", resource.RLIMIT_NPROC, int(_MOST_PROCESSES.read_text(encoding="ascii"))),
    )


def _ulimit(name: str, number: int, most: int) -> Ulimit:
    hard = resource.getrlimit(number)[1]
    limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
    return Ulimit(name, limit, limit)
