"""The ledger in the bucket: what another machine needs to go on with a run."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from runner import plan_file
from runner.aws_clients import S3Client
from runner.errors import HpcError, InputError
from runner.ledger import FILE_NAME, Ledger
from runner.results import list_objects

INTERVAL_SECONDS: Final = 10.0
"""Between two copies of a ledger that grows."""

OWNED_SECONDS: Final = 60.0
"""How long after its last copy a run counts as being submitted by the machine that made it."""

_ABSENT: Final = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchBucket"})


class LedgerMirror:
    """Copies the files of one run to the bucket."""

    def __init__(
        self, s3: Callable[[], S3Client], bucket: str, runs_prefix: str, ledger: Ledger, clock: Callable[[], float]
    ) -> None:
        """`s3` is asked for the client each time: credentials may be renewed on the way."""
        self._s3 = s3
        self._bucket = bucket
        self._prefix = f"{runs_prefix}{ledger.folder.name}/"
        self._ledger = ledger
        self._clock = clock
        self._copied: set[str] = set()
        self._last: float | None = None
        self.failure: str | None = None
        """Why the last copy could not be made."""

    def begin(self) -> None:
        """Copy plan and ledger before anything is submitted. Raises HpcError where that cannot be."""
        self._copy()
        if self.failure is not None:
            raise HpcError(
                f"s3://{self._bucket}/{self._prefix}: holds a copy of the run's ledger before anything is submitted, "
                f"got: {self.failure}; nothing was submitted"
            )

    def keep_up(self) -> None:
        """Copy what is new, not too often. A copy that fails is made later."""
        now = self._clock()
        if self._last is None or not 0 <= now - self._last < INTERVAL_SECONDS:
            self._copy()

    def end(self, *, is_submitted: bool) -> None:
        """Copy what is new; once all is submitted the run is nobody's in particular."""
        self._copy(is_owned=not is_submitted)

    def _copy(self, *, is_owned: bool = True) -> None:
        self._last = self._clock()
        try:
            for path in sorted(self._ledger.folder.glob(plan_file.name(0).replace("0", "*"))):
                self._copy_plan(path)
            # Who is at it stands beside the ledger, not in an object of its own: a request less each time.
            at = f"{self._last:.0f}" if is_owned else "0"
            self._put(FILE_NAME, self._ledger.path.read_bytes(), host=platform.node(), pid=str(os.getpid()), at=at)
            self.failure = None
        except ClientError as error:
            self.failure = str(error.response.get("Error", {}).get("Message") or error)
        except (BotoCoreError, OSError) as error:
            self.failure = str(error)

    def _copy_plan(self, path: Path) -> None:
        """Once: it is never written again."""
        if path.name not in self._copied:
            self._put(path.name, path.read_bytes())
            self._copied.add(path.name)

    def _put(self, name: str, content: bytes, **metadata: str) -> None:
        self._s3().put_object(Bucket=self._bucket, Key=f"{self._prefix}{name}", Body=content, Metadata=metadata)


def fetch(
    s3: S3Client, bucket: str, runs_prefix: str, run_id: str, home: Path, *, now: float, takes_over: bool
) -> Ledger | None:
    """Bring a run from the bucket to this machine; None where the bucket has none of that id.

    Raises InputError where another machine is submitting it, unless this one takes over.
    """
    prefix = f"{runs_prefix}{run_id}/"
    owner = _owner(s3, bucket, prefix)
    if owner is None:
        return None
    age = now - float(owner.get("at", "0"))
    # A time to come is that of a machine whose clock is ahead.
    if owner.get("host") != platform.node() and age < OWNED_SECONDS and not takes_over:
        raise InputError(
            f"run {run_id}: is submitted by one machine at a time, got process {owner.get('pid')} on "
            f"{owner.get('host')!r} at it {max(age, 0):.0f} s ago; wait until it has ended, or if it has for certain: "
            f"hpc resume {run_id} --take-over"
        )
    folder = home / "runs" / run_id
    folder.mkdir(parents=True, exist_ok=True)
    for stored in list_objects(s3, bucket, prefix):
        name = stored.key.removeprefix(prefix)
        if "/" in name:
            continue
        content = s3.get_object(Bucket=bucket, Key=stored.key)["Body"].read()
        partial = folder / f".{name}.part"
        partial.write_bytes(content)
        # The ledger comes before its plans by name; a folder without it is no run yet.
        partial.replace(folder / name)
    ledger = Ledger(folder / FILE_NAME)
    record = ledger.read()
    # A copy lags behind: any request may have been sent since, and is looked up before it is sent again.
    ledger.begin([index for index in range(len(record.requests)) if index not in record.job_ids], now)
    return ledger


def _owner(s3: S3Client, bucket: str, prefix: str) -> Mapping[str, str] | None:
    try:
        found: Mapping[str, str] = s3.head_object(Bucket=bucket, Key=f"{prefix}{FILE_NAME}").get("Metadata", {})
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in _ABSENT:
            return None
        raise
    return found
