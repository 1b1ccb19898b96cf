"""`hpc resume`: go on with a run whose runner is gone."""

from __future__ import annotations

import time

import click

from runner import deployment, ledger_mirror
from runner.cli.following import INTERRUPTED, follow_to_end
from runner.cli.opened_run import OpenedRun, open_run
from runner.cli.options import Context, common_options, pass_context
from runner.cli.sending import submit_rest
from runner.durations import count
from runner.errors import InputError


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--take-over", is_flag=True, help="Go on though another machine seems to be submitting it.")
@click.option("--detach", is_flag=True, help="Leave after submission; the jobs need no runner.")
@common_options
@pass_context
def resume(context: Context, *, run: str, take_over: bool, detach: bool) -> None:
    """Submit what a run has not submitted yet, and follow it to its end.

    For a runner that was killed or interrupted, a machine that lost its network, and tasks that wait for others to end
    in whatever way, which it takes a runner to see. What was submitted is looked up, so nothing is done twice. RUN is a
    run's id or the beginning of it; the whole id finds it in the deployment's bucket, too, where another machine
    submitted it.
    """
    opened = _opened(context, run, takes_over=take_over)
    record = opened.run.record
    if record.cancelled_at is not None:
        raise InputError(
            f"RUN: names a run that was not cancelled, got {record.run_id}; run its tasks again with: "
            f"hpc rerun {record.run_id} --failed{record.target.options()}"
        )
    before = len(record.job_ids)
    held = submit_rest(context, opened.run.ledger, opened.clients)
    if held is None:
        click.get_current_context().exit(INTERRUPTED)
    made = len(opened.run.ledger.read().job_ids) - before
    context.say(f"{record.run_id}: {count(made, 'job')} submitted, {before} were" if made else "all was submitted")
    if detach:
        state = opened.run.look(time.time())
        context.emit(state.document(), text=record.run_id)
        return
    click.get_current_context().exit(follow_to_end(context, opened.run, opened.clients, None))


def _opened(context: Context, run: str, *, takes_over: bool) -> OpenedRun:
    try:
        return open_run(context, run)
    except InputError:
        clients = context.connect()
        deployed = deployment.read(clients.cloudformation, context.deployment, is_local=clients.is_local)
        fetched = ledger_mirror.fetch(
            clients.s3,
            deployed.bucket,
            deployed.runs_prefix,
            run,
            context.home,
            now=time.time(),
            takes_over=takes_over,
        )
        if fetched is None:
            raise
        context.say(f"{run}: fetched from s3://{deployed.bucket}/{deployed.runs_prefix}{run}/")
        return open_run(context, run)
