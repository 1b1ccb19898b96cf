"""The directory that stands for a container's root file system.

Theory of operation. Nothing is mounted and nothing changes root, so an attempt sees the host's files. What its image
puts at absolute paths lies under the attempt's own directory instead, and paths in its arguments and environment are
led there:

- a path that exists under the attempt's directory is that one;
- a path that does not exist, but whose directory the image made (a result in WORKDIR, say), is to be made there too;
- anything else is the host's.

A path is led only where it stands as a word of its own (`/app/x`, `--in=/app/x`, `sh -c "cat /app/x"`,
`/app/bin:/bin`), and never `/` itself. Paths that a program makes up by itself are not seen.
"""

# All of this runs for every attempt, and making a Path costs as much as the system call that it is for.
# ruff: noqa: PTH101, PTH102, PTH106, PTH110, PTH112, PTH116, PTH118, PTH120

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from local_batch.executors.errors import CannotCreateContainerError, CannotStartContainerError
from local_batch.executors.image import DEFAULT_PATH, Image, ImageFile
from local_batch.executors.work import AttemptWork

TEMPORARY = "tmp"
"""TMPDIR, as `/tmp` is in a container: private to the attempt."""

_SMALL_BYTES = 65_536
"""Up to this size a file is read and written by one call each."""

_PATH_WORD = re.compile(r"(?<![^\s\"'=:,;(<>&|])/[^\s\"'=:,;()<>&|*?$`\\/][^\s\"'=:,;()<>&|*?$`\\]*")


@dataclass(frozen=True, slots=True)
class Launch:
    """What to execute."""

    program: str
    """Absolute on the host."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    directory: str


class AttemptRoot:
    """One attempt's directory."""

    def __init__(self, directory: Path) -> None:
        """`directory` is absolute; `lay_out` makes it, and its parent where it is the job's first."""
        self.directory = str(directory)

    def lay_out(self, image: Image) -> None:
        """Make the directory, anew where it exists, and put the image's files into it. Raises OSError."""
        self._make_directory()
        os.mkdir(f"{self.directory}/{TEMPORARY}")
        for name in image.directories:
            with suppress(FileExistsError):
                os.mkdir(f"{self.directory}/{name}")
        for file in image.files:
            _copy(file, f"{self.directory}/{file.destination}")

    def _make_directory(self) -> None:
        while True:
            with suppress(FileExistsError):
                os.mkdir(os.path.dirname(self.directory))
            try:
                os.mkdir(self.directory)
            except FileExistsError:
                shutil.rmtree(self.directory)
            except FileNotFoundError:
                # Another attempt of the job was just removed, and the job's directory with it.
                continue
            else:
                return

    def remove(self) -> None:
        """Remove the directory, and the job's when it was the last in it. What cannot be removed stays."""
        try:
            # Often there is nothing else, and looking costs more than trying.
            os.rmdir(f"{self.directory}/{TEMPORARY}")
            os.rmdir(self.directory)
        except OSError:
            shutil.rmtree(self.directory, ignore_errors=True)
        with suppress(OSError):
            os.rmdir(os.path.dirname(self.directory))

    def launch(self, image: Image, work: AttemptWork, *, python_bin: Path, marker: Mapping[str, str]) -> Launch:
        """The container's process.

        Its environment is the image's ENV, then the work's, besides PATH (where `python_bin` comes right after the
        directories of the image), HOME, TMPDIR, LANG and `marker`; nothing of this process's own.
        """
        config = image.config
        argv = (*config.entrypoint, *(work.command or config.cmd))
        if not argv:
            raise CannotCreateContainerError(
                f"{work.image}: no command specified: the job definition has no command and the image neither "
                "ENTRYPOINT nor CMD of its own; give one"
            )
        environment = {
            "HOME": self.directory,
            "LANG": "C.UTF-8",
            "TMPDIR": f"{self.directory}/{TEMPORARY}",
            **{name: self.host_path(image, value) for name, value in {**config.env, **work.environment}.items()},
            **marker,
        }
        environment["PATH"] = self._search_path(environment.get("PATH", DEFAULT_PATH), python_bin)
        directory = self.directory + config.workdir.rstrip("/")
        argv = tuple(self.host_path(image, argument) for argument in argv)
        return Launch(_program(argv[0], environment["PATH"], directory), argv, environment, directory)

    def host_path(self, image: Image, text: str) -> str:
        """`text` with the absolute paths in it that are the attempt's led into its directory."""
        if "/" not in text:
            return text
        return _PATH_WORD.sub(lambda match: self._led(image, match.group()), text)

    def _led(self, image: Image, path: str) -> str:
        top, _, below = path[1:].partition("/")
        if top != TEMPORARY and top not in image.top_level:
            return path
        inside = self.directory + path
        if os.path.exists(inside):
            return inside
        is_made_here = below and os.path.isdir(os.path.dirname(inside.rstrip("/")))
        return inside if is_made_here and not os.path.exists(path) else path

    def _search_path(self, path: str, python_bin: Path) -> str:
        names = path.split(":")
        of_image = [name for name in names if name.startswith(self.directory)]
        return ":".join((*of_image, str(python_bin), *(name for name in names if name not in of_image)))


def _copy(file: ImageFile, destination: str) -> None:
    """What shutil.copy does, in a third of the time for a small file. A link would let an attempt change the image."""
    if file.size_bytes > _SMALL_BYTES:
        shutil.copyfile(file.source, destination)
        os.chmod(destination, file.mode)
        return
    source = os.open(file.source, os.O_RDONLY)
    try:
        content = os.read(source, file.size_bytes + 1)
    finally:
        os.close(source)
    copy = os.open(destination, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, file.mode)
    try:
        os.write(copy, content)
        os.fchmod(copy, file.mode)
    finally:
        os.close(copy)


def _program(name: str, search_path: str, directory: str) -> str:
    """The file to execute, as a shell would find it. Raises CannotStartContainerError in runc's words."""
    if "/" not in name:
        found = shutil.which(name, path=search_path)
        if found is None:
            raise CannotStartContainerError(
                f'exec: "{name}": executable file not found in $PATH; the process executor does not execute RUN: '
                "install it on this machine or in the environment that the local cloud runs in"
            )
        return os.path.join(directory, found)
    program = os.path.join(directory, name)
    try:
        mode = os.stat(program).st_mode
    except OSError:
        raise CannotStartContainerError(
            f'exec: "{name}": stat {name}: no such file or directory; COPY it into the image or correct ENTRYPOINT'
        ) from None
    if not (stat.S_ISREG(mode) and mode & 0o111):
        raise CannotStartContainerError(f'exec: "{name}": permission denied; make it an executable file')
    return program


def prepare(
    root: AttemptRoot, image: Image, work: AttemptWork, *, python_bin: Path, marker: Mapping[str, str]
) -> Launch:
    """Lay out `root` and say what to execute in it. Raises ContainerError; then nothing of it is left."""
    try:
        root.lay_out(image)
        return root.launch(image, work, python_bin=python_bin, marker=marker)
    except OSError as error:
        root.remove()
        raise CannotCreateContainerError(f"{root.directory}: {error.strerror}; free it and try again") from error
    except Exception:
        root.remove()
        raise
