"""`hpc run`: from a workflow file to jobs, and with them to their end."""

from __future__ import annotations

import dataclasses
import datetime as dt
import secrets
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner import batch_facts, deployment, placement, planner, workflow_file
from runner.cli.following import INTERRUPTED, follow_to_end
from runner.cli.options import Context, common_options, pass_context
from runner.durations import count
from runner.errors import InputError
from runner.ledger import Ledger, RecordedTask, RunRecord
from runner.names import new_run_id
from runner.places import Places
from runner.requests import with_dependencies
from runner.run import Run
from runner.submission import Pause, submit

if TYPE_CHECKING:
    from runner.aws import AwsClients


@click.command()
@click.argument("file", metavar="FILE")
@click.option("--detach", is_flag=True, help="Leave after submission; the jobs need no runner.")
@click.option("--dry-run", is_flag=True, help="Check everything and show the requests; submit nothing.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write the report here at the end.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A variable's value; repeatable.")
@common_options
@pass_context
def run(
    context: Context, *, file: str, detach: bool, dry_run: bool, report: Path | None, settings: tuple[str, ...]
) -> None:
    """Check a workflow, submit it and follow it to its end.

    FILE is a workflow in YAML, - for standard input; docs/workflows.md says what stands in it. Everything is checked
    before anything is submitted: the file, that every job can be placed, that no credential is given away.

    Exit code 0 if every task succeeded, 1 if one failed, 2 if nothing was submitted because the input is wrong, 130
    after Ctrl-C, which asks whether the jobs are to run on.
    """
    if detach and report is not None:
        raise InputError("--report: needs the run's end, got --detach; write it later with: hpc report RUN")
    workflow = workflow_file.read(file)
    graph = workflow.graph(_settings(settings))
    clients = context.connect()
    deployed = deployment.read(clients.cloudformation, context.deployment, is_local=clients.is_local)
    run_id = new_run_id(workflow.name, dt.datetime.now(dt.UTC), secrets.token_hex(3))
    plan = planner.plan(workflow.name, graph, deployed, run_id, workflow.places)
    _prove_placeable(plan, clients, places=workflow.places)
    if dry_run:
        _show(context, plan)
        return
    submitted = _submit(context, plan, clients)
    if submitted is None:
        click.get_current_context().exit(INTERRUPTED)
    if detach:
        state = submitted.look(time.time())
        context.emit(state.document(), text=run_id)
        context.say(f"follow it with: hpc status {run_id} --follow{context.target.options()}")
        return
    click.get_current_context().exit(follow_to_end(context, submitted, clients, report))


def _settings(texts: Iterable[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator:
            raise InputError(f"--set: is NAME=VALUE, got {text!r}; add the value")
        found[name] = value
    return found


def _prove_placeable(plan: planner.Plan, clients: AwsClients, places: Places) -> None:
    facts = batch_facts.fetch(
        clients.batch,
        clients.ec2,
        queues=[job.request["jobQueue"] for job in plan.jobs],
        definitions=[job.request["jobDefinition"] for job in plan.jobs],
    )
    placement.check(plan.jobs, facts, places)


def _submit(context: Context, plan: planner.Plan, clients: AwsClients) -> Run | None:
    """The submitted run; None where Ctrl-C came first."""
    target = context.target
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
        if is_terminal and len(plan.jobs) >= 50:
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


def _show(context: Context, plan: planner.Plan) -> None:
    requests = [with_dependencies(job.request, [f"<id of {name}>" for name in job.task.needs]) for job in plan.jobs]
    lines = [
        f"{job.task.name}: {job.request['jobDefinition']} on {job.request['jobQueue']}"
        + (f" after {', '.join(job.task.needs)}" if job.task.needs else "")
        for job in plan.jobs
    ]
    context.emit({"run": plan.run_id, "requests": requests}, text="\n".join(lines))
    context.say("dry run: everything is in order, nothing was submitted")
