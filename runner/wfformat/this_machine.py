"""The machine that this process runs on, which jobs of a local cloud run on, too."""

from __future__ import annotations

import os
import platform
import re

from runner.wfformat.executed_run import Machine

_SYSTEMS = {"Linux": "linux", "Darwin": "macos", "Windows": "windows"}


def this_machine() -> Machine:
    """Its name and size."""
    return Machine(
        name=re.sub(r"[^A-Za-z0-9.-]", "-", platform.node()).strip("-.") or "localhost",
        system=_SYSTEMS.get(platform.system()),
        architecture=platform.machine() or None,
        release=platform.release() or None,
        memory_bytes=_memory(),
        cores=os.cpu_count(),
    )


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
