"""`hpc logs`: what a task printed."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from runner import logs as job_logs
from runner.cli.opened_run import open_run
from runner.cli.options import Context, common_options, pass_context
from runner.described_job import DescribedJob, from_detail
from runner.errors import InputError
from runner.job_output import JobOutput
from runner.template_values import listed

if TYPE_CHECKING:
    from runner.aws import AwsClients

_JOB_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?:[:#]\d{1,5})?")
_INTERVAL_SECONDS = {True: 0.3, False: 3.0}
"""Between two looks while following: on the local cloud, on AWS."""


@dataclass(frozen=True)
class _Source:
    clients: AwsClients
    job: DescribedJob
    output: JobOutput | None
    """None for a job that had ended when the ledger was written: nothing more comes of it."""


@click.command()
@click.argument("run", metavar="RUN")
@click.argument("task", metavar="[TASK]", required=False)
@click.option("--follow", "-f", is_flag=True, help="Stay until the job has ended.")
@click.option("--attempt", type=click.IntRange(min=1), metavar="N", help="One attempt, from 1 (default: all).")
@common_options
@pass_context
def logs(context: Context, *, run: str, task: str | None, follow: bool, attempt: int | None) -> None:
    """What a task printed, attempt by attempt.

    RUN is a run's id or the beginning of it. Alone, it is the id of any job, or a task of the newest run.
    """
    source = _source(context, run, task)
    reader, job = job_logs.LogReader(source.clients.logs), source.job
    if follow and source.output is not None:
        lines = source.output.follow(reader, time.sleep, _INTERVAL_SECONDS[source.clients.is_local], attempt)
    else:
        lines = job_logs.read(reader, job, attempt)
    said = list(_print(context, lines, job.max_attempts))
    context.emit({"job_id": job.job_id, "job_name": job.name, "lines": said}, text="")
    if not said:
        context.say(f"{job.name} is {job.status} and has printed nothing" + (" yet" if not job.is_terminal else ""))


def _print(
    context: Context, lines: Iterator[tuple[int, job_logs.LogLine]], max_attempts: int
) -> Iterator[dict[str, object]]:
    last = None
    for attempt, line in lines:
        if attempt != last and (attempt > 1 or max_attempts > 1) and not context.json:
            context.say(f"--- attempt {attempt}")
        last = attempt
        if not context.json:
            click.echo(line.text)
        yield {"attempt": attempt, "at_ms": line.at, "text": line.text}


def _source(context: Context, run: str, task: str | None) -> _Source:
    if task is None and _JOB_ID.fullmatch(run):
        return _printing(context.connect(), run)
    opened = open_run(context, run if task else None)
    name, record = task or run, opened.run.record
    position = record.positions.get(name)
    if position is None:
        tasks = listed(list(dict.fromkeys(one.tasks[0] for one in record.requests if one.tasks)))
        raise InputError(f"TASK: names a task of run {record.run_id}, got {name!r}; use one of: {tasks}")
    job_id = record.job_ids.get(position.request)
    if job_id is None:
        raise InputError(f"TASK: names a task that was submitted, got {name!r} of {record.run_id}; see: hpc status")
    if position.child is None:
        kept = record.ended.get(position.request)
        return _printing(opened.clients, job_id) if kept is None else _Source(opened.clients, from_detail(kept), None)
    kept = record.ended_children.get(position.request, {}).get(position.child)
    if kept is not None and kept.get("attempts"):
        return _Source(opened.clients, from_detail(kept), None)
    return _printing(opened.clients, f"{job_id}:{position.child}")


def _printing(clients: AwsClients, job_id: str) -> _Source:
    output = JobOutput(clients.batch, job_id)
    job = output.look()
    if job is None:
        raise InputError(
            f"job {job_id}: is one that Batch knows in {clients.region}, got no answer about it; check id, region "
            "and --local"
        )
    return _Source(clients, job, output)
