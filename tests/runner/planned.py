"""Plans and states for tests, made through the code under test from a few words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner import deployment
from runner.aws_clients import BatchClient
from runner.deployment import Deployment
from runner.ledger import Ledger, RecordedTask, RunRecord
from runner.planner import Plan, plan
from runner.run import Run
from runner.shipping import ship_programs
from runner.submission import Pause, submit
from runner.target import Target
from runner.workflow import Workflow
from tests.runner.fake_aws import FakeCloudFormation, outputs

RUN_ID = "w-20261123-060000-abcdef"
NODE_RANGES = {"two:1": ("0:", "0:0"), "closed:1": ("0:0", "1:3")}
"""Of multi-node job definitions that tests make beside `mpi`, which has one range."""


def deployed() -> Deployment:
    """The deployment of the fakes."""
    return deployment.read(FakeCloudFormation(outputs()), "CloudHpc", is_local=False)


def planned(tasks: Mapping[str, Mapping[str, Any]], **defaults: Any) -> Plan:
    """The plan of tasks that run dopi on the normal queue unless they say otherwise."""
    workflow = Workflow("w", defaults={"job_definition": "dopi", "queue": "normal", **defaults})
    for name, keys in tasks.items():
        workflow.task(name, **keys)
    graph = workflow.graph()
    shipped = ship_programs(graph, workflow.folder, workflow.places)
    return plan("w", graph, deployed(), RUN_ID, workflow.places, shipped=shipped, node_ranges=NODE_RANGES)


def record(made: Plan, target: Target | None = None, created_at: float = 1000.0) -> RunRecord:
    """The head of the plan's ledger."""
    return RunRecord(
        run_id=made.run_id,
        workflow=made.workflow,
        created_at=created_at,
        target=target or Target(local=True),
        bucket=made.bucket,
        prefix=made.prefix,
        tasks=tuple(
            RecordedTask(
                name=job.task.name, job_name=job.job_name, job_queue=job.request["jobQueue"], needs=job.task.needs
            )
            for job in made.jobs
        ),
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


def pause(clock: Clock) -> Pause:
    """Back-off without chance."""
    return Pause(clock=clock, sleep=clock.sleep, jitter=lambda _least, most: most)


def submitted(home: Path, batch: BatchClient, made: Plan, clock: Clock | None = None) -> Run:
    """The plan's run, submitted."""
    ledger = Ledger.create(home, record(made))
    submit(made, batch, batch, ledger, pause(clock or Clock()), lambda _task, _job_id: None)
    return Run(ledger, batch)
