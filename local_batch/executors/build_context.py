"""The files that the COPY instructions of an image take from its folder."""

from __future__ import annotations

import posixpath
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
    context = {}
    for path in image_files(folder):
        if not is_ignored(name := path.as_posix()):
            status = (folder / path).stat()
            context[name] = ImageFile(str(folder / path), name, stat.S_IMODE(status.st_mode), status.st_size)
    contents = _Contents(folder / "Dockerfile", context)
    files, directories = contents.of(config.copies, config.directories)
    top_level = frozenset(name.partition("/")[0] for name in (*directories, *files))
    return Image(config, tuple(sorted(directories)), tuple(files.values()), top_level)


@dataclass(frozen=True, slots=True)
class _Contents:
    """What COPY instructions bring together."""

    dockerfile: Path
    context: Mapping[str, ImageFile]

    def of(self, copies: Sequence[CopyInstruction], made: Sequence[str]) -> tuple[dict[str, ImageFile], set[str]]:
        """Files by destination, and directories, where instructions other than COPY made some of them."""
        files: dict[str, ImageFile] = {}
        directories = _with_parents({name.lstrip("/") for name in made})
        for copy in copies:
            found = self.context if copy.stage is None else self.of(copy.stage.copies, copy.stage.directories)[0]
            try:
                copied = list(_copied(list(found), copy, into=copy.destination.strip("/") in directories))
            except ValueError as error:
                raise DockerfileError(f"{self.dockerfile}:{copy.line}: {error}") from error
            for source, destination in copied:
                mode = found[source].mode if copy.mode is None else copy.mode
                files[destination] = replace(found[source], destination=destination, mode=mode)
            directories |= _with_parents({posixpath.dirname(destination) for _, destination in copied})
        return files, directories


def _copied(names: Sequence[str], copy: CopyInstruction, *, into: bool) -> Iterator[tuple[str, str]]:
    """(source, destination in the image) of each of these files that one COPY takes. Raises ValueError for none."""
    for pattern in copy.sources:
        source = posixpath.normpath(pattern).lstrip("/") or "."
        found = source == "."
        for name in names:
            beneath = _beneath(name, source)
            if beneath is None:
                continue
            found = True
            if not beneath and (into or copy.destination.endswith("/")):
                beneath = posixpath.basename(name)
            yield name, posixpath.join(copy.destination, beneath).strip("/")
        if not found and copy.stage is not None:
            raise ValueError(
                f"a source of COPY --from is what stage {copy.stage.name} copied from the folder, as nothing is built "
                f"here, got {pattern!r}; copy it from the folder"
            )
        if not found:
            raise ValueError(
                f"a source of COPY is a file of the folder that .dockerignore leaves in, got {pattern!r}; correct the "
                "source or add the file"
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
