"""System calls of Linux that Python has no name for. Each raises OSError."""

from __future__ import annotations

import ctypes
import os

_LIBC = ctypes.CDLL(None, use_errno=True)

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_SYNCHRONOUS = 0x10
MS_DIRSYNC = 0x80
MS_NOATIME = 0x400
MS_NODIRATIME = 0x800
MS_BIND = 0x1000
MS_REC = 0x4000
MS_UNBINDABLE = 0x20000
MS_PRIVATE = 0x40000
MS_RELATIME = 0x200000
MS_STRICTATIME = 0x1000000

_MNT_DETACH = 0x2
_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
_MOUNT_ATTR_RDONLY = 0x1
_SYS_MOUNT_SETATTR = 442
"""The same on every architecture. Linux 5.12; the C library names it since glibc 2.36."""


def _checked(result: int, path: str | None = None) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)


def unshare(flags: int) -> None:
    """Leave name spaces: see unshare(2)."""
    _checked(_LIBC.unshare(flags), "name spaces")


def set_host_name(name: str) -> None:
    """Of this process's UTS name space."""
    data = os.fsencode(name)
    _checked(_LIBC.sethostname(data, len(data)), "host name")


def mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    """See mount(2)."""
    arguments = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
    options = None if data is None else os.fsencode(data)
    _checked(_LIBC.mount(*arguments, ctypes.c_ulong(flags), options), target)


def make_root(directory: str) -> None:
    """`directory`, which is a mount, becomes the root; the old one is to be seen no more."""
    os.chdir(directory)
    _checked(_LIBC.pivot_root(b".", b"."), directory)
    unmount(".")
    os.chdir("/")


def unmount(path: str) -> None:
    """The mount at `path`, and all below it."""
    _checked(_LIBC.umount2(os.fsencode(path), _MNT_DETACH), path)


def set_read_only(path: str, *, is_recursive: bool = True) -> None:
    """The mount at `path`, and all below it unless told otherwise."""
    attributes = (ctypes.c_uint64 * 4)(_MOUNT_ATTR_RDONLY)
    flags = _AT_RECURSIVE if is_recursive else 0
    arguments = (ctypes.c_long(_SYS_MOUNT_SETATTR), _AT_FDCWD, os.fsencode(path), flags)
    _checked(_LIBC.syscall(*arguments, attributes, ctypes.c_size_t(ctypes.sizeof(attributes))), path)
