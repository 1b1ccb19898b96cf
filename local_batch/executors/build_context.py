"""The files that the COPY instructions of an image take from its folder."""

from __future__ import annotations

import posixpath
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from image_tags import image_files
from local_batch.executors.dockerfile import read_dockerfile
from local_batch.executors.dockerignore import glob_expression, ignored_by
from local_batch.executors.errors import DockerfileError
from local_batch.executors.image import CopyInstruction, Image, ImageFile


def read_image(folder: Path) -> Image:
    """The image that would be built from `folder`, without what RUN would do. Raises DockerfileError."""
    config = read_dockerfile(folder)
    is_ignored = ignored_by(folder)
    context = [name for path in image_files(folder) if not is_ignored(name := path.as_posix())]
    files: dict[str, ImageFile] = {}
    directories = _with_parents({name.lstrip("/") for name in config.directories})
    for copy in config.copies:
        try:
            copied = list(_copied(folder, context, copy, into=copy.destination.strip("/") in directories))
        except ValueError as error:
            raise DockerfileError(f"{folder / 'Dockerfile'}:{copy.line}: {error}") from error
        for source, destination in copied:
            status = (folder / source).stat()
            mode = stat.S_IMODE(status.st_mode) if copy.mode is None else copy.mode
            files[destination] = ImageFile(str(folder / source), destination, mode, status.st_size)
        directories |= _with_parents({posixpath.dirname(destination) for _, destination in copied})
    top_level = frozenset(name.partition("/")[0] for name in (*directories, *files))
    return Image(config, tuple(sorted(directories)), tuple(files.values()), top_level)


def _copied(folder: Path, context: list[str], copy: CopyInstruction, *, into: bool) -> Iterator[tuple[str, str]]:
    """(source in the folder, destination in the image) of each file that one COPY takes."""
    for pattern in copy.sources:
        source = posixpath.normpath(pattern).lstrip("/")
        found = source == "."
        for name in context:
            beneath = _beneath(name, source)
            if beneath is None:
                continue
            found = True
            if not beneath and (into or copy.destination.endswith("/")):
                beneath = posixpath.basename(name)
            yield name, posixpath.join(copy.destination, beneath).strip("/")
        if not found:
            raise DockerfileError(
                f"{folder / 'Dockerfile'}:{copy.line}: a source of COPY is a file of the folder that .dockerignore "
                f"leaves in, got {pattern!r}; correct the source or add the file"
            )


def _beneath(name: str, source: str) -> str | None:
    """The path of `name` beneath what the source matched: empty where that is `name` itself, None where nothing is."""
    if source == ".":
        return name
    expression = re.compile(glob_expression(source))
    parts = name.split("/")
    for depth in range(len(parts), 0, -1):
        if expression.fullmatch("/".join(parts[:depth])):
            return "/".join(parts[depth:])
    return None


def _with_parents(directories: set[str]) -> set[str]:
    closed: set[str] = set()
    for directory in directories:
        name = directory
        while name:
            closed.add(name)
            name = posixpath.dirname(name)
    return closed
