"""Writing all or saying so: a disk that is filling up takes a part of what it is given, without an error."""

from __future__ import annotations

import errno
import os


def write_whole(descriptor: int, data: bytes) -> None:
    """Write all of it to a file on disk. Raises OSError, also where only a part was taken; that part stays."""
    written = os.write(descriptor, data)
    if written != len(data):
        raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)}: wrote {written} of {len(data)} bytes")
