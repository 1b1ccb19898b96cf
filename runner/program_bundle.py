"""Code that jobs run, shipped without a new image: one archive, named by the hash of its bytes.

The same files make the same bytes on every machine with the same zlib, so that what is in the bucket already is not
sent again; a job that fetches an archive checks it against its name.
"""

from __future__ import annotations

import base64
import datetime as dt
import gzip
import hashlib
import os
import stat
import tarfile
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Final

from botocore.exceptions import ClientError

from runner.aws_clients import S3Client
from runner.errors import HpcError

MAX_PROGRAM_BYTES: Final = 256 << 20
"""Of all files together: every node fetches and unpacks them before it can begin. Data belongs into the bucket."""

MAX_AGE: Final = dt.timedelta(days=15)
"""Of an archive in the bucket that is used again: half of the 30 days after which the bucket deletes it.

A job may wait that long for others, or for capacity, before it fetches its program.
"""

IGNORED: Final = frozenset(
    {
        *(".git", ".hg", ".svn", ".hpc", ".venv", "node_modules", ".DS_Store"),
        *("__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".ipynb_checkpoints"),
    }
)
"""Names that are left out of a directory: what tools keep for themselves."""

RESULTS: Final = "results"
"""The folder that a program leaves what is to be kept in: an earlier run's is not shipped."""

_MAKEFILES: Final = frozenset({"GNUmakefile", "makefile", "Makefile"})
_ABSENT: Final = frozenset({"404", "NoSuchKey", "NotFound"})


class ShippingError(HpcError):
    """Something cannot be shipped. `key` names who asked for it: program, files or command; `index` which of them."""

    def __init__(self, text: str, key: str = "program", index: int | None = None) -> None:
        super().__init__(text)
        self.key = key
        self.index = index


@dataclass(frozen=True, kw_only=True, eq=False)
class Bundle:
    """An archive, packed and not yet sent."""

    digest: str
    """SHA-256 of its bytes, in hex."""
    size_bytes: int
    content: IO[bytes]
    """A file without a name: it is gone when nobody holds it any more."""

    def key(self, programs_prefix: str) -> str:
        """Its key in the bucket."""
        return f"{programs_prefix}{self.digest}.tar.gz"


@dataclass(frozen=True, kw_only=True)
class Shipped:
    """What a job runs."""

    name: str
    """Of the program: a path in the bundle, or one that the image has."""
    arguments: tuple[str, ...]
    bundle: Bundle | None
    """None where the image has everything."""
    is_of_image: bool
    """Whether the program was not found here."""
    left_out: tuple[str, ...] = ()
    """Paths in directories that were not packed."""


@dataclass(frozen=True)
class _Entry:
    """A path in the archive, and what stands there."""

    source: Path
    mode: int
    size_bytes: int


class _Collection:
    """Entries by their path in the archive."""

    def __init__(self) -> None:
        self.entries: dict[str, _Entry] = {}
        self.left_out: list[str] = []

    @property
    def files(self) -> list[str]:
        """Paths of what is not a directory."""
        return [name for name, entry in self.entries.items() if not stat.S_ISDIR(entry.mode)]

    def add(self, name: str, source: Path) -> None:
        """A file, directory or link; ShippingError for anything else, and for a second source of one name."""
        status = source.stat()
        known = self.entries.get(name)
        if known is not None and known.source != source:
            raise ShippingError(
                f"everything that is shipped has a name of its own, got {name!r} from {known.source} and {source}; "
                "rename one, or ship a directory that holds both"
            )
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            raise ShippingError(
                f"files and directories are shipped, got {source}, which is neither; remove it, or ship less"
            )
        size = status.st_size if stat.S_ISREG(status.st_mode) else 0
        self.entries[name] = _Entry(source, status.st_mode, size)

    def add_tree(self, root: Path, prefix: PurePosixPath, *, is_program: bool) -> None:
        """What a directory holds."""
        root = root.resolve()
        for folder, folders, files in os.walk(root, onerror=_unreadable):
            here = Path(folder)
            inside = prefix / here.relative_to(root).as_posix()
            for name in sorted([*folders, *files]):
                path, packed = here / name, (inside / name).as_posix()
                if name in IGNORED or (is_program and packed == RESULTS):
                    self.left_out.append(packed + ("/" if path.is_dir() else ""))
                    continue
                if path.is_symlink():
                    _check_link(path, root)
                self.add(packed, path)
            folders[:] = sorted(name for name in folders if (inside / name).as_posix() in self.entries)


def _check_link(path: Path, root: Path) -> None:
    """A link is shipped as the file that it leads to; one to a directory could lead in a circle."""
    target = path.resolve()
    if not target.is_relative_to(root) or not target.is_file():
        raise ShippingError(
            f"a link in a shipped directory leads to a file in it, got {path} to {path.readlink()}; replace it by "
            "what it leads to, or remove it"
        )


@dataclass(frozen=True, kw_only=True)
class Packed:
    """A program and the files beside it, before it is known what it is run with."""

    program: str
    """As it was asked for."""
    bundle: Bundle | None
    is_directory: bool
    is_of_image: bool
    names: tuple[str, ...]
    """Of the files in the archive."""
    left_out: tuple[str, ...]

    def run_with(self, arguments: Sequence[str]) -> Shipped:
        """What a job runs: where the program is a directory, the first argument names the one in it."""
        name, rest = self._chosen(arguments) if self.is_directory else (self._name_in_archive, tuple(arguments))
        return Shipped(
            name=name, arguments=rest, bundle=self.bundle, is_of_image=self.is_of_image, left_out=self.left_out
        )

    @property
    def _name_in_archive(self) -> str:
        return self.program if self.is_of_image else PurePosixPath(self.program).name

    def _chosen(self, arguments: Sequence[str]) -> tuple[str, tuple[str, ...]]:
        some = ", ".join(self.names[:8]) + (" and more" if len(self.names) > 8 else "")
        if not arguments:
            raise ShippingError(
                "the first argument after a directory names the program in it, got none after "
                f"{self.program!r}; use one of: {some}"
            )
        name = PurePosixPath(arguments[0])
        can_be_made = bool(_MAKEFILES.intersection(self.names)) and len(name.parts) == 1
        if name.as_posix() in self.names or can_be_made:
            return name.as_posix(), tuple(arguments[1:])
        raise ShippingError(
            f"the first argument after a directory names a program in it, got {arguments[0]!r}; use one of: {some}; "
            "or ship a Makefile that makes it",
            "command",
            0,
        )


def pack(program: str, files: Sequence[str], folder: Path) -> Packed:
    """Find a program and the files beside it, relative to a folder, and pack them.

    A bare name or an absolute path that is not here is a program of the image. Raises ShippingError.
    """
    collection = _Collection()
    path = folder / program
    if path.is_dir():
        collection.add_tree(path, PurePosixPath(), is_program=True)
        if not collection.files:
            raise ShippingError(f"a directory that is shipped holds files, got none in {program!r}; name another")
    elif path.exists():
        collection.add(path.name, path.resolve())
    for index, text in enumerate(files):
        try:
            _add_beside(collection, text, folder)
        except ShippingError as error:
            raise ShippingError(str(error), "files", index) from None
    is_here = path.exists() or program in collection.entries
    if not is_here and not program.startswith("/") and ("/" in program or PurePosixPath(program).suffix):
        raise ShippingError(
            "is a file or directory here, or the bare name or absolute path of a program of the image, "
            f"got {program!r}, which is not there; check the path"
        )
    return Packed(
        program=program,
        bundle=_archive(collection) if collection.entries else None,
        is_directory=path.is_dir(),
        is_of_image=not is_here,
        names=tuple(collection.files),
        left_out=tuple(collection.left_out),
    )


def pack_files(files: Mapping[str, Path]) -> Bundle:
    """Files by their paths in the archive. Raises ShippingError."""
    collection = _Collection()
    for name, path in files.items():
        collection.add(name, path)
    return _archive(collection)


def _add_beside(collection: _Collection, text: str, folder: Path) -> None:
    path = folder / text
    if not path.exists():
        raise ShippingError(f"is a file or directory here, got {text!r}, which is not there; check the path")
    # A path may end in dots: what it leads to has the name.
    name = path.name if path.name not in {"", ".", ".."} else path.resolve().name
    if name == RESULTS:
        raise ShippingError(
            f"{RESULTS}/ is the folder that a program leaves its results in, got {text!r} to ship; rename it"
        )
    collection.add(name, path.resolve())
    if path.is_dir():
        collection.add_tree(path, PurePosixPath(name), is_program=False)


def _archive(collection: _Collection) -> Bundle:
    size = sum(entry.size_bytes for entry in collection.entries.values())
    if size > MAX_PROGRAM_BYTES:
        raise ShippingError(
            f"a program and its files have at most {MAX_PROGRAM_BYTES >> 20} MiB together, as every node fetches them, "
            f"got {size >> 20} MiB; put data into the bucket and let the program read it from there"
        )
    content = tempfile.TemporaryFile()  # noqa: SIM115 - the bundle holds it until it is sent
    # No time, no owner, no file name: nothing but the content decides the bytes.
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=content, mtime=0, compresslevel=6) as zipped,
        tarfile.open(mode="w", fileobj=zipped, format=tarfile.PAX_FORMAT) as archive,
    ):
        for name in sorted(collection.entries):
            _write(archive, name, collection.entries[name])
    size_bytes = content.seek(0, os.SEEK_END)
    content.seek(0)
    digest = hashlib.file_digest(content, "sha256").hexdigest()
    content.seek(0)
    return Bundle(digest=digest, size_bytes=size_bytes, content=content)


