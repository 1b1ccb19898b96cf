"""The objects that a run wrote: listed, downloaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from runner.aws_clients import S3Client
from runner.errors import HpcError


@dataclass(frozen=True)
class StoredObject:
    """One object."""

    key: str
    size_bytes: int


def list_objects(s3: S3Client, bucket: str, prefix: str) -> Iterator[StoredObject]:
    """Every object under the prefix, by key."""
    page: dict[str, Any] = {}
    while True:
        answer = s3.list_objects_v2(Bucket=bucket, Prefix=prefix, **page)
        for entry in answer.get("Contents", ()):
            yield StoredObject(entry["Key"], int(entry["Size"]))
        if not answer.get("IsTruncated"):
            return
        page = {"ContinuationToken": answer["NextContinuationToken"]}


def download(s3: S3Client, bucket: str, prefix: str, stored: StoredObject, folder: Path) -> Path:
    """Fetch an object into the folder, under the part of its key after the prefix; the file's path.

    A file appears whole or not at all. HpcError for a key that would lead out of the folder.
    """
    relative = PurePosixPath(stored.key.removeprefix(prefix).lstrip("/"))
    if not relative.parts or ".." in relative.parts:
        raise HpcError(
            f"s3://{bucket}/{stored.key}: lies below the run's prefix, got a key that leads elsewhere; fetch it by hand"
        )
    path = folder.joinpath(*relative.parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.part")
    body = s3.get_object(Bucket=bucket, Key=stored.key)["Body"]
    with partial.open("wb") as file:
        for chunk in body.iter_chunks(1 << 20):
            file.write(chunk)
    partial.replace(path)
    return path
