"""Images by content tag, out of the folders of a checkout."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from image_tags import TAG_CHARACTERS, image_files, image_tag
from local_batch.executors.build_context import read_image
from local_batch.executors.errors import CannotCreateContainerError, CannotPullContainerError, DockerfileError
from local_batch.executors.image import Image

_TAG = re.compile(rf"[0-9a-f]{{{TAG_CHARACTERS}}}")

_Signature = tuple[tuple[str, int, int, int], ...]


class ImageStore:
    """Finds the folder whose content has a tag, and keeps a copy of it.

    A tag means the same content for ever: the copy is what later attempts run, however the folder is edited.
    """

    def __init__(self, *, roots: Sequence[Path], store: Path) -> None:
        """`roots` hold one folder an image; `store` is where the copies are kept, and is made when needed."""
        self._roots = tuple(roots)
        self._store = store
        self._images: dict[str, Image] = {}
        self._tags: dict[Path, tuple[_Signature, str]] = {}

    def resolve(self, reference: str) -> Image:
        """The image named `repository:tag`.

        Raises CannotPullContainerError where no folder has that tag, CannotCreateContainerError where its Dockerfile
        cannot be read or asks for what is not honoured.
        """
        tag = _tag_of(reference)
        image = self._images.get(tag)
        if image is None:
            folder = self.folder(reference)
            try:
                image = read_image(folder)
            except DockerfileError as error:
                raise CannotCreateContainerError(str(error)) from error
            self._images[tag] = image
        return image

    def folder(self, reference: str) -> Path:
        """The kept copy of the folder that the image named `repository:tag` is built from.

        Raises CannotPullContainerError where no folder has that tag.
        """
        tag = _tag_of(reference)
        if "@" in reference:
            raise CannotPullContainerError(
                f"{reference}: the local cloud pulls from no registry and runs folders, which no digest can be checked "
                f"against, got {reference.rpartition('@')[2]}; deploy without pins (image_digests), "
                f"so that images of {self._named_roots()} are named by tag"
            )
        if not _TAG.fullmatch(tag):
            raise CannotPullContainerError(
                f"{reference}: the local cloud pulls from no registry; an image here is repository:tag with the "
                f"{TAG_CHARACTERS} hexadecimal digits that `cdk synth` computes from its folder, got tag {tag!r}; "
                f"name an image of {self._named_roots()}"
            )
        kept = self._store / tag
        if kept.is_dir():
            return kept
        for folder in self._candidates():
            if self._tag(folder) == tag:
                return self._keep(folder, tag)
        raise CannotPullContainerError(
            f"{reference}: not found: no folder under {self._named_roots()} has the tag {tag}; "
            "deploy again after editing an image"
        )

    def _named_roots(self) -> str:
        return " or ".join(f"{root.name}/" for root in self._roots)

    def _candidates(self) -> list[Path]:
        return [
            folder
            for root in self._roots
            if root.is_dir()
            for folder in sorted(root.iterdir())
            if (folder / "Dockerfile").is_file()
        ]

    def _tag(self, folder: Path) -> str:
        signature = _signature(folder)
        known = self._tags.get(folder)
        if known is None or known[0] != signature:
            known = (signature, image_tag(folder))
            self._tags[folder] = known
        return known[1]

    def _keep(self, folder: Path, tag: str) -> Path:
        self._store.mkdir(parents=True, exist_ok=True)
        copy = Path(tempfile.mkdtemp(prefix=f"{tag}.", dir=self._store))
        try:
            for relative in image_files(folder):
                (copy / relative).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(folder / relative, copy / relative)
            is_true = image_tag(copy) == tag
            if is_true:
                _rename(copy, self._store / tag)
        finally:
            shutil.rmtree(copy, ignore_errors=True)
        if not is_true:
            raise CannotPullContainerError(f"{folder}: it was edited while it was read; deploy again")
        return self._store / tag


def _rename(copy: Path, kept: Path) -> None:
    try:
        copy.rename(kept)
    except OSError:
        # Somebody was faster; theirs has the same content.
        if not kept.is_dir():
            raise


def _tag_of(reference: str) -> str:
    if not reference.isprintable():
        raise CannotPullContainerError(f"{reference!r}: the name of an image is printable; correct it")
    return reference.rpartition(":")[2]


def _signature(folder: Path) -> _Signature:
    """Changes when a file does, without reading any."""
    signature = []
    for relative in image_files(folder):
        status = (folder / relative).stat()
        signature.append((relative.as_posix(), status.st_mode, status.st_size, status.st_mtime_ns))
    return tuple(signature)