def _write(archive: tarfile.TarFile, name: str, entry: _Entry) -> None:
    member = tarfile.TarInfo(name)
    member.mode = 0o755 if stat.S_ISDIR(entry.mode) or entry.mode & stat.S_IXUSR else 0o644
    if stat.S_ISDIR(entry.mode):
        member.type = tarfile.DIRTYPE
        archive.addfile(member)
    else:
        member.size = entry.size_bytes
        try:
            with entry.source.open("rb") as file:
                archive.addfile(member, file)
        except OSError as error:
            raise ShippingError(
                f"what is shipped can be read, got {error.strerror or 'a file that shrank'} for {entry.source}; "
                "change its mode, or ship less"
            ) from None


def _unreadable(error: OSError) -> None:
    raise ShippingError(
        f"what is shipped can be read, got {error.strerror} for {error.filename}; change its mode, or ship less"
    ) from None


def upload(s3: S3Client, bucket: str, programs_prefix: str, bundles: Iterable[Bundle], now: dt.datetime) -> int:
    """Send what the bucket does not have, or not for long enough any more; how many bytes that were.

    An archive that is sent again begins its life in the bucket anew.
    """
    sent = 0
    for bundle in {bundle.digest: bundle for bundle in bundles}.values():
        key = bundle.key(programs_prefix)
        written = _last_modified(s3, bucket, key)
        if written is not None and now - written < MAX_AGE:
            continue
        bundle.content.seek(0)
        s3.put_object(
            Bucket=bucket,
            Key=key,
            Body=bundle.content,
            ContentType="application/gzip",
            # S3 refuses bytes that changed on the way.
            ChecksumSHA256=base64.b64encode(bytes.fromhex(bundle.digest)).decode(),
        )
        sent += bundle.size_bytes
    return sent


def _last_modified(s3: S3Client, bucket: str, key: str) -> dt.datetime | None:
    try:
        answer = s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in _ABSENT:
            return None
        raise
    written: dt.datetime = answer["LastModified"]
    return written
