"""Following a run to its end, and what Ctrl-C means on the way."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from rich.console import Console

from runner.cli.falling_back import fall_back
from runner.cli.options import Context
from runner.cli.sending import submit_rest
from runner.describer import ON_AWS, ON_LOCAL_CLOUD
from runner.durations import count, duration
from runner.failed_nodes import failed_nodes
from runner.failure_report import failure_reports
from runner.job_events import JobEvents
from runner.job_output import JobOutput
from runner.logs import LogLine, LogReader, read
from runner.progress import lines, lost, progress
from runner.renewal import PatientBatch
from runner.report import write_report
from runner.results import list_objects
from runner.run import OnReady, Run
from runner.run_state import RunState

if TYPE_CHECKING:
    from runner.aws import AwsClients

INTERRUPTED = 130
CANCEL_REASON = "Cancelled with hpc"
LOG_INTERVAL_SECONDS: Final = {True: 0.2, False: 2.0}
"""Between two looks at a log while following it: on the local cloud, on AWS."""

BRING_UP: Final = "mpi: "
"""How lines of the bring-up begin."""

_NOT_COMPILED: Final = re.compile(r"mpi: .*: does not compile\b")
"""What the bring-up says under a compiler's output."""


def follow_to_end(context: Context, run: Run, clients: AwsClients, report: Path | None) -> int:
    """Show progress until the run has ended, then what came of it; the exit code.

    Changes are waited for at the deployment's queue of job events, if it had one, and requests that wait for others to
    end are sent when these have. What was lost to reclaims goes on where its tasks say.
    """
    try:
        run = _followed(context, run, clients)
        while fall_back(context, run, clients, run.state()):
            run = _followed(context, run, clients)
    except KeyboardInterrupt:
        return _interrupted(context, run)
    return tell_outcome(context, run.in_full(), clients, report)


def _followed(context: Context, run: Run, clients: AwsClients) -> Run:
    """The run, which has ended."""
    run = Run(run.ledger, PatientBatch(clients, context.say, time.sleep))
    pace = ON_LOCAL_CLOUD if clients.is_local else ON_AWS
    queue_url = run.record.job_events_queue_url
    with progress(Console(stderr=True)) as update:
        for state in run.follow(
            pace,
            clock=time.time,
            sleep=time.sleep,
            events=None if queue_url is None else JobEvents(clients.sqs, queue_url, sleep=time.sleep),
            on_ready=_sender(context, run, clients),
            say=context.say,
        ):
            update(state)
    return run


def _sender(context: Context, run: Run, clients: AwsClients) -> OnReady:
    def send(ready: Sequence[int]) -> None:
        over = [request for request, outcome in enumerate(run.state().outcomes.of) if outcome.is_over]
        if submit_rest(context, run.ledger, clients, over) is None:
            raise KeyboardInterrupt
        del ready

    return send


def stream_to_end(context: Context, run: Run, clients: AwsClients, report: Path | None) -> int:
    """Pass on what a run's only job prints, and say how its state changes, until it has ended; the exit code.

    The output goes to stdout, or beside the talk where stdout is for one JSON document. The exit code is the program's.
    """
    ((name, position),) = run.record.positions.items()
    interval = LOG_INTERVAL_SECONDS[clients.is_local]
    output = _Output(JobOutput(clients.batch, run.record.job_ids[position.request]), LogReader(clients.logs), context)
    update = lines(Console(stderr=True))
    pace = ON_LOCAL_CLOUD if clients.is_local else ON_AWS
    state: RunState | None = None

    def sleep(seconds: float) -> None:
        """The pause between two looks at the state, in which the output goes on."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if state is not None and any(job.attempt for job in state.jobs.values()):
                output.pass_on_news()
            time.sleep(max(min(interval, left), 0))

    try:
        for state in run.follow(pace, clock=time.time, sleep=sleep):
            update(state)
        output.pass_on_rest(interval)
    except KeyboardInterrupt:
        return _interrupted(context, run)
    assert state is not None
    code = tell_outcome(context, state, clients, report, is_streamed=True)
    job = state.tasks[name].job
    if code and output.compiler_said:
        context.say(f"{name}: did not compile; the compiler's output is above")
    return job.exit_code or code if code and job is not None else code


class _Output:
    """Passes on lines of a job, each once."""

    def __init__(self, job: JobOutput, reader: LogReader, context: Context) -> None:
        self._job = job
        self._reader = reader
        self._context = context
        self._attempt = 1
        self.compiler_said = False
        """Whether the bring-up told that the program does not compile."""

    def pass_on_news(self) -> None:
        """What was printed since the last time."""
        job = self._job.look()
        if job is not None:
            self._pass_on(read(self._reader, job, None))

    def pass_on_rest(self, interval_seconds: float) -> None:
        """What comes after the job's end: its log lags behind it."""
        self._pass_on(self._job.follow(self._reader, time.sleep, interval_seconds))

    def _pass_on(self, found: Iterable[tuple[int, LogLine]]) -> None:
        for attempt, line in found:
            if attempt != self._attempt:
                self._context.say(f"--- attempt {attempt}")
                self._attempt, self.compiler_said = attempt, False
            self.compiler_said = self.compiler_said or bool(_NOT_COMPILED.match(line.text))
            # What the bring-up says is about the job, not the program's.
            click.echo(line.text, err=self._context.json or line.text.startswith(BRING_UP))


def tell_outcome(
    context: Context, state: RunState, clients: AwsClients, report: Path | None, *, is_streamed: bool = False
) -> int:
    """Say how a run ended: failures in full, the summary, where to read on; the exit code.

    Where the run's output was streamed, stdout is the program's, and the summary is talk.
    """
    reader = LogReader(clients.logs)
    if not state.has_succeeded:
        context.say(failure_reports(state, reader, lambda job: failed_nodes(clients.batch, job)))
    if report is not None:
        try:
            write_report(report, state, reader, time.time())
        except OSError as error:
            # How the run ended counts more.
            context.say(f"report: {report}: could not be written: {error.strerror}; write it anew with: hpc report")
        else:
            context.say(f"report: {report}")
    run_id = state.record.run_id
    counts = ", ".join(f"{number:,} {status}" for status, number in state.counts().items())
    took = f" after {duration(state.stopped_at - state.record.created_at * 1000)}" if state.stopped_at else ""
    summary = f"{run_id}: {state.status}{took} ({counts}){lost(state)}"
    context.emit(state.document(), text="" if is_streamed else summary)
    if is_streamed and not context.json:
        context.say(summary)
    has_results = not is_streamed or any(list_objects(clients.s3, state.record.bucket, state.record.prefix))
    if state.has_succeeded and has_results and not context.json:
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
