"""Tags of container images: the content hash of the image's folder.

Synth writes the tag into job definitions, `hpc images push` pushes under it and the local cloud finds the folder
by it, without any of them asking another. Imports nothing of ours.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

TAG_CHARACTERS = 16
"""Hex digits of SHA-256 kept: 64 bits, ample for the handful of images of one repository."""

_NOT_PART_OF_AN_IMAGE = frozenset({"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".DS_Store"})


def image_files(folder: Path) -> tuple[Path, ...]:
    """The files of an image's build context, relative to `folder`, in the order in which they are hashed."""
    return tuple(
        path.relative_to(folder)
        for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix())
        if path.is_file() and not _NOT_PART_OF_AN_IMAGE.intersection(path.relative_to(folder).parts)
    )


def image_tag(folder: Path) -> str:
    """The tag of the image built from `folder`: changes when a name, a byte or an executable bit of it does.

    Raises FileNotFoundError where the folder has no Dockerfile.
    """
    if not (folder / "Dockerfile").is_file():
        raise FileNotFoundError(f"{folder}: an image's folder holds a Dockerfile, got none; add one")
    digest = hashlib.sha256()
    for relative in image_files(folder):
        path = folder / relative
        executable = bool(path.stat().st_mode & 0o100)
        content = path.read_bytes()
        digest.update(f"{relative.as_posix()}\0{int(executable)}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:TAG_CHARACTERS]
