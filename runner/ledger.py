"""What a run did, on disk before it is done: the only thing that must survive the runner.

One file of JSON lines a run, appended to and never rewritten. A line that was torn by a crash can only be the last one:
what it would have said had not happened yet.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from runner.errors import HpcError, InputError
from runner.target import Target

FILE_NAME: Final = "ledger.jsonl"
_VERSION: Final = 1


@dataclass(frozen=True, kw_only=True)
class RecordedTask:
    """A task as it was planned."""

    name: str
    job_name: str
    job_queue: str
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """Everything that a ledger says."""

    run_id: str
    workflow: str
    created_at: float
    """Seconds since the epoch."""
    target: Target
    bucket: str
    prefix: str
    tasks: tuple[RecordedTask, ...]
    """Each after all that it needs."""
    job_ids: Mapping[str, str] = field(default_factory=dict)
    """By task."""
    submitted_at: Mapping[str, float] = field(default_factory=dict)
    """Seconds since the epoch, by task."""
    attempted: frozenset[str] = frozenset()
    """Tasks whose submission was begun; those without an id may have a job nevertheless."""
    ended: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By task, what Batch last said of a job that has ended."""


class Ledger:
    """The ledger of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, home: Path, record: RunRecord) -> Ledger:
        """Begin the ledger of a new run; HpcError where it cannot be written."""
        folder = home / "runs" / record.run_id
        try:
            folder.mkdir(parents=True)
            ledger = cls(folder / FILE_NAME)
            ledger._append("run", _head(record))
            # The entry in the folder is to survive a power cut as the line does.
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise HpcError(
                f"{folder}: the run's ledger is written before anything is submitted, got {error.strerror}; make room, "
                "or set HPC_HOME to a folder that can be written"
            ) from error
        return ledger

    def begin(self, task: str, now: float) -> None:
        """SubmitJob is about to be called for a task."""
        self._append("begin", {"task": task, "at": now})

    def submitted(self, task: str, job_id: str, now: float) -> None:
        """A task has its job."""
        self._append("submitted", {"task": task, "job_id": job_id, "at": now})

    def ended(self, task: str, detail: Mapping[str, Any]) -> None:
        """A task's job has ended so; remembered because Batch forgets jobs after a week."""
        self._append("ended", {"task": task, "detail": detail})

    def read(self) -> RunRecord:
        """What the ledger says up to now; InputError for a file that is none."""
        lines = self._lines()
        head = next(lines, None)
        if head is None or head.get("event") != "run" or head.get("version") != _VERSION:
            raise InputError(f"{self.path}: is a run's ledger of this version, got another file; name another run")
        job_ids: dict[str, str] = {}
        submitted_at: dict[str, float] = {}
        attempted: set[str] = set()
        ended: dict[str, Mapping[str, Any]] = {}
        for line in lines:
            task = line["task"]
            if line["event"] == "begin":
                attempted.add(task)
            elif line["event"] == "submitted":
                job_ids[task], submitted_at[task] = line["job_id"], line["at"]
            elif line["event"] == "ended":
                ended[task] = line["detail"]
        return dataclasses.replace(
            _record(head),
            job_ids=job_ids,
            submitted_at=submitted_at,
            attempted=frozenset(attempted),
            ended=ended,
        )

    def _append(self, event: str, content: Mapping[str, Any]) -> None:
        line = json.dumps({"event": event, **content}, separators=(",", ":")) + "\n"
        # One write to a file opened for appending: two processes' lines do not mix.
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            _drop_torn_line(descriptor)
            os.write(descriptor, line.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _lines(self) -> Iterator[dict[str, Any]]:
        text = self.path.read_text(encoding="utf-8")
        for number, line in enumerate(text.splitlines(keepends=True), start=1):
            if not line.endswith("\n"):
                return
            try:
                yield json.loads(line)
            except ValueError:
                raise InputError(
                    f"{self.path}:{number}: is a line of JSON, got another text; repair or remove the line"
                ) from None


def _drop_torn_line(descriptor: int) -> None:
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        os.ftruncate(descriptor, os.pread(descriptor, size, 0).rfind(b"\n") + 1)


def find(home: Path, wanted: str | None, *, local_only: bool = False) -> Ledger:
    """The ledger of a run by its id or the beginning of it, the newest run's for None.

    InputError where there is none, or more than one. `local_only` leaves out runs on AWS.
    """
    ledgers = [ledger for record, ledger in newest_first(home) if not local_only or record.target.local]
    matching = [ledger for ledger in ledgers if wanted is None or ledger.path.parent.name.startswith(wanted)]
    exact = [ledger for ledger in matching if ledger.path.parent.name == wanted]
    if len(exact) == 1 or (matching and wanted is None):
        return (exact or matching)[0]
    if len(matching) == 1:
        return matching[0]
    names = ", ".join(ledger.path.parent.name for ledger in (matching or ledgers)[:5]) or "none"
    if wanted is None:
        raise InputError(f"{home / 'runs'}: holds the runs of this directory, got none; begin with: hpc run FILE")
    raise InputError(
        f"RUN: is the id of a run in {home / 'runs'}, or the only one that begins so, got {wanted!r}; "
        f"there {'are' if matching or ledgers else 'is'}: {names} (hpc runs lists all)"
    )


def newest_first(home: Path) -> list[tuple[RunRecord, Ledger]]:
    """All runs of a home."""
    found = [Ledger(path) for path in (home / "runs").glob(f"*/{FILE_NAME}") if path.stat().st_size]
    read = [(ledger.read(), ledger) for ledger in found]
    return sorted(read, key=lambda entry: entry[0].created_at, reverse=True)


def _head(record: RunRecord) -> dict[str, Any]:
    return {
        "version": _VERSION,
        "run_id": record.run_id,
        "workflow": record.workflow,
        "created_at": record.created_at,
        "target": dataclasses.asdict(record.target),
        "bucket": record.bucket,
        "prefix": record.prefix,
        "tasks": [dataclasses.asdict(task) for task in record.tasks],
    }


def _record(head: Mapping[str, Any]) -> RunRecord:
    tasks = tuple(RecordedTask(**{**task, "needs": tuple(task["needs"])}) for task in head["tasks"])
    return RunRecord(
        run_id=head["run_id"],
        workflow=head["workflow"],
        created_at=head["created_at"],
        target=Target(**head["target"]),
        bucket=head["bucket"],
        prefix=head["prefix"],
        tasks=tasks,
    )
