"""Devices, tmpfs, swap and limits of a container.

Sources: https://docs.aws.amazon.com/batch/latest/APIReference/API_LinuxParameters.html and API_Ulimit.html there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from local_batch.api.refusals import refuse
from local_batch.api.volumes import is_absolute
from local_batch.engine.resources import Platform

_NOT_ON_FARGATE: Final = ("devices", "sharedMemorySize", "swappiness", "tmpfs", "maxSwap")
_ULIMITS: Final = frozenset(
    {
        *("core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice"),
        *("nofile", "nproc", "rss", "rtprio", "rttime", "sigpending", "stack"),
    }
)
_TMPFS_OPTIONS: Final = frozenset(
    {
        *("defaults", "ro", "rw", "suid", "nosuid", "dev", "nodev", "exec", "noexec", "sync", "async", "dirsync"),
        *("remount", "mand", "nomand", "atime", "noatime", "diratime", "nodiratime", "bind", "rbind", "unbindable"),
        *("runbindable", "private", "rprivate", "shared", "rshared", "slave", "rslave", "relatime", "norelatime"),
        *("strictatime", "nostrictatime", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol"),
    }
)
_UNLIMITED: Final = -1


def check_linux_parameters(container: Mapping[str, Any], platform: Platform) -> None:
    """Raise ApiError for linuxParameters and ulimits that the service refuses."""
    parameters = container.get("linuxParameters") or {}
    if platform is Platform.FARGATE:
        for name in _NOT_ON_FARGATE:
            if parameters.get(name) not in (None, []):
                raise refuse(f"linuxParameter.{name} is not allowed for Fargate.")
        if container.get("ulimits"):
            raise refuse("ulimits is not applicable for Fargate.")
    if (parameters.get("sharedMemorySize") or 0) < 0:
        raise refuse(f"sharedMemorySize must be a positive number of MiB, got {parameters['sharedMemorySize']}.")
    _check_swap(parameters)
    for device in parameters.get("devices") or ():
        _check_paths("device", device["hostPath"], device.get("containerPath") or device["hostPath"])
    for tmpfs in parameters.get("tmpfs") or ():
        _check_tmpfs(tmpfs)
    _check_ulimits(container)


def _check_swap(parameters: Mapping[str, Any]) -> None:
    swap, swappiness = parameters.get("maxSwap"), parameters.get("swappiness")
    if swap is not None and swap < 0:
        raise refuse(f"Invalid swap memory size: {swap}, must be non-negative.")
    if swappiness is not None and not 0 <= swappiness <= 100:
        raise refuse(f"Invalid swappiness: {swappiness}, must be between 0 and 100.")
    if swap is not None and swappiness is None:
        raise refuse("When container specified swap memory, swappiness value is required.")


def _check_tmpfs(tmpfs: Mapping[str, Any]) -> None:
    _check_paths("tmpfs", tmpfs["containerPath"])
    if tmpfs["size"] < 1:
        raise refuse("Size of a tmpfs is invalid. The size is required and must be a positive integer.")
    for option in tmpfs.get("mountOptions") or ():
        # `mode=1777`: those that take a value are listed by their name.
        if option.partition("=")[0] not in _TMPFS_OPTIONS:
            raise refuse(f"Mount options of a tmpfs are those of API_Tmpfs, got {option!r}.")


def _check_paths(noun: str, *paths: str) -> None:
    for path in paths:
        if not is_absolute(path):
            raise refuse(f"The paths of a {noun} must be absolute, got {path!r}.")


def _check_ulimits(container: Mapping[str, Any]) -> None:
    names: set[str] = set()
    for ulimit in container.get("ulimits") or ():
        name, soft, hard = ulimit["name"], ulimit["softLimit"], ulimit["hardLimit"]
        if name not in _ULIMITS:
            raise refuse(f"Ulimit names are {', '.join(sorted(_ULIMITS))}, got {name!r}.")
        if name in names:
            raise refuse(f"Each ulimit can be set once, got {name} twice.")
        names.add(name)
        if min(soft, hard) < _UNLIMITED:
            raise refuse(f"Limits of ulimit {name} must be -1 (unlimited) or more, got {min(soft, hard)}.")
        if hard != _UNLIMITED and not 0 <= soft <= hard:
            raise refuse(f"The soft limit of ulimit {name} must not exceed its hard limit, got {soft} and {hard}.")
