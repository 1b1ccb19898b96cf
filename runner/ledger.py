"""What a run did, on disk before it is done: the only thing that must survive the runner.

A folder for each run. `plan-N.jsonl.gz` holds the requests of its n-th submission, `ledger.jsonl` what became of them:
lines of JSON, appended to and never rewritten. A line that was torn by a crash can only be the last one: what it would
have said had not happened yet.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from runner import plan_file
from runner.errors import HpcError, InputError
from runner.plan import PlannedRequest
from runner.run_record import RunRecord
from runner.target import Target

FILE_NAME: Final = "ledger.jsonl"
LOCK_NAME: Final = "lock"
_VERSION: Final = 2


class Ledger:
    """The ledger of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen = 0
        self._record: RunRecord | None = None

    @property
    def folder(self) -> Path:
        """Where plan and ledger are."""
        return self.path.parent

    @classmethod
    def create(cls, home: Path, record: RunRecord) -> Ledger:
        """Begin the ledger of a new run, its requests on disk; HpcError where it cannot be written."""
        folder = home / "runs" / record.run_id
        try:
            folder.mkdir(parents=True)
            ledger = cls(folder / FILE_NAME)
            digest = plan_file.write(folder / plan_file.name(1), record.requests)
            ledger._append(("run", _head(record)), _plan_line(1, digest, len(record.requests)))
            # The entries in the folder are to survive a power cut as the lines do.
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise _unwritten(folder, error) from error
        return ledger

    def add(self, requests: Sequence[PlannedRequest]) -> None:
        """Another submission of the same run; HpcError where it cannot be written."""
        number = len(list(self.folder.glob(plan_file.name(0).replace("0", "*")))) + 1
        try:
            digest = plan_file.write(self.folder / plan_file.name(number), requests)
            self._append(_plan_line(number, digest, len(requests)))
        except OSError as error:
            raise _unwritten(self.folder, error) from error

    def begin(self, requests: Iterable[int], now: float) -> None:
        """SubmitJob is about to be called for these requests."""
        self._written(("begin", {"requests": list(requests), "at": now}))

    def submitted(self, jobs: Mapping[int, str], now: float) -> None:
        """Requests have their jobs, by id."""
        self._written(("submitted", {"jobs": list(jobs.items()), "at": now}))

    def ended(self, request: int, detail: Mapping[str, Any]) -> None:
        """A request's job has ended so; remembered because Batch forgets jobs after a week."""
        self._written(("ended", {"request": request, "detail": detail}))

    def child_ended(self, request: int, child: int, detail: Mapping[str, Any]) -> None:
        """A child of an array has ended so."""
        self._written(("child", {"request": request, "child": child, "detail": detail}))

    def children_ended(self, request: int, details: Mapping[int, Mapping[str, Any]]) -> None:
        """The same for many, on disk at once."""
        lines = [{"request": request, "child": child, "detail": detail} for child, detail in details.items()]
        self._written(*(("child", line) for line in lines))

    def cancelled(self, now: float) -> None:
        """Nothing more of the run is to be submitted."""
        self._written(("cancelled", {"at": now}))

    def read(self) -> RunRecord:
        """What the ledger says up to now; InputError for a file that is none."""
        size = self.path.stat().st_size
        if self._record is None or size < self._seen:
            self._record, self._seen = None, 0
        if self._record is not None and size == self._seen:
            return self._record
        lines = list(self._lines())
        if self._record is None:
            head = lines.pop(0) if lines else {}
            if head.get("event") != "run" or head.get("version") != _VERSION:
                raise InputError(f"{self.path}: is a run's ledger of this version, got another file; name another run")
            self._record = _record(head)
        if lines:
            self._record = self._told(self._record, lines)
        return self._record

    def head(self) -> RunRecord:
        """The same without requests and what became of them."""
        with self.path.open(encoding="utf-8") as file:
            line = file.readline()
        try:
            head = json.loads(line)
            if head.get("event") == "run" and head.get("version") == _VERSION:
                return _record(head)
        except ValueError:
            pass
        raise InputError(f"{self.path}: is a run's ledger of this version, got another file; name another run")

    @contextlib.contextmanager
    def locked(self, wait_seconds: float = 0.0) -> Iterator[None]:
        """While one process submits, no other does. Raises HpcError where another is at it, and stays so."""
        path = self.folder / LOCK_NAME
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise _unwritten(path, error) from error
        try:
            if not _is_taken(descriptor, wait_seconds):
                holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
                raise HpcError(
                    f"run {self.folder.name}: is submitted by one process at a time, got process {holder} at it; wait "
                    "for it, or end it"
                )
            # Who holds it is for people only: a full disk is told of when the ledger is written.
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            yield
        finally:
            os.close(descriptor)

    def _told(self, record: RunRecord, lines: Iterable[Mapping[str, Any]]) -> RunRecord:
        requests: list[PlannedRequest] = list(record.requests)
        job_ids, submitted_at = dict(record.job_ids), dict(record.submitted_at)
        attempted, ended = dict(record.attempted), dict(record.ended)
        children = {request: dict(found) for request, found in record.ended_children.items()}
        submissions, cancelled_at = list(record.submissions), record.cancelled_at
        for line in lines:
            event = line["event"]
            if event == "plan":
                submissions.append(len(requests))
                requests += plan_file.read(self.folder / line["file"], line["sha256"])
                cancelled_at = None
            elif event == "begin":
                attempted |= dict.fromkeys(line["requests"], line["at"])
            elif event == "submitted":
                for request, job_id in line["jobs"]:
                    job_ids[request], submitted_at[request] = job_id, line["at"]
            elif event == "ended":
                ended[line["request"]] = line["detail"]
            elif event == "child":
                children.setdefault(line["request"], {})[line["child"]] = line["detail"]
            elif event == "cancelled":
                cancelled_at = line["at"]
        is_same = len(requests) == len(record.requests)
        return dataclasses.replace(
            record,
            requests=record.requests if is_same else tuple(requests),
            submissions=tuple(submissions),
            job_ids=job_ids,
            submitted_at=submitted_at,
            attempted=attempted,
            ended=ended,
            ended_children=children,
            cancelled_at=cancelled_at,
            index=record.index if is_same else None,
        )

    def _written(self, *lines: tuple[str, Mapping[str, Any]]) -> None:
        try:
            self._append(*lines)
        except OSError as error:
            raise _unwritten(self.path, error) from error

    def _append(self, *lines: tuple[str, Mapping[str, Any]]) -> None:
        text = "".join(json.dumps({"event": event, **said}, separators=(",", ":")) + "\n" for event, said in lines)
        content = text.encode()
        # One write to a file opened for appending: two processes' lines do not mix.
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            _drop_torn_line(descriptor)
            if os.write(descriptor, content) < len(content):
                raise OSError(28, "No space left on device")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _lines(self) -> Iterator[dict[str, Any]]:
        """Those that were not read before."""
        with self.path.open("rb") as file:
            file.seek(self._seen)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                try:
                    found = json.loads(line)
                except ValueError:
                    raise InputError(
                        f"{self.path}: byte {self._seen}: is a line of JSON, got another text; repair or remove the "
                        "line"
                    ) from None
                self._seen += len(line)
                yield found


