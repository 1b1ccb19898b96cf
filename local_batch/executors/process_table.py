"""What Linux tells about processes. On other systems there is no /proc, and every answer is "nothing"."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_LIST_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class ProcessStat:
    """One line of the process table."""

    pid: int
    is_zombie: bool
    parent: int
    group: int
    session: int
    resident_bytes: int
    """Pages that others share count in full."""


def pids() -> Iterator[int]:
    """Every process there is."""
    if _PROC.is_dir():
        yield from (int(entry.name) for entry in os.scandir(_PROC) if entry.name.isdecimal())


def stat_of(pid: int) -> ProcessStat | None:
    """A process's line; None once it is gone."""
    line = _read(pid, "stat")
    if not line:
        return None
    # The program's name comes before these, in parentheses, and may hold anything (proc_pid_stat(5)).
    fields = line[line.rindex(b")") + 2 :].split()
    return ProcessStat(
        pid=pid,
        is_zombie=fields[0] == b"Z",
        parent=int(fields[1]),
        group=int(fields[2]),
        session=int(fields[3]),
        resident_bytes=int(fields[21]) * _PAGE_BYTES,
    )


def environment_of(pid: int) -> dict[bytes, bytes]:
    """The environment a process was started with; empty where it may not be read or the process is gone."""
    pairs = (entry.partition(b"=") for entry in _read(pid, "environ").split(b"\0") if entry)
    return {name: value for name, _, value in pairs}


def directory_of(pid: int) -> str | None:
    """A process's working directory; None where it may not be read or the process is gone."""
    try:
        return str(Path(f"/proc/{pid}/cwd").readlink())
    except OSError:
        return None


def proportional_bytes_of(pid: int) -> int:
    """Memory of a process, pages that others share counted in equal parts (PSS); its RSS where that may not be read."""
    for line in _read(pid, "smaps_rollup").splitlines():
        if line.startswith(b"Pss:"):
            return int(line.split()[1]) * 1024
    stat = stat_of(pid)
    return stat.resident_bytes if stat else 0


class Children:
    """Children of this process's main thread: its own ones, and every orphan that this process has adopted."""

    def __init__(self) -> None:
        """The list stays open: reading it costs a tenth of opening it."""
        pid = os.getpid()
        try:
            self._list: int | None = os.open(f"/proc/{pid}/task/{pid}/children", os.O_RDONLY)
        except OSError:
            self._list = None

    def pids(self) -> set[int]:
        """Those there are now, zombies among them."""
        if self._list is None:
            me = os.getpid()
            return {stat.pid for stat in map(stat_of, pids()) if stat is not None and stat.parent == me}
        text = b""
        while data := os.pread(self._list, _LIST_BYTES, len(text)):
            text += data
            # A read that is not the last fills a page but for one number.
            if len(data) < _PAGE_BYTES // 2:
                break
        return {int(pid) for pid in text.split()}


def _read(pid: int, name: str) -> bytes:
    try:
        return _read_file(f"/proc/{pid}/{name}")
    except OSError:
        return b""


def _read_file(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a Path doubles the cost of a scan
        return file.read()
