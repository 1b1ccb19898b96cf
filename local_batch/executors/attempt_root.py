"""The directory that stands for a container's root file system.

Theory of operation. Making and removing directories is what costs most of a short attempt on a real disk: up to half a
millisecond for three of them, as much as the process itself. So roots are used again by attempts of the same image,
where one has been left exactly as it was made: that is told by the change times that no program can set, entry by
entry, and the bytes of files, which may be written to without one. What was touched is removed.
"""

# All of this runs for every attempt, and making a Path costs as much as the system call that it is for.
# ruff: noqa: PTH101, PTH102, PTH208

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from local_batch.executors.image import TEMPORARY, Image, ImageFile
from local_batch.whole_write import write_whole

_REUSABLE_BYTES = 262_144
_REUSABLE_FILES = 64
"""Up to so much, an image's files are kept in memory, written from there, and compared before a root is used again."""

_GRAIN_SECONDS = 0.1
_COARSE_GRAIN_SECONDS = 2.5
"""Changes so far apart have different dates: of file systems that date by the kernel's ticks, and by two seconds."""

_SECOND_NS = 1_000_000_000

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

    def stamps(self, directory: str) -> list[_Stamp]:
        """What changes when anything in a root does, but for its files' content. Raises OSError."""
        stamps = [_stamp(os.lstat(f"{directory}/{name}")) for name in self.directories]
        stamps += [_stamp(os.lstat(f"{directory}/{file.destination}")) for file in self._files]
        return stamps

    def is_there(self, directory: str) -> bool:
        """Whether directories and files are by name what they are in a fresh root. Raises OSError."""
        return all(set(os.listdir(f"{directory}/{name}")) == expected for name, expected in self._names)

    def is_unwritten(self, directory: str) -> bool:
        """Whether files have the content that they have in a fresh root. Raises OSError."""
        return all(
            _read(f"{directory}/{file.destination}", file.size_bytes) == self._content(file) for file in self._files
        )

    def _content(self, file: ImageFile) -> bytes:
        content = self._contents.get(file.destination)
        if content is None:
            content = _read(file.source, file.size_bytes)
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
        has_fractions = any(stamp[-1] % _SECOND_NS for stamp in self._stamps)
        self._dated_from = time.monotonic() + (_GRAIN_SECONDS if has_fractions else _COARSE_GRAIN_SECONDS)

    def is_untouched(self, since: float) -> bool:
        """Whether another attempt could not tell it from a fresh one, after one that began at `since`."""
        layout = self.layout
        if not layout.is_quick:
            return False
        try:
            return (
                layout.stamps(self.directory) == self._stamps
                # A change right after the making would bear the same date.
                and (since > self._dated_from or layout.is_there(self.directory))
                and layout.is_unwritten(self.directory)
            )
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
        write_whole(file, content)
        os.fchmod(file, mode)
    finally:
        os.close(file)


def _read(path: str, size_bytes: int) -> bytes:
    # Neither a link nor a pipe is followed that an attempt may have put in the file's place.
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        return os.read(file, size_bytes + 1)
    finally:
        os.close(file)
