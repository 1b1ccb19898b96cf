"""A small program that turns itself into a container's process after changing what that process sees and may do.

Theory of operation. posix_spawn can change neither limits nor user nor name spaces, and a process with threads may not
enter a user name space, so attempts that ask for such things are started through this: it keeps the pid that the agent
knows. Orders come as one marshalled dictionary on descriptor 3. What goes wrong is written to descriptor 4, which the
execution of the container's program closes. Imports little: it is loaded for each such attempt.
"""

from __future__ import annotations

import marshal
import os
import resource
import signal
from typing import Any

ORDERS_DESCRIPTOR = 3
STATUS_DESCRIPTOR = 4

PROBE = "probe"
"""The only order of a launcher that is to try what the kernel allows: it answers on descriptor 4."""

_CLONE_NEWNS = 0x00020000
_CLONE_NEWUTS = 0x04000000
_CLONE_NEWUSER = 0x10000000


class LauncherError(Exception):
    """An order that cannot be carried out; the text says which and what to do."""


def main() -> None:
    """Carry out the orders; returns never, or after writing why not."""
    os.set_inheritable(STATUS_DESCRIPTOR, False)  # noqa: FBT003 - the library's
    with open(ORDERS_DESCRIPTOR, "rb") as file:
        orders = marshal.load(file)  # noqa: S302 - our own process wrote it
    if PROBE in orders:
        os.write(STATUS_DESCRIPTOR, marshal.dumps(_probed(orders[PROBE])))
        return
    try:
        _prepare(orders)
    except OSError as error:
        _fail("prepare", f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror))
        return
    except LauncherError as error:
        _fail("prepare", str(error))
        return
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        # Python ignores these.
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execve(orders["program"], orders["argv"], orders["environment"])  # noqa: S606 - what it is for
    except OSError as error:
        _fail("execute", error.errno)
    except ValueError as error:
        _fail("prepare", str(error))


def _fail(step: str, what: str | int | None) -> None:
    os.write(STATUS_DESCRIPTOR, marshal.dumps((step, what)))


def _prepare(orders: dict[str, Any]) -> None:
    view, host_name = orders["view"], orders["host_name"]
    if view is not None or host_name is not None:
        enter_name_spaces()
    if host_name is not None:
        _set_host_name(host_name)
    if view is not None:
        from local_batch.executors.mount_view import MountView  # noqa: PLC0415 - only who needs it pays for it

        MountView(view).build()
    for name, number, soft, hard in orders["limits"]:
        _set_limit(name, number, soft, hard)
    if orders["user"] is not None:
        uid, gid, groups = orders["user"]
        os.setgroups(groups)
        os.setgid(gid)
        os.setuid(uid)
    os.chdir(orders["directory"])


def _set_limit(name: str, number: int, soft: int, hard: int) -> None:
    try:
        resource.setrlimit(number, (soft, hard))
    except (ValueError, OSError) as error:
        _, most = resource.getrlimit(number)
        bound = "unlimited" if most == resource.RLIM_INFINITY else most
        raise LauncherError(
            f"ulimits: {name}: the hard limit is {bound} at most for this user, got soft {soft}, hard {hard}; lower it"
        ) from error


def _set_host_name(host_name: str) -> None:
    from local_batch.executors.system_calls import set_host_name  # noqa: PLC0415 - only who needs it pays for it

    set_host_name(host_name)


def enter_name_spaces() -> None:
    """Leave those of mounts and host name; an ordinary user needs one of users for that, and stays who it is."""
    from local_batch.executors.system_calls import unshare  # noqa: PLC0415 - only who needs it pays for it

    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:
        unshare(_CLONE_NEWNS | _CLONE_NEWUTS)
        return
    unshare(_CLONE_NEWNS | _CLONE_NEWUTS | _CLONE_NEWUSER)
    for name, text in (("setgroups", "deny"), ("gid_map", f"{gid} {gid} 1"), ("uid_map", f"{uid} {uid} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:  # noqa: PTH123 - the import would cost more
            file.write(text)


def _probed(directory: str) -> str | None:
    """Why name spaces are of no use here; None where they are. `directory` is one that may be mounted over."""
    from local_batch.executors.mount_view import MountView  # noqa: PLC0415 - only who needs it pays for it

    try:
        enter_name_spaces()
        _set_host_name("probe")
        MountView({"root": directory, "base": directory, "is_read_only": True, "places": (), "hosts": None}).build()
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
    return None
