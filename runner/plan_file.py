"""The requests of one submission in a file: whole, on disk, before any of them is sent."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from runner.content_hashes import CHARACTERS
from runner.errors import InputError
from runner.plan import Dependency, PlannedRequest

_LEVEL: Final = 3
"""Of compression: names and hashes do not get much smaller at a higher one."""


def name(submission: int) -> str:
    """The file of a run's n-th submission, from 1."""
    return f"plan-{submission}.jsonl.gz"


def write(path: Path, requests: Sequence[PlannedRequest]) -> str:
    """Write the file and have it on disk; the SHA-256 of its bytes. Raises OSError."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=_LEVEL, mtime=0) as packed:
        for request in requests:
            packed.write(json.dumps(_document(request), separators=(",", ":")).encode() + b"\n")
    content = buffer.getvalue()
    partial = path.with_name(f".{path.name}.part")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    return hashlib.sha256(content).hexdigest()


def read(path: Path, digest: str) -> list[PlannedRequest]:
    """The requests. Raises InputError for a file that is not there, or not the one of that hash."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: holds what the run submits, got {error.strerror}; bring the folder back, or the run from the "
            "bucket: hpc resume RUN in another folder"
        ) from None
    if hashlib.sha256(content).hexdigest() != digest:
        raise InputError(
            f"{path}: is the plan that the run's ledger names by its hash, got another file; bring it back, or the run "
            "from the bucket: hpc resume RUN in another folder"
        )
    return list(_requests(content))


def _requests(content: bytes) -> Iterator[PlannedRequest]:
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
        for line in packed:
            yield _request(json.loads(line))


def _document(planned: PlannedRequest) -> dict[str, Any]:
    document: dict[str, Any] = {"request": planned.request, "tasks": list(planned.tasks), "group": planned.group}
    optional = {
        "depends_on": [list(dependency) for dependency in planned.depends_on],
        "after": list(planned.after),
        "waits_for": list(planned.waits_for),
        "may_fail": planned.may_fail,
        "is_finally": planned.is_finally,
        "fallback_queue": planned.fallback_queue,
        "content": "".join(planned.content),
    }
    return document | {key: value for key, value in optional.items() if value}


def _request(document: Mapping[str, Any]) -> PlannedRequest:
    content = document.get("content", "")
    return PlannedRequest(
        request=document["request"],
        tasks=tuple(document["tasks"]),
        group=document["group"],
        depends_on=tuple(Dependency(*entry) for entry in document.get("depends_on", ())),
        after=tuple(document.get("after", ())),
        waits_for=tuple(document.get("waits_for", ())),
        may_fail=document.get("may_fail", False),
        is_finally=document.get("is_finally", False),
        fallback_queue=document.get("fallback_queue"),
        content=tuple(content[at : at + CHARACTERS] for at in range(0, len(content), CHARACTERS)),
    )
