"""Runs whose requests have jobs, made one after the other: ids of jobs are in the order of the requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runner.ledger import Ledger
from runner.plan import Dependency, PlannedRequest
from runner.planner import Planned
from runner.requests import with_dependencies
from runner.run import Run
from runner.run_record import RunRecord
from runner.target import Target
from tests.runner.fake_batch import FakeBatch, arn
from tests.runner.planned import RUN_ID, planned


def request(name: str, *needs: int | Dependency, size: int | None = None, **keys: Any) -> PlannedRequest:
    """A task that waits for others, given as indices of requests; with a size an array of tasks `name-0`, ...

    A barrier is one whose name is empty.
    """
    array = {} if size is None else {"arrayProperties": {"size": size}}
    tasks = [name] if size is None else [f"{name}-{child}" for child in range(size)]
    made = {"jobName": f"{RUN_ID}-{name or 'barrier'}", "jobQueue": arn("job-queue", "normal"), "jobDefinition": "d:1"}
    depends_on = tuple(need if isinstance(need, Dependency) else Dependency(need) for need in needs)
    return PlannedRequest(
        **{
            "request": {**made, **array},
            "tasks": tasks if name else (),
            "group": name or "barrier",
            "depends_on": depends_on,
            **keys,
        }
    )


def alone(tasks: Mapping[str, Mapping[str, Any]], **defaults: Any) -> Planned:
    """The plan of such tasks, every one a job of its own."""
    return planned(tasks, folds=False, **defaults)


def record(requests: Sequence[PlannedRequest]) -> RunRecord:
    """A run of these requests, made at the second 1,000."""
    return RunRecord(
        run_id=RUN_ID,
        workflow="w",
        created_at=1000.0,
        target=Target(local=True),
        bucket="bucket",
        prefix=f"results/{RUN_ID}/",
        requests=requests,
    )


def send(ledger: Ledger, batch: FakeBatch, wanted: Sequence[int], now: float = 1000.0) -> None:
    """Submit requests of a run whose ledger has them."""
    known = ledger.read()
    ids = dict(known.job_ids)
    for index in wanted:
        one = known.requests[index]
        ledger.begin([index], now)
        sent = with_dependencies(one.request, one.after, one.depends_on, ids)
        ids[index] = str(batch.submit_job(**sent)["jobId"])
        ledger.submitted({index: ids[index]}, now)


def submitted(home: Path, batch: FakeBatch, made: Planned | Sequence[PlannedRequest]) -> Run:
    """A run all of whose requests, but those that wait for others to end, have jobs."""
    requests = made.plan.requests if isinstance(made, Planned) else made
    ledger = Ledger.create(home, record(requests))
    held: set[int] = set()
    for index, one in enumerate(requests):
        if one.waits_for or any(dependency.request in held for dependency in one.depends_on):
            held.add(index)
        else:
            send(ledger, batch, [index])
    return Run(ledger, batch)