def _is_taken(descriptor: int, wait_seconds: float) -> bool:
    """Whether the lock is ours now."""
    until = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(0.05)
        except OSError as error:
            raise HpcError(
                f"HPC_HOME: is a folder on a file system that has locks, got {error.strerror}; choose another place"
            ) from error
        else:
            return True


def _unwritten(path: Path, error: OSError) -> HpcError:
    return HpcError(
        f"{path}: the run's ledger is written before anything is submitted, got {error.strerror}; make room, "
        "or set HPC_HOME to a folder that can be written"
    )


def _drop_torn_line(descriptor: int) -> None:
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        os.ftruncate(descriptor, os.pread(descriptor, size, 0).rfind(b"\n") + 1)


def find(home: Path, wanted: str | None, *, local_only: bool = False) -> Ledger:
    """The ledger of a run by its id or the beginning of it, the newest run's for None.

    InputError where there is none, or more than one. `local_only` leaves out runs on AWS.
    """
    ledgers = [ledger for record, ledger in newest_first(home) if not local_only or record.target.local]
    matching = [ledger for ledger in ledgers if wanted is None or ledger.folder.name.startswith(wanted)]
    exact = [ledger for ledger in matching if ledger.folder.name == wanted]
    if len(exact) == 1 or (matching and wanted is None):
        return (exact or matching)[0]
    if len(matching) == 1:
        return matching[0]
    if wanted is not None and (home / "runs" / wanted / FILE_NAME).is_file():
        Ledger(home / "runs" / wanted / FILE_NAME).head()  # says why it is not among them
    names = ", ".join(ledger.folder.name for ledger in (matching or ledgers)[:5]) or "none"
    if wanted is None:
        raise InputError(f"{home / 'runs'}: holds the runs of this directory, got none; begin with: hpc run FILE")
    raise InputError(
        f"RUN: is the id of a run in {home / 'runs'}, or the only one that begins so, got {wanted!r}; "
        f"there {'are' if matching or ledgers else 'is'}: {names} (hpc runs lists all)"
    )


def newest_first(home: Path) -> list[tuple[RunRecord, Ledger]]:
    """All runs of a home, by their heads alone; those of another version of the ledger are left out."""
    found = []
    for path in (home / "runs").glob(f"*/{FILE_NAME}"):
        ledger = Ledger(path)
        with contextlib.suppress(InputError):
            found.append((ledger.head(), ledger))
    return sorted(found, key=lambda entry: entry[0].created_at, reverse=True)


def _plan_line(number: int, digest: str, requests: int) -> tuple[str, dict[str, Any]]:
    return "plan", {"file": plan_file.name(number), "sha256": digest, "requests": requests}


def _head(record: RunRecord) -> dict[str, Any]:
    return {
        "version": _VERSION,
        "run_id": record.run_id,
        "workflow": record.workflow,
        "created_at": record.created_at,
        "target": dataclasses.asdict(record.target),
        "bucket": record.bucket,
        "prefix": record.prefix,
        "runs_prefix": record.runs_prefix,
        "job_events_queue_url": record.job_events_queue_url,
        "source": record.source,
    }


def _record(head: Mapping[str, Any]) -> RunRecord:
    return RunRecord(
        run_id=head["run_id"],
        workflow=head["workflow"],
        created_at=head["created_at"],
        target=Target(**head["target"]),
        bucket=head["bucket"],
        prefix=head["prefix"],
        runs_prefix=head["runs_prefix"],
        job_events_queue_url=head["job_events_queue_url"],
        source=head["source"],
        requests=(),
    )
