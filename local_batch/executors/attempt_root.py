"""The directory that stands for a container's root file system.

Theory of operation. Making and removing directories is what costs most of a short attempt on a real disk: up to half a
millisecond for three of them, as much as the process itself. So roots are used again by attempts of the same image,
where one has been left exactly as it was made: that is looked at, entry by entry, byte by byte, and by the change times
that no program can set. What was touched is removed.
"""

# All of this runs for every attempt, and making a Path costs as much as the system call that it is for.
# ruff: noqa: PTH101, PTH102, PTH208

from __future__ import annotations

import os
import shutil
from pathlib import Path

from local_batch.executors.image import TEMPORARY, Image, ImageFile

_REUSABLE_BYTES = 262_144
_REUSABLE_FILES = 64
"""Up to so much, an image's files are kept in memory, written from there, and compared before a root is used again."""

_Stamp = tuple[int, ...]


class ImageLayout:
    """What lies in a fresh root of an image."""

    def __init__(self, image: Image) -> None:
        """Files are read when the first root is laid out."""
        self.directories: tuple[str, ...] = ("", *dict.fromkeys((TEMPORARY, *image.directories)))
        self._files = image.files
        names: dict[str, set[str]] = {directory: set() for directory in self.directories}
        for path in (*self.directories[1:], *(file.destination for file in image.files)):
            parent, _, name = path.rpartition("/")
            names[parent].add(name)
        self._names = tuple(names.items())
        size_bytes = sum(file.size_bytes for file in image.files)
        self._is_small = size_bytes <= _REUSABLE_BYTES and len(image.files) <= _REUSABLE_FILES
        self._contents: dict[str, bytes] = {}

    @property
    def is_quick(self) -> bool:
        """Whether making a root takes no time to speak of."""
        return self._is_small

    def make(self, directory: str) -> None:
        """A fresh root at `directory`, which must not exist. Raises OSError."""
        for name in self.directories:
            os.mkdir(f"{directory}/{name}")
        for file in self._files:
            destination = f"{directory}/{file.destination}"
            if self._is_small:
                _write(destination, self._content(file), file.mode)
            else:
                # A link would let an attempt change the image.
                shutil.copyfile(file.source, destination)
                os.chmod(destination, file.mode)

    def stamps(self, directory: str) -> list[_Stamp] | None:
        """What changes when anything in a root does; None where it is not as it was made, or not worth the look."""
        if not self._is_small:
            return None
        stamps: list[_Stamp] = []
        for name, expected in self._names:
            path = f"{directory}/{name}"
            if set(os.listdir(path)) != expected:
                return None
            stamps.append(_stamp(os.lstat(path)))
        for file in self._files:
            content, stamp = _read(f"{directory}/{file.destination}", file.size_bytes)
            if content != self._content(file):
                return None
            stamps.append(stamp)
        return stamps

    def _content(self, file: ImageFile) -> bytes:
        content = self._contents.get(file.destination)
        if content is None:
            content, _ = _read(file.source, file.size_bytes)
            self._contents[file.destination] = content
        return content


class AttemptRoot:
    """One root."""

    def __init__(self, directory: str, layout: ImageLayout) -> None:
        """Makes it. Raises OSError; then nothing of it is left."""
        self.directory = directory
        self.layout = layout
        self.link: Path | None = None
        """Where it is found by job and attempt, if it is."""
        try:
            layout.make(directory)
            self._stamps = layout.stamps(directory)
        except OSError:
            self.remove()
            raise

    def is_untouched(self) -> bool:
        """Whether another attempt could not tell it from a fresh one."""
        try:
            return self._stamps is not None and self.layout.stamps(self.directory) == self._stamps
        except OSError:
            return False

    def open_to_everybody(self) -> None:
        """Let any user in, and write to the temporary directory, as in a container. Raises OSError."""
        for name in self.layout.directories:
            os.chmod(f"{self.directory}/{name}", 0o1777 if name == TEMPORARY else 0o755)

    def remove(self) -> None:
        """What cannot be removed stays."""
        shutil.rmtree(self.directory, ignore_errors=True)


def _stamp(status: os.stat_result) -> _Stamp:
    return (status.st_ino, status.st_mode, status.st_nlink, status.st_ctime_ns)


def _write(path: str, content: bytes, mode: int) -> None:
    """What writing a Path and chmod do, in a third of the time."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        os.write(file, content)
        os.fchmod(file, mode)
    finally:
        os.close(file)


def _read(path: str, size_bytes: int) -> tuple[bytes, _Stamp]:
    # Neither a link nor a pipe is followed that an attempt may have put in the file's place.
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        return os.read(file, size_bytes + 1), _stamp(os.fstat(file))
    finally:
        os.close(file)
