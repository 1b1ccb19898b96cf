"""Whether the kernel killed something of a container for want of memory.

Theory of operation. Engines report this of a container that has ended, but podman's monitor (conmon 2.1) misses it on
cgroups of version 1, and an engine says nothing while the container goes on without the process that was killed: AWS
ends the container. So the container's own cgroup is looked at where this machine's /sys/fs/cgroup has it.

Version 2 counts kills in memory.events. Version 1 signals an eventfd at every kill, and once more when the cgroup has
been removed, after its directory is gone. So a signal with the directory there, or a second signal, is a kill; one
signal with the directory gone may be either for as long as the kernel has not sent the last one.
https://docs.kernel.org/admin-guide/cgroup-v1/memory.html#oom-control
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


class OomWatch:
    """Watches one container's memory cgroup from before its program runs. `close` it."""

    def __init__(self, directory: Path) -> None:
        """Raises OSError where the cgroup cannot be watched."""
        self._directory = directory
        self._signals = 0
        self._event: int | None = None
        control = directory / "cgroup.event_control"
        if not control.exists():
            self._kills()
            return
        self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        try:
            watched = os.open(directory / "memory.oom_control", os.O_RDONLY | os.O_CLOEXEC)
            try:
                control.write_text(f"{self._event} {watched}", encoding="ascii")
            finally:
                os.close(watched)
        except OSError:
            self.close()
            raise

    def has_killed(self) -> bool | None:
        """Whether the kernel has killed a process so far; None: the cgroup is gone, and that is not known (yet)."""
        if self._event is None:
            with suppress(OSError):
                return self._kills() > 0
            return None
        with suppress(BlockingIOError):
            self._signals += os.eventfd_read(self._event)
        if self._signals == 1 and not self._directory.exists():
            return None
        return self._signals > 0

    def close(self) -> None:
        """Stop watching."""
        if self._event is not None:
            os.close(self._event)
            self._event = None

    def _kills(self) -> int:
        for line in (self._directory / "memory.events").read_text(encoding="ascii").splitlines():
            name, _, number = line.partition(" ")
            if name == "oom_kill":
                return int(number)
        return 0


def memory_cgroup(pid: int, container: str) -> Path | None:
    """The memory cgroup of `container`, whose first process is `pid`; None where this machine does not show it.

    An engine in a virtual machine counts its processes otherwise than this machine does: the name must be right too.
    """
    if pid <= 0:
        return None
    try:
        table = Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8")
    except OSError:
        return None
    directories = {}
    for line in table.splitlines():
        _, controllers, path = line.split(":", 2)
        if container in path:
            directories.update(dict.fromkeys(controllers.split(","), path.lstrip("/")))
    for controller, root in (("memory", CGROUPS / "memory"), ("", CGROUPS)):
        if controller in directories:
            return root / directories[controller]
    return None
