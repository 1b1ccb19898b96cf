"""From an image to the processes of its containers.

Nothing is mounted and nothing changes root for an attempt that asks for no such thing, so it sees the host's files.
What its image puts at absolute paths lies under the attempt's own directory instead, and paths in its arguments and
environment are led there:

- a path that exists under the attempt's directory is that one;
- a path that does not exist, but whose directory the image made (a result in WORKDIR, say), is to be made there too;
- anything else is the host's.

A path is led only where it stands as a word of its own (`/app/x`, `--in=/app/x`, `sh -c "cat /app/x"`,
`/app/bin:/bin`), and never `/` itself. Paths that a program makes up by itself are not seen.
"""

# All of this runs for every attempt, and making a Path costs as much as the system call that it is for.
# ruff: noqa: PTH110, PTH112, PTH116, PTH118, PTH120

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass

from local_batch.executors.attempt_root import ImageLayout
from local_batch.executors.errors import CannotCreateContainerError, CannotStartContainerError, quoted
from local_batch.executors.host_programs import HostPrograms
from local_batch.executors.image import DEFAULT_PATH, TEMPORARY, Image
from local_batch.executors.work import AttemptWork

_SEPARATORS = r"\s\"'=:,;()<>&|*?$`\\"


@dataclass(frozen=True, slots=True)
class Launch:
    """What to execute."""

    program: str
    """Absolute on the host."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    directory: str


class Recipe:
    """Launches containers of one image. What is the same for all of them is worked out once."""

    def __init__(self, image: Image, programs: HostPrograms) -> None:
        """`programs` are found by the image's as well as its own."""
        self.layout = ImageLayout(image)
        self._config = image.config
        self._programs_bin = programs.search_path
        self._defaults = {"LANG": "C.UTF-8", **programs.variables}
        names = "|".join(re.escape(name) for name in sorted({TEMPORARY, *image.top_level}))
        self._path_word = re.compile(
            rf"(?<![^\s\"'=:,;(<>&|])/(?:{names})(?=[{_SEPARATORS}/]|\Z)[^{_SEPARATORS}]*",
        )
        self._programs: dict[tuple[str, str], str] = {}

    def launch(self, directory: str, work: AttemptWork, extra: Mapping[str, str]) -> Launch:
        """The container's process, in the root at `directory`. Raises ContainerError.

        Its environment is the image's ENV, then the work's, besides PATH (where the host's programs come right after
        the directories of the image), HOME, TMPDIR, LANG and `extra`; nothing of this process's own.
        """
        config = self._config
        argv = (*config.entrypoint, *(work.command or config.cmd))
        if not argv:
            raise CannotCreateContainerError(
                f"{work.image}: no command specified: the job definition has no command and the image neither "
                "ENTRYPOINT nor CMD of its own; give one"
            )
        variables = {**config.env, **work.environment}
        for name, value in variables.items():
            if "/" in value:
                variables[name] = self._led(directory, value)
        environment = {
            **self._defaults,
            "HOME": directory,
            "TMPDIR": f"{directory}/{TEMPORARY}",
            **variables,
        }
        environment["PATH"] = self._search_path(environment.get("PATH", DEFAULT_PATH), directory)
        environment.update(extra)
        argv = tuple([self._led(directory, argument) if "/" in argument else argument for argument in argv])
        workdir = directory + config.workdir.rstrip("/")
        program = self._program(argv[0], environment["PATH"], workdir, directory)
        return Launch(program, argv, environment, workdir)

    def forget_programs(self) -> None:
        """Look for them again: one was not where it had been."""
        self._programs.clear()

    def _led(self, directory: str, text: str) -> str:
        """`text` with the absolute paths in it that are the attempt's led into its directory."""

        def led(match: re.Match[str]) -> str:
            path = match.group()
            inside = directory + path
            if os.path.exists(inside):
                return inside
            is_below = path.rstrip("/").count("/") > 1
            is_made_here = is_below and os.path.isdir(os.path.dirname(inside.rstrip("/")))
            return inside if is_made_here and not os.path.exists(path) else path

        return self._path_word.sub(led, text)

    def _search_path(self, path: str, directory: str) -> str:
        if directory not in path:
            return f"{self._programs_bin}:{path}"
        names = path.split(":")
        of_image = [name for name in names if name.startswith(directory)]
        return ":".join((*of_image, self._programs_bin, *(name for name in names if name not in of_image)))

    def _program(self, name: str, search_path: str, workdir: str, directory: str) -> str:
        """The file to execute, as a shell would find it. Raises CannotStartContainerError in runc's words."""
        program = self._programs.get((name, search_path))
        if program is None:
            is_path = "/" in name
            program = os.path.join(workdir, name) if is_path else _found(name, search_path, workdir)
            if is_path:
                _check_executable(name, program)
            # What is the host's is there for the next attempt too.
            if not program.startswith(directory) and (is_path or directory not in search_path):
                self._programs[name, search_path] = program
        return program


def _found(name: str, search_path: str, workdir: str) -> str:
    found = shutil.which(name, path=search_path)
    if found is None:
        raise CannotStartContainerError(
            f"exec: {quoted(name)}: executable file not found in $PATH; the process executor does not execute RUN: "
            "install it on this machine or in the environment that the local cloud runs in"
        )
    return os.path.join(workdir, found)


def _check_executable(name: str, program: str) -> None:
    try:
        mode = os.stat(program).st_mode
    except (OSError, ValueError):
        raise CannotStartContainerError(
            f"exec: {quoted(name)}: stat {quoted(name)[1:-1]}: no such file or directory; COPY it into the image or "
            "correct ENTRYPOINT"
        ) from None
    if not (stat.S_ISREG(mode) and mode & 0o111):
        raise CannotStartContainerError(f"exec: {quoted(name)}: permission denied; make it an executable file")
