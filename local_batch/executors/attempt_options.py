"""What attempts ask for beyond a plain process, as orders to the launcher; what cannot be given is refused by name."""

from __future__ import annotations

import os
import posixpath
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from local_batch.executors.errors import CannotCreateContainerError, CannotStartContainerError
from local_batch.executors.image import TEMPORARY
from local_batch.executors.job_user import user_named
from local_batch.executors.name_spaces import NameSpaces
from local_batch.executors.tmpfs_options import DEFAULT_FLAGS, mount_options
from local_batch.executors.work import PLAIN, AttemptWork, ContainerOptions, Device, Mount, Ulimit

VOLUMES = ".volumes"
"""In an attempt's directory: its volumes that are directories of nobody else."""

_SWAPS = Path("/proc/swaps")
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - the place itself
_DEFAULT_SHARED_MEMORY_MIB = 64
"""Docker's, where the root, and with it the host's, cannot be written to."""

_LIMITS = {
    "core": resource.RLIMIT_CORE,
    "cpu": resource.RLIMIT_CPU,
    "data": resource.RLIMIT_DATA,
    "fsize": resource.RLIMIT_FSIZE,
    "memlock": resource.RLIMIT_MEMLOCK,
    "nofile": resource.RLIMIT_NOFILE,
    "nproc": resource.RLIMIT_NPROC,
    "rss": resource.RLIMIT_RSS,
    "stack": resource.RLIMIT_STACK,
}
"""By the names of Docker's --ulimit; those of Linux alone are added below."""

_LIMITS |= {
    name: getattr(resource, f"RLIMIT_{name.upper()}")
    for name in ("msgqueue", "nice", "rtprio", "sigpending")
    if hasattr(resource, f"RLIMIT_{name.upper()}")
}
_LIMITS |= {"locks": 10, "rttime": 15}

Orders = dict[str, Any]


class AttemptOptions:
    """Reads the options of attempts."""

    def __init__(self, name_spaces: NameSpaces) -> None:
        """`name_spaces` tells what the kernel allows."""
        self._name_spaces = name_spaces

    def orders(self, work: AttemptWork, directory: str) -> Orders | None:
        """To the launcher; None where a plain process will do. Makes what is to be mounted in the root at `directory`.

        Raises ContainerError, naming the option that cannot be honoured and what to do.
        """
        options, node = work.options, work.node
        if options is PLAIN and node is None:
            return None
        _refuse_impossible(options)
        user = user_named(options.user)
        if user is not None:
            user.check_way_to(directory)
        limits = [_limit(ulimit) for ulimit in options.ulimits]
        places = list(_places(options, directory))
        is_view_needed = bool(places) or options.read_only_root
        refusal = self._name_spaces.refusal() if is_view_needed or node is not None else None
        if is_view_needed and refusal is not None:
            raise CannotCreateContainerError(
                f"{_option_with_view(options)}: needs mount name spaces, which this system refuses ({refusal}); allow "
                "this user to make them, run the local cloud as root or with --executor container"
            )
        is_node_apart = node is not None and refusal is None
        if not (is_view_needed or is_node_apart or user or limits):
            return None
        hosts = f"{_hosts_of_host()}{node.address}\t{node.host_name}\n" if node is not None else None
        view = {
            "root": directory,
            "base": f"{directory}/{TEMPORARY}",
            "is_read_only": options.read_only_root,
            "places": places,
            "hosts": hosts,
        }
        return {
            "view": view if is_view_needed or is_node_apart else None,
            "host_name": node.host_name if node is not None and is_node_apart else None,
            "limits": limits,
            "user": user.ids if user is not None else None,
        }


def _refuse_impossible(options: ContainerOptions) -> None:
    if options.privileged and os.geteuid() != 0:
        raise CannotCreateContainerError(
            f"privileged: a process has the rights of who runs the local cloud, got uid {os.geteuid()}; run it as root "
            "or with --executor container, or leave privileged out"
        )
    if options.max_swap_mib is not None and _has_swap():
        raise CannotCreateContainerError(
            f"linuxParameters.maxSwap: a process has no limit of its own on swap, got {options.max_swap_mib}; use "
            "--executor container, switch swap off (swapoff) or leave maxSwap out"
        )


def _has_swap() -> bool:
    try:
        return len(_SWAPS.read_text(encoding="ascii").splitlines()) > 1
    except OSError:
        return True


