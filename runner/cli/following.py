"""Following a run to its end, and what Ctrl-C means on the way."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from runner.cli.options import Context
from runner.describer import ON_AWS, ON_LOCAL_CLOUD
from runner.durations import count, duration
from runner.failure_report import failure_reports
from runner.logs import LogReader
from runner.progress import progress
from runner.report import write_report
from runner.run import Run
from runner.run_state import RunState

if TYPE_CHECKING:
    from runner.aws import AwsClients

INTERRUPTED = 130
CANCEL_REASON = "Cancelled with hpc"


def follow_to_end(context: Context, run: Run, clients: AwsClients, report: Path | None) -> int:
    """Show progress until the run has ended, then what came of it; the exit code."""
    pace = ON_LOCAL_CLOUD if clients.is_local else ON_AWS
    state: RunState | None = None
    try:
        with progress(Console(stderr=True)) as update:
            for state in run.follow(pace, clock=time.time, sleep=time.sleep):
                update(state)
    except KeyboardInterrupt:
        return _interrupted(context, run)
    if state is None:
        state = run.look(time.time())
    return tell_outcome(context, state, clients, report)


def tell_outcome(context: Context, state: RunState, clients: AwsClients, report: Path | None) -> int:
    """Say how a run ended: failures in full, the summary, where to read on; the exit code."""
    reader = LogReader(clients.logs)
    if not state.has_succeeded:
        context.say(failure_reports(state, reader))
    if report is not None:
        write_report(report, state, reader, time.time())
        context.say(f"report: {report}")
    run_id = state.record.run_id
    counts = ", ".join(f"{number} {status}" for status, number in state.counts().items())
    stopped = [task.job.stopped_at for task in state.tasks.values() if task.job and task.job.stopped_at]
    took = f" after {duration(max(stopped) - state.record.created_at * 1000)}" if stopped else ""
    context.emit(state.document(), text=f"{run_id}: {state.status}{took} ({counts})")
    if state.has_succeeded and not context.json:
        context.say(f"next: hpc results {run_id}{state.record.target.options()}")
    return 0 if state.has_succeeded else 1


def _interrupted(context: Context, run: Run) -> int:
    """Ask once what becomes of the jobs; without a terminal, or at a second Ctrl-C, they run on."""
    run_id, options = run.record.run_id, run.record.target.options()
    wants_end = False
    if sys.stdin.isatty() and sys.stderr.isatty():
        try:
            wants_end = click.confirm("\nCancel the jobs of this run? (no: they run on)", default=False, err=True)
        except (click.Abort, KeyboardInterrupt):
            wants_end = False
    if wants_end:
        stopped = run.cancel(CANCEL_REASON, time.time())
        context.say(f"{run_id}: asked Batch to end {count(len(stopped), 'job')}; see: hpc status {run_id}{options}")
    else:
        context.say(f"{run_id}: its jobs run on; pick it up again with: hpc status {run_id} --follow{options}")
    return INTERRUPTED
