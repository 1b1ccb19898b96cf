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

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local_batch.executors.errors import CannotCreateContainerError, CannotStartContainerError
from local_batch.executors.image import DEFAULT_PATH, Image
from local_batch.executors.work import AttemptWork

TEMPORARY = "tmp"
"""TMPDIR, as `/tmp` is in a container: private to the attempt."""

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
        self.directory = directory
        self._root = str(directory)

    def lay_out(self, image: Image) -> None:
        """Make the directory, anew where it exists, and put the image's files into it. Raises OSError."""
        self._make_directory()
        (self.directory / TEMPORARY).mkdir()
        for name in image.directories:
            (self.directory / name).mkdir(exist_ok=True)
        for file in image.files:
            destination = self.directory / file.destination
            shutil.copy(file.source, destination)
            if file.mode is not None:
                destination.chmod(file.mode)

    def _make_directory(self) -> None:
        while True:
            self.directory.parent.mkdir(exist_ok=True)
            try:
                self.directory.mkdir()
            except FileExistsError:
                shutil.rmtree(self.directory)
            except FileNotFoundError:
                # Another attempt of the job was just removed, and the job's directory with it.
                continue
            else:
                return

    def remove(self) -> None:
        """Remove the directory, and the job's when it was the last in it. What cannot be removed stays."""
        shutil.rmtree(self.directory, ignore_errors=True)
        try:
            self.directory.parent.rmdir()
        except OSError:
            return

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
            "HOME": self._root,
            "LANG": "C.UTF-8",
            "TMPDIR": f"{self._root}/{TEMPORARY}",
            **{name: self.host_path(value) for name, value in {**config.env, **work.environment}.items()},
            **marker,
        }
        environment["PATH"] = self._search_path(environment.get("PATH", DEFAULT_PATH), python_bin)
        directory = self._root + config.workdir.rstrip("/")
        argv = tuple(self.host_path(argument) for argument in argv)
        return Launch(_program(argv[0], environment["PATH"], directory), argv, environment, directory)

    def host_path(self, text: str) -> str:
        """`text` with the absolute paths in it that are the attempt's led into its directory."""
        return _PATH_WORD.sub(self._led, text) if "/" in text else text

    def _led(self, match: re.Match[str]) -> str:
        path = match.group()
        inside = Path(self._root + path)
        if inside.exists():
            return str(inside)
        is_made_here = inside.parent != self.directory and inside.parent.is_dir()
        return str(inside) if is_made_here and not Path(path).exists() else path

    def _search_path(self, path: str, python_bin: Path) -> str:
        names = path.split(":")
        of_image = [name for name in names if name.startswith(self._root)]
        return ":".join((*of_image, str(python_bin), *(name for name in names if name not in of_image)))


def _program(name: str, search_path: str, directory: str) -> str:
    """The file to execute, as a shell would find it. Raises CannotStartContainerError in runc's words."""
    if "/" in name:
        candidate = Path(directory, name)
        if not candidate.exists():
            raise CannotStartContainerError(
                f"exec: {_quoted(name)}: stat {name}: no such file or directory; COPY it into the image or correct "
                "ENTRYPOINT"
            )
        if not _is_executable(candidate):
            raise CannotStartContainerError(f"exec: {_quoted(name)}: permission denied; make it executable")
        return str(candidate)
    found = shutil.which(name, path=search_path)
    if found is None:
        raise CannotStartContainerError(
            f"exec: {_quoted(name)}: executable file not found in $PATH; the process executor does not execute RUN: "
            "install it on this machine or in the environment that the local cloud runs in"
        )
    return str(Path(directory, found))


def _is_executable(path: Path) -> bool:
    return path.is_file() and bool(path.stat().st_mode & 0o111)


def _quoted(name: str) -> str:
    return f'"{name}"'


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
