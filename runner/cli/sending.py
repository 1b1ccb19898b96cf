"""Sending a run's requests, as every command does it: ledger and copy first, then the calls."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import click

from runner.cli.options import Context
from runner.durations import count
from runner.ledger import Ledger
from runner.ledger_mirror import LedgerMirror
from runner.program_bundle import upload
from runner.run_record import RunRecord
from runner.submission import Submission, Voice
from runner.submit_call import Pause
from runner.submit_rate import submit_rate

if TYPE_CHECKING:
    from runner.aws import AwsClients
    from runner.cli.submitting import Prepared

_MANY_JOBS: Final = 50
"""From here on a terminal sees how far submission has come."""

_CONNECTIONS: Final = 8
_SETTLE_SECONDS: Final = 30.0
"""How long a job may be missing from ListJobs after its submission: it is eventually consistent."""


def send(context: Context, prepared: Prepared, source: str | None = None) -> Ledger | None:
    """Upload what jobs read, and submit them: the run's ledger; None where Ctrl-C came first."""
    plan, clients, target = prepared.plan, prepared.clients, context.target
    upload_programs(context, prepared)
    upload_objects(clients, plan.bucket, plan.objects)
    record = RunRecord(
        run_id=plan.run_id,
        workflow=plan.workflow,
        created_at=time.time(),
        target=target if target.local else dataclasses.replace(target, region=clients.region),
        bucket=plan.bucket,
        prefix=plan.prefix,
        runs_prefix=prepared.deployed.runs_prefix,
        job_events_queue_url=prepared.deployed.job_events_queue_url,
        source=source,
        requests=plan.requests,
    )
    ledger = Ledger.create(context.home, record)
    tasks = sum(len(request.tasks) for request in plan.requests)
    as_jobs = "" if tasks == len(plan.requests) else f" in {count(len(plan.requests), 'call')}"
    context.say(f"run {plan.run_id}: {count(tasks, 'task')}{as_jobs}")
    return ledger if submit_rest(context, ledger, clients) is not None else None


def submit_rest(context: Context, ledger: Ledger, clients: AwsClients, ended: Collection[int] = ()) -> list[int] | None:
    """Submit what a ledger says is not submitted yet, those that wait for other jobs to end only where these are
    `ended`: the requests that wait still; None where Ctrl-C came first.
    """
    record = ledger.read()
    total = len(record.requests)
    mirror = LedgerMirror(lambda: clients.s3, record.bucket, record.runs_prefix, ledger, time.time)
    told: list[str] = []

    def keep_up() -> None:
        mirror.keep_up()
        if mirror.failure is not None and not told:
            told.append(mirror.failure)
            where = f"s3://{record.bucket}/{record.runs_prefix}"
            context.say(f"{where}: the ledger cannot be copied, submission goes on: {mirror.failure}")

    stopping = threading.Event()
    with ledger.locked():
        mirror.begin()
        submission = Submission(
            ledger,
            clients,
            Pause(
                clock=time.time,
                sleep=stopping.wait,
                settle_seconds=0.0 if clients.is_local else _SETTLE_SECONDS,
            ),
            submit_rate(_place(record), is_local=clients.is_local, sleep=stopping.wait),
            Voice(submitted=_counter(total), say=context.say),
            on_progress=keep_up,
            stopping=stopping,
        )
        held: list[int] | None = None
        try:
            held = submission.run(ended)
        except KeyboardInterrupt:
            made = len(ledger.read().job_ids)
            options = record.target.options()
            context.say(
                f"\ninterrupted: {made} of {count(total, 'job')} are submitted and run on; go on with: "
                f"hpc resume {record.run_id}{options}, or end them with: hpc cancel {record.run_id}{options}"
            )
        finally:
            with contextlib.suppress(KeyboardInterrupt):
                mirror.end(is_submitted=held is not None)
    return held


def _place(record: RunRecord) -> str:
    """What a limit of calls holds for: an endpoint, or an account in a region, which the ARNs of its queues name."""
    account = record.requests[0].job_queue.split(":")[:5]
    return record.target.endpoint_url or ":".join(account)


def _counter(total: int) -> Callable[[int], None]:
    is_shown = sys.stderr.isatty() and total >= _MANY_JOBS

    def told(made: int) -> None:
        if is_shown:
            click.echo(f"\rsubmitted {made} of {total}", err=True, nl=made == total)

    return told


def upload_programs(context: Context, prepared: Prepared) -> None:
    """The MPI programs of a plan, those that are not there already."""
    shipped = prepared.shipped
    for left_out in dict.fromkeys(program.left_out for program in shipped.values()):
        if left_out:
            context.say(f"not shipped: {', '.join(left_out)}")
    for name in dict.fromkeys(program.name for program in shipped.values() if program.is_of_image):
        context.say(f"{name}: is not here; the image's own is run")
    bundles = [program.bundle for program in shipped.values() if program.bundle is not None]
    if bundles:
        deployed = prepared.deployed
        now = dt.datetime.now(dt.UTC)
        sent = upload(prepared.clients.s3, deployed.bucket, deployed.programs_prefix, bundles, now)
        if sent:
            context.say(f"uploaded {sent:,} bytes to s3://{deployed.bucket}/{deployed.programs_prefix}")


def upload_objects(clients: AwsClients, bucket: str, objects: Mapping[str, bytes]) -> None:
    """What launchers will fetch: there before the jobs are."""
    s3 = clients.s3
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        list(pool.map(lambda key: s3.put_object(Bucket=bucket, Key=key, Body=objects[key]), objects))
