"""The user that a job names."""

from __future__ import annotations

import grp
import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from local_batch.executors.errors import CannotStartContainerError

_ROOT_GROUP = 0
"""Of a number that no user has, as in a container."""


@dataclass(frozen=True, slots=True)
class JobUser:
    """Somebody else than who runs the local cloud."""

    name: str
    """As the job gives it."""

    uid: int
    gid: int
    groups: tuple[int, ...]

    @property
    def ids(self) -> tuple[int, int, tuple[int, ...]]:
        """User, group, further groups."""
        return (self.uid, self.gid, self.groups)

    def check_way_to(self, directory: str) -> None:
        """Raises CannotStartContainerError where the user may not come as far as the attempt's directory."""
        for parent in Path(directory).parents:
            status = parent.stat()
            if status.st_uid == self.uid:
                may_pass = status.st_mode & 0o100
            elif status.st_gid in (self.gid, *self.groups):
                may_pass = status.st_mode & 0o010
            else:
                may_pass = status.st_mode & 0o001
            if self.uid != 0 and not may_pass:
                raise CannotStartContainerError(
                    f"user: {self.name!r} may not pass {parent}, below which attempts have their directories; "
                    f"allow it (chmod a+x), keep the local cloud's state elsewhere or leave user out"
                )


def user_named(text: str | None) -> JobUser | None:
    """Who is to run the job, `user[:group]`; None where that is who runs this process already.

    Raises CannotStartContainerError where there is no such user or it cannot be switched to.
    """
    if text is None:
        return None
    name, _, group = text.partition(":")
    entry = _entry(name)
    uid = int(name) if entry is None else entry.pw_uid
    if group:
        gid = _group(group)
        groups: tuple[int, ...] = ()
    elif entry is not None:
        gid, groups = entry.pw_gid, tuple(os.getgrouplist(entry.pw_name, entry.pw_gid))
    else:
        gid, groups = _ROOT_GROUP, ()
    if (uid, gid) == (os.geteuid(), os.getegid()):
        return None
    if os.geteuid() != 0:
        raise CannotStartContainerError(
            f"user: only root may become another user, and the local cloud runs as uid {os.geteuid()}, gid "
            f"{os.getegid()}, got {text!r}; run it as root or with --executor container, or leave user out"
        )
    return JobUser(text, uid, gid, groups)


def _entry(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(int(name)) if name.isdecimal() else pwd.getpwnam(name)
    except KeyError:
        if name.isdecimal():
            return None
        raise CannotStartContainerError(
            f"unable to find user {name}: no matching entries in passwd file; the process executor knows the users "
            "of this machine: create it or give a number"
        ) from None


def _group(name: str) -> int:
    if name.isdecimal():
        return int(name)
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise CannotStartContainerError(
            f"unable to find group {name}: no matching entries in group file; the process executor knows the groups "
            "of this machine: create it or give a number"
        ) from None
