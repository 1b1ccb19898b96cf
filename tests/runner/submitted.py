"""Runs for tests: ledgers of plans, clocks, submission without chance."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from runner.aws_clients import BatchClient
from runner.ledger import Ledger
from runner.planner import Planned
from runner.run_record import RunRecord
from runner.submission import Submission, Voice
from runner.submit_call import Pause
from runner.submit_rate import NoRate
from runner.target import Target


def record(made: Planned, target: Target | None = None, created_at: float = 1000.0) -> RunRecord:
    """What the ledger of a plan begins with."""
    return RunRecord(
        run_id=made.plan.run_id,
        workflow=made.plan.workflow,
        created_at=created_at,
        target=target or Target(local=True),
        bucket=made.plan.bucket,
        prefix=made.plan.prefix,
        requests=made.plan.requests,
    )


class Clock:
    """Time that passes only in sleep."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now
        self.slept: list[float] = []

    def __call__(self) -> float:
        """Seconds since the epoch."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.slept.append(seconds)
        self.now += seconds


def pause(clock: Clock, settle_seconds: float = 0.0) -> Pause:
    """Back-off without chance."""
    return Pause(clock=clock, sleep=clock.sleep, settle_seconds=settle_seconds, jitter=lambda _least, most: most)


class OneClient:
    """Clients that are all the same."""

    def __init__(self, batch: BatchClient, on_renew: Callable[[], None] = lambda: None) -> None:
        self.batch = batch
        self.submitter = batch
        self._on_renew = on_renew

    def renew(self) -> None:
        """As after a log-in."""
        self._on_renew()


def submission(
    ledger: Ledger, batch: Any, clock: Clock | None = None, said: list[str] | None = None, **options: Any
) -> Submission:
    """Of what the ledger says; what is told to people goes to `said`."""
    clients = batch if isinstance(batch, OneClient) else OneClient(batch)
    voice = Voice(submitted=lambda _: None, say=(said if said is not None else []).append)
    rate, stopping = options.pop("rate", NoRate()), options.pop("stopping", None)
    return Submission(ledger, clients, pause(clock or Clock(), **options), rate, voice, stopping=stopping)


def submitted(home: Path, batch: BatchClient, made: Planned, clock: Clock | None = None) -> Ledger:
    """The ledger of a plan, all of it submitted."""
    ledger = Ledger.create(home, record(made))
    submission(ledger, batch, clock).run()
    return ledger