def _limit(ulimit: Ulimit) -> tuple[str, int, int, int]:
    number = _LIMITS.get(ulimit.name)
    if number is None:
        raise CannotCreateContainerError(
            f"ulimits: a limit is one of {', '.join(sorted(_LIMITS))}, got {ulimit.name!r}; correct the name"
        )
    if ulimit.hard != -1 and not -1 < ulimit.soft <= ulimit.hard:
        raise CannotCreateContainerError(
            f"ulimits: {ulimit.name}: the soft limit is not above the hard one, got {ulimit.soft} and {ulimit.hard}; "
            "lower it"
        )
    return (ulimit.name, number, ulimit.soft, ulimit.hard)


def _places(options: ContainerOptions, directory: str) -> Iterator[Orders]:
    """What is to be mounted where: see mount_view.py."""
    volumes: dict[str, str] = {}
    for mount in options.mounts:
        yield _mounted(mount, directory, volumes)
    for tmpfs in options.tmpfs:
        flags, data = mount_options(tmpfs)
        path = _mount_path("linuxParameters.tmpfs", tmpfs.container_path, directory)
        yield _place(path, flags=flags, data=data, is_inside=True)
    for device in options.devices:
        yield from _device(device)
    shared_memory_mib = options.shared_memory_mib
    if shared_memory_mib is None and options.read_only_root:
        shared_memory_mib = _DEFAULT_SHARED_MEMORY_MIB
    if shared_memory_mib is not None:
        yield _place(_SHARED_MEMORY, flags=DEFAULT_FLAGS, data=f"size={shared_memory_mib}m")


def _place(
    path: str,
    *,
    source: str | None = None,
    is_read_only: bool = False,
    is_inside: bool = False,
    flags: int = 0,
    data: str = "",
) -> Orders:
    return {
        "path": path,
        "source": source,
        "is_directory": source is None or Path(source).is_dir(),
        "is_read_only": is_read_only,
        "is_inside": is_inside,
        "flags": flags,
        "data": data,
    }


def _mounted(mount: Mount, directory: str, volumes: dict[str, str]) -> Orders:
    path = _mount_path("mountPoints", mount.container_path, directory)
    source = mount.source
    if source is None:
        source = volumes.get(mount.volume)
        if source is None:
            source = volumes[mount.volume] = f"{directory}/{VOLUMES}/{len(volumes)}"
            # A new volume begins with what the image has there: https://docs.docker.com/engine/storage/volumes/
            if Path(directory + path).is_dir():
                shutil.copytree(directory + path, source, symlinks=True)
            else:
                Path(source).mkdir(parents=True)
    elif not Path(source).exists():
        try:
            # As the Docker daemon does: API reference, Host.sourcePath.
            Path(source).mkdir(parents=True)
        except OSError as error:
            raise CannotCreateContainerError(
                f"volumes: {mount.volume}: {source} is not there and cannot be made ({error.strerror}); make it"
            ) from error
    return _place(path, source=source, is_read_only=mount.read_only, is_inside=True)


def _mount_path(option: str, text: str, directory: str) -> str:
    path = posixpath.normpath(text)
    if not path.startswith("/") or path == "/":
        raise CannotCreateContainerError(
            f"{option}: a path to mount on is absolute and below the root, got {text!r}; correct it"
        )
    if path != "/tmp" and directory.startswith(f"{path}/"):  # noqa: S108 - the place itself
        raise CannotCreateContainerError(
            f"{option}: {text!r} holds the directories of attempts on this machine and cannot be mounted over; choose "
            "another path, or keep the local cloud's state elsewhere"
        )
    return path


def _device(device: Device) -> Iterator[Orders]:
    option = f"linuxParameters.devices: {device.host_path}"
    if not Path(device.host_path).exists():
        raise CannotStartContainerError(f"{option}: no such device on this machine; correct hostPath or add it")
    if not {"r", "w"} <= set(device.permissions):
        raise CannotCreateContainerError(
            f"{option}: a process may do with a device what its user may, got permissions {device.permissions!r}; ask "
            "for READ and WRITE, or use --executor container"
        )
    if not os.access(device.host_path, os.R_OK | os.W_OK):
        raise CannotStartContainerError(
            f"{option}: this user may not read and write it; allow that, or run the local cloud as root"
        )
    if device.container_path != device.host_path:
        yield _place(posixpath.normpath(device.container_path), source=device.host_path)


def _option_with_view(options: ContainerOptions) -> str:
    """The first option that needs mounts of its own."""
    if options.mounts:
        return "mountPoints"
    if options.tmpfs:
        return "linuxParameters.tmpfs"
    if options.devices:
        return "linuxParameters.devices"
    return "readonlyRootFilesystem" if options.read_only_root else "linuxParameters.sharedMemorySize"


def _hosts_of_host() -> str:
    try:
        text = Path("/etc/hosts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return text if text.endswith("\n") else f"{text}\n"
