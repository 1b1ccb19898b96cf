"""What a build in the cloud is sent: the image folders that it is to build, what to call the images, and how."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from image_tags import image_files
from runner.errors import InputError
from runner.image_push import Image

_SCRIPT: Final = "build_images.sh"
_LIST: Final = "images.txt"
_TAR: Final = "images.tar"

_EARLIEST: Final = (1980, 1, 1, 0, 0, 0)
"""That a zip can say."""


@dataclass(frozen=True)
class ImageArchive:
    """Bytes that are the same whenever and wherever the same folders are packed for the same images."""

    content: bytes
    digest: str
    """SHA-256, in hexadecimal."""

    def key(self, builds_prefix: str) -> str:
        """Where it lies in the bucket: a CodeBuild source in S3 ends in `.zip`."""
        return f"{builds_prefix}{self.digest}.zip"


def pack(images: Sequence[Image], builder: Path) -> ImageArchive:
    """The archive for these images; `builder` is the folder of the script that builds them there.

    A tar, which keeps executable bits, alone in a zip, which a source of CodeBuild's in S3 has to be. Not compressed:
    folders are kilobytes, and compressors differ between versions. InputError where there is no script.
    """
    script = builder / _SCRIPT
    if not script.is_file():
        raise InputError(f"{script}: builds the images in the cloud, got no such file; restore it in the checkout")
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        _add(tar, _SCRIPT, script.read_bytes(), executable=True)
        _add(tar, _LIST, "".join(f"{image.name} {image.uri}\n" for image in images).encode(), executable=False)
        for name, path in _files(images):
            _add(tar, name, path.read_bytes(), executable=bool(path.stat().st_mode & 0o100))
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(_TAR, _EARLIEST), held.getvalue())
    content = zipped.getvalue()
    return ImageArchive(content, hashlib.sha256(content).hexdigest())


def _files(images: Iterable[Image]) -> Iterable[tuple[str, Path]]:
    for image in images:
        for relative in image_files(image.folder):
            yield f"{image.name}/{relative.as_posix()}", image.folder / relative


def _add(tar: tarfile.TarFile, name: str, content: bytes, *, executable: bool) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.mode = 0o755 if executable else 0o644
    tar.addfile(member, io.BytesIO(content))
