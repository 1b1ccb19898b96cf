"""How fast jobs are submitted: one bucket of tokens for all runners of a machine that submit to the same place.

The account may submit so many jobs a second, whoever does it; a throttled call costs a call and a wait. So the runners
of a machine share what is below that limit, through a small file, and slow down together when Batch says so.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from batch_limits import MAX_SUBMIT_JOB_PER_SECOND
from runner.errors import InputError

DEFAULT_PER_SECOND: Final = 0.8 * MAX_SUBMIT_JOB_PER_SECOND
"""Leaves room for runners of other machines, and for people."""

BURST_SECONDS: Final = 1.0
"""Of tokens that may be taken at once after a pause."""

_RECOVERY_SECONDS: Final = 60.0
"""In which a rate that was halved comes back to its own."""

_SLOWEST: Final = 1 / 16
_FASTEST: Final = 100_000
_LONGEST_WAIT_SECONDS: Final = 60.0
"""Whatever the file says: it may be of another boot, or broken."""


class SubmitRate:
    """Waits before each call where that is needed."""

    def __init__(
        self,
        file: Path | None,
        per_second: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """`file` is shared by runners; None shares nothing. `clock` is one that all processes of the machine share."""
        self._file = file
        self.per_second = per_second
        self._clock = clock
        self._sleep = sleep
        self._own = {"next": 0.0, "slowed": 1.0, "slowed_at": 0.0}

    def wait(self) -> None:
        """Take a token: return when the next call may be made."""
        with self._state() as state:
            now = self._clock()
            rate = self.per_second * self._slowed(state, now)
            due = state["next"] if state["next"] - now <= _LONGEST_WAIT_SECONDS else now
            state["next"] = max(due, now - BURST_SECONDS) + 1 / rate
            seconds = due - now
        if seconds > 0:
            self._sleep(seconds)

    def throttled(self) -> None:
        """Batch refused a call as one too many: all slow down to half, and come back to speed within a minute."""
        with self._state() as state:
            now = self._clock()
            state["slowed"] = max(self._slowed(state, now) / 2, _SLOWEST)
            state["slowed_at"] = now

    def _slowed(self, state: dict[str, float], now: float) -> float:
        passed = now - state["slowed_at"]
        if not 0 <= passed < _RECOVERY_SECONDS:
            return 1.0
        return state["slowed"] + (1 - state["slowed"]) * passed / _RECOVERY_SECONDS

    @contextlib.contextmanager
    def _state(self) -> Iterator[dict[str, float]]:
        if self._file is None:
            yield self._own
            return
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            state = {**self._own, **_told(os.pread(descriptor, 4096, 0))}
            yield state
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(state).encode(), 0)
        finally:
            os.close(descriptor)


class NoRate:
    """For a place without limit."""

    def wait(self) -> None:
        """Return at once."""

    def throttled(self) -> None:
        """Nothing is shared; who was throttled waits by itself."""


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _told(content: bytes) -> dict[str, float]:
    try:
        found = json.loads(content)
        return {key: float(found[key]) for key in ("next", "slowed", "slowed_at")}
    except (ValueError, KeyError, TypeError):
        return {}


def submit_rate(place: str, *, is_local: bool, sleep: Callable[[float], object] = time.sleep) -> SubmitRate | NoRate:
    """The rate for a place, which names account, region or endpoint. The local cloud has no limit of its own.

    HPC_SUBMIT_RATE sets another number of calls a second; InputError where it is none.
    """
    said = os.environ.get("HPC_SUBMIT_RATE")
    if said is None and is_local:
        return NoRate()
    per_second = DEFAULT_PER_SECOND if said is None else _number(said)
    if not _SLOWEST <= per_second <= _FASTEST:
        raise InputError(
            f"HPC_SUBMIT_RATE: is a number of SubmitJob calls a second, {_SLOWEST:g} to {_FASTEST:,} (an account has "
            f"{MAX_SUBMIT_JOB_PER_SECOND}: AWS Batch service quotas), got {said!r}; set for instance 20"
        )
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cloud-hpc"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file: Path | None = folder / f"submit-rate-{hashlib.sha256(place.encode()).hexdigest()[:12]}"
    except OSError:
        file = None  # without a place to share it, each keeps to the rate for itself
    return SubmitRate(file, per_second, sleep=sleep)
