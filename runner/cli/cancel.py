"""`hpc cancel`: end what has not ended."""

from __future__ import annotations

import time
from typing import Final

import click

from runner.cli.following import CANCEL_REASON
from runner.cli.opened_run import open_run
from runner.cli.options import Context, common_options, pass_context
from runner.durations import count

_WAIT_SECONDS: Final = 60.0
"""For a process that is submitting the run to notice that it is cancelled, and to be told of its last calls."""


@click.command()
@click.argument("run", metavar="RUN")
@click.option(
    "--reason", default=CANCEL_REASON, show_default=True, help="What Batch is to remember, up to 1024 characters."
)
@common_options
@pass_context
def cancel(context: Context, *, run: str, reason: str) -> None:
    """End every job of a run that has not ended, and submit nothing more of it.

    Waiting jobs are cancelled; running ones get SIGTERM, and SIGKILL 30 seconds later. A call ends 50 jobs, an array as
    one of them. A process that is submitting the run stops. RUN is a run's id or the beginning of it.
    """
    opened = open_run(context, run)
    ledger = opened.run.ledger
    ledger.cancelled(time.time())
    with ledger.locked(_WAIT_SECONDS):
        stopped = opened.run.cancel(reason, time.time())
    record = opened.run.record
    context.emit({"run": record.run_id, "terminated": stopped}, text="\n".join(stopped))
    done = f"asked Batch to end {count(len(stopped), 'job')}" if stopped else "every job had ended already"
    context.say(f"{record.run_id}: {done}; see: hpc status {record.run_id}{record.target.options()}")
