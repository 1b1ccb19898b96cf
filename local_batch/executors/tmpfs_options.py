"""Options of a tmpfs, as mount(8) names them, for mount(2)."""

from __future__ import annotations

from local_batch.executors import system_calls as calls
from local_batch.executors.errors import CannotCreateContainerError
from local_batch.executors.work import Tmpfs

DEFAULT_FLAGS = calls.MS_NOSUID | calls.MS_NODEV | calls.MS_NOEXEC
"""Docker's. https://docs.docker.com/engine/storage/tmpfs/"""

_FLAGS = {
    "ro": calls.MS_RDONLY,
    "nosuid": calls.MS_NOSUID,
    "nodev": calls.MS_NODEV,
    "noexec": calls.MS_NOEXEC,
    "sync": calls.MS_SYNCHRONOUS,
    "dirsync": calls.MS_DIRSYNC,
    "noatime": calls.MS_NOATIME,
    "nodiratime": calls.MS_NODIRATIME,
    "relatime": calls.MS_RELATIME,
    "strictatime": calls.MS_STRICTATIME,
}
_OPPOSITES = {
    "rw": "ro",
    "suid": "nosuid",
    "dev": "nodev",
    "exec": "noexec",
    "async": "sync",
    "atime": "noatime",
    "diratime": "nodiratime",
    "norelatime": "relatime",
    "nostrictatime": "strictatime",
}
_WITH_VALUES = frozenset({"mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol"})


def mount_options(tmpfs: Tmpfs) -> tuple[int, str]:
    """Flags and data of mount(2). Raises CannotCreateContainerError for an option of something else."""
    flags = DEFAULT_FLAGS
    data = [f"size={tmpfs.size_mib}m"]
    for option in tmpfs.options:
        if option in _FLAGS:
            flags |= _FLAGS[option]
        elif option in _OPPOSITES:
            flags &= ~_FLAGS[_OPPOSITES[option]]
        elif option.partition("=")[0] in _WITH_VALUES and "=" in option:
            data.append(option)
        elif option != "defaults":
            raise CannotCreateContainerError(
                f"linuxParameters.tmpfs: {tmpfs.container_path}: a mount option of a tmpfs is needed, got {option!r}; "
                "correct or remove it"
            )
    return flags, ",".join(data)
