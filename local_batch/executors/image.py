"""What an image says about the containers made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""PATH of a container whose image sets none; the value Docker and the official base images give it."""

TEMPORARY = "tmp"
"""In an attempt's directory: TMPDIR, as `/tmp` is in a container, private to the attempt."""


@dataclass(frozen=True, slots=True)
class BuiltStage:
    """What of an earlier build stage is known without building it: what it copied itself."""

    name: str
    directories: tuple[str, ...]
    """As of ImageConfig."""

    copies: tuple[CopyInstruction, ...]


@dataclass(frozen=True, slots=True)
class CopyInstruction:
    """One COPY, or an ADD that does what COPY does."""

    line: int
    sources: tuple[str, ...]
    """Patterns relative to the build context, or to the root of the stage that is copied from."""

    destination: str
    """Absolute in the image; ends with a slash where it can only be a directory."""

    mode: int | None
    """Permissions from `--chmod`."""

    stage: BuiltStage | None = None
    """Of `--from`; None for the build context."""


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """The last stage of a Dockerfile. What its base image says is not known, and counts as nothing."""

    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...]
    env: Mapping[str, str]
    workdir: str
    """Absolute in the image; `/` where no WORKDIR is given."""

    directories: tuple[str, ...]
    """Absolute paths that WORKDIR and VOLUME bring into being."""

    copies: tuple[CopyInstruction, ...]
    user: str | None


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file that COPY puts into the image."""

    source: str
    destination: str
    """Relative to the image's root."""

    mode: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Image:
    """A container's beginning: configuration, directories and files. Nothing of it changes once it exists."""

    config: ImageConfig
    directories: tuple[str, ...]
    """Relative to the image's root, parents before children."""

    files: tuple[ImageFile, ...]

    top_level: frozenset[str]
    """Names in the image's root that come from its instructions, not from its base."""
