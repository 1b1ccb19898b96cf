"""From a workflow to submitted jobs, as every command does it: all is checked before anything is sent."""

from __future__ import annotations

import dataclasses
import datetime as dt
import secrets
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from runner import batch_facts, deployment, placement, plan_text, planner
from runner.cli.options import Context
from runner.deployment import Deployment
from runner.durations import count
from runner.graph import TaskGraph
from runner.inputs import input_tags
from runner.ledger import Ledger, RecordedTask, RunRecord
from runner.names import new_run_id
from runner.outside_jobs import check_outside_jobs
from runner.plan import Plan
from runner.planner import Planned
from runner.program_bundle import Shipped, upload
from runner.run import Run
from runner.shipping import ship_programs
from runner.submission import Pause, submit
from runner.surroundings import Surroundings
from runner.workflow import Workflow

if TYPE_CHECKING:
    from runner.aws import AwsClients


@dataclass(frozen=True)
class Prepared:
    """A run in which nothing was found wrong; nothing is sent yet."""

    planned: Planned
    deployed: Deployment
    shipped: Mapping[str, Shipped]
    clients: AwsClients

    @property
    def plan(self) -> Plan:
        """What would be sent."""
        return self.planned.plan


def prepare(
    context: Context, workflow: Workflow, graph: TaskGraph, *, run_id: str | None = None, folds: bool = True
) -> Prepared:
    """Plan the run and check all of it. InputError, with every finding, for what is wrong.

    The run is a new one where no id is given.
    """
    shipped = ship_programs(graph, workflow.folder, workflow.places)
    clients = context.connect()
    deployed = deployment.read(clients.cloudformation, context.deployment, is_local=clients.is_local)
    tasks = [group.task for group in graph.groups]
    facts = batch_facts.fetch(
        clients.batch,
        clients.ec2,
        queues=[
            *(deployed.job_queue(task.queue) for task in tasks),
            *(deployed.job_queue(task.fallback.queue) for task in tasks if task.fallback is not None),
        ],
        definitions=[deployed.job_definition(task.job_definition) for task in tasks],
    )
    run_id = run_id or new_run_id(workflow.name, dt.datetime.now(dt.UTC), secrets.token_hex(3))
    around = Surroundings(
        deployment=deployed,
        definitions=facts.definitions,
        shipped=shipped,
        input_tags=input_tags(graph, deployed, run_id, clients.s3, workflow.places),
        region=clients.region,
    )
    planned = planner.plan(workflow.name, graph, run_id, workflow.places, around, folds=folds)
    placement.check(planned.jobs, facts, workflow.places)
    check_outside_jobs(planned.jobs, clients.batch, workflow.places)
    return Prepared(planned, deployed, shipped, clients)


def send(context: Context, prepared: Prepared) -> Run | None:
    """Upload the programs and submit the jobs: the run; None where Ctrl-C came first."""
    plan, clients, target = prepared.plan, prepared.clients, context.target
    _upload(context, prepared)
    record = RunRecord(
        run_id=plan.run_id,
        workflow=plan.workflow,
        created_at=time.time(),
        target=target if target.local else dataclasses.replace(target, region=clients.region),
        bucket=plan.bucket,
        prefix=plan.prefix,
        tasks=tuple(
            RecordedTask(
                name=job.task.name,
                job_name=job.job_name,
                job_queue=job.request["jobQueue"],
                needs=job.task.needs,
            )
            for job in plan.jobs
        ),
    )
    ledger = Ledger.create(context.home, record)
    context.say(f"run {plan.run_id}: {count(len(plan.jobs), 'job')}")
    done: list[str] = []
    is_terminal = sys.stderr.isatty()

    def on_submitted(task: str, job_id: str) -> None:
        done.append(task)
        if is_terminal and len(plan.jobs) >= _MANY_JOBS:
            click.echo(f"\rsubmitted {len(done)} of {len(plan.jobs)}", err=True, nl=len(done) == len(plan.jobs))
        del job_id

    try:
        submit(plan, clients.submitter, clients.batch, ledger, Pause(clock=time.time, sleep=time.sleep), on_submitted)
    except KeyboardInterrupt:
        context.say(
            f"\ninterrupted: {len(done)} of {len(plan.jobs)} jobs are submitted and run on; end them with: "
            f"hpc cancel {plan.run_id}{target.options()}"
        )
        return None
    return Run(ledger, clients.batch)


def _upload(context: Context, prepared: Prepared) -> None:
    for left_out in dict.fromkeys(program.left_out for program in prepared.shipped.values()):
        if left_out:
            context.say(f"not shipped: {', '.join(left_out)}")
    for name in dict.fromkeys(program.name for program in prepared.shipped.values() if program.is_of_image):
        context.say(f"{name}: is not here; the image's own is run")
    bundles = [program.bundle for program in prepared.shipped.values() if program.bundle is not None]
    if bundles:
        deployed = prepared.deployed
        now = dt.datetime.now(dt.UTC)
        sent = upload(prepared.clients.s3, deployed.bucket, deployed.programs_prefix, bundles, now)
        if sent:
            context.say(f"uploaded {sent:,} bytes to s3://{deployed.bucket}/{deployed.programs_prefix}")


def show(context: Context, prepared: Prepared, explained: str | None = None) -> None:
    """Say what would be sent; or where one task went, and why."""
    if explained is not None:
        found, text = plan_text.explanation(prepared.planned, explained)
        context.emit(found, text=text)
    else:
        context.emit(plan_text.document(prepared.planned), text=plan_text.overview(prepared.planned))
    context.say("dry run: everything is in order, nothing was submitted")
