"""What an attempt sees of the file system, where it asks for more than the host's.

Theory of operation. The new root is a file system in memory into which everything in the host's root is bound. A path
that is to be mounted on and does not exist is made there; where its parent is the host's, that gives way to another
directory in memory into which all that it held is bound, so that nothing of the host is ever written to. The attempt's
own directory keeps its path. What is mounted at a path of the container is mounted below that directory too, because
there lie the image's files and the working directory.

All of it is in a mount name space of the attempt and goes with its last process.
"""

# Part of a launcher, which is loaded for each attempt that needs it: pathlib would take longer than all of this.
# ruff: noqa: PTH102, PTH103, PTH106, PTH108, PTH110, PTH112, PTH114, PTH115, PTH116, PTH118, PTH120, PTH123, PTH208
# ruff: noqa: PTH211

from __future__ import annotations

import os
import stat
from typing import Any

from local_batch.executors.system_calls import (
    MS_BIND,
    MS_PRIVATE,
    MS_REC,
    MS_UNBINDABLE,
    make_root,
    mount,
    set_read_only,
    unmount,
)

_HOSTS = "/etc/hosts"
_OWN_HOSTS = "/.hosts"

_MEMORY_OPTIONS = "mode=0755,size=64m"
"""Of directories in memory: they are to hold names, not data."""

_OF_THE_KERNEL = "/proc"
"""Writable in a container whose root is not."""


class MountView:
    """Builds one view, in the name space that this process has entered."""

    def __init__(self, orders: dict[str, Any]) -> None:
        """The orders are those that attempt_options.py writes."""
        self._root: str = orders["root"]
        self._base: str = orders["base"]
        self._is_read_only: bool = orders["is_read_only"]
        self._places: list[dict[str, Any]] = sorted(orders["places"], key=lambda place: str(place["path"]))
        self._hosts: str | None = orders["hosts"]
        self._in_memory = {"/"}

    def build(self) -> None:
        """Change the root of this process and its successors. Raises OSError."""
        sources = self._change_root()
        for place in self._places:
            if not self._is_nested(place):
                for path in self._paths(place):
                    self._make(path, is_directory=place["is_directory"])
        if self._is_read_only:
            for name in os.listdir("/"):
                path = f"/{name}"
                if os.path.ismount(path) and path != _OF_THE_KERNEL and path not in sources:
                    set_read_only(path)
        for place, source in zip(self._places, sources, strict=True):
            self._mount(place, source)
        self._name_host()
        for source in filter(None, sources):
            unmount(source)
            _remove(source)
        if self._is_read_only:
            set_read_only("/", is_recursive=False)

    def _change_root(self) -> list[str | None]:
        """To one in memory with all of the old; the sources of the places are bound in it too, and named."""
        base = self._base
        mount(None, "/", None, MS_REC | MS_PRIVATE)
        mount("tmpfs", base, "tmpfs", 0, _MEMORY_OPTIONS)
        # Otherwise it would be bound into itself.
        mount(None, base, None, MS_UNBINDABLE)
        _bind_entries("/", base)
        sources: list[str | None] = []
        for number, place in enumerate(self._places):
            name = None if place["source"] is None else f"/.source-{number}"
            if name is not None:
                _create(base + name, is_directory=place["is_directory"])
                _bind(place["source"], base + name)
            sources.append(name)
        make_root(base)
        mount(None, "/", None, MS_PRIVATE)
        return sources

    def _is_nested(self, place: dict[str, Any]) -> bool:
        return any(place["path"].startswith(f"{other['path']}/") for other in self._places)

    def _paths(self, place: dict[str, Any]) -> list[str]:
        """Where it is to be seen."""
        path: str = place["path"]
        inside = [self._root + path] if place["is_inside"] else []
        return inside if f"{self._root}/".startswith(f"{path}/") else [path, *inside]

    def _make(self, path: str, *, is_directory: bool) -> str:
        """Let there be something to mount on; the path without links."""
        path = os.path.realpath(path)
        if not os.path.exists(path):
            parent = self._make(os.path.dirname(path), is_directory=True)
            if parent not in self._in_memory and not f"{parent}/".startswith(f"{self._root}/"):
                self._take_into_memory(parent)
            _create(path, is_directory=is_directory)
            if is_directory and parent in self._in_memory:
                self._in_memory.add(path)
        return path

    def _take_into_memory(self, directory: str) -> None:
        names = os.listdir(directory)
        mode = stat.S_IMODE(os.stat(directory).st_mode)
        covered = os.open(directory, os.O_PATH | os.O_DIRECTORY)
        mount("tmpfs", directory, "tmpfs", 0, f"mode={mode:o},size=64m")
        _bind_entries(f"/proc/self/fd/{covered}", directory, names)
        os.close(covered)
        self._in_memory.add(directory)

    def _mount(self, place: dict[str, Any], source: str | None) -> None:
        paths = [os.path.realpath(path) for path in self._paths(place)]
        for path in paths:
            if not os.path.exists(path):
                # Nested in what has just been mounted.
                os.makedirs(os.path.dirname(path), exist_ok=True)
                _create(path, is_directory=place["is_directory"])
        target, *others = paths
        if source is None:
            mount("tmpfs", target, "tmpfs", place["flags"], place["data"])
        else:
            _bind(source, target)
        if place["is_read_only"]:
            set_read_only(target)
        for other in others:
            _bind(target, other)

    def _name_host(self) -> None:
        if self._hosts is not None and os.path.exists(_HOSTS):
            with open(_OWN_HOSTS, "w", encoding="utf-8") as file:
                file.write(self._hosts)
            _bind(_OWN_HOSTS, os.path.realpath(_HOSTS))
            os.unlink(_OWN_HOSTS)


def _bind(source: str, target: str) -> None:
    mount(source, target, None, MS_BIND | MS_REC)


def _bind_entries(source: str, target: str, names: list[str] | None = None) -> None:
    """Everything that is in one directory, in the other too."""
    for name in os.listdir(source) if names is None else names:
        entry, place = os.path.join(source, name), os.path.join(target, name)
        if os.path.islink(entry):
            os.symlink(os.readlink(entry), place)
        else:
            _create(place, is_directory=os.path.isdir(entry))
            _bind(entry, place)


def _create(path: str, *, is_directory: bool) -> None:
    if is_directory:
        os.mkdir(path)
    else:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY))


def _remove(path: str) -> None:
    if os.path.isdir(path):
        os.rmdir(path)
    else:
        os.unlink(path)
