"""`hpc status`: where a run is."""

from __future__ import annotations

import time

import click
from rich.console import Console

from runner.cli.following import follow_to_end
from runner.cli.opened_run import open_run
from runner.cli.options import Context, common_options, pass_context
from runner.progress import table


@click.command()
@click.argument("run", metavar="[RUN]", required=False)
@click.option("--follow", "-f", is_flag=True, help="Stay until the run has ended.")
@common_options
@pass_context
def status(context: Context, *, run: str | None, follow: bool) -> None:
    """Where a run is: its tasks, their jobs, what went wrong.

    RUN is a run's id or the beginning of it; left out, the newest run of this directory. Works from any process, also
    after the runner that submitted it was killed. Exit code 1 if a task of it has failed.
    """
    opened = open_run(context, run)
    if follow:
        click.get_current_context().exit(follow_to_end(context, opened.run, opened.clients, None))
    now = time.time()
    state = opened.run.look(now)
    if context.json:
        context.emit(state.document(), text="")
    else:
        Console(soft_wrap=True).print(table(state, now * 1000))
    if any(state.failures()):
        run_id = state.record.run_id
        failed = next(state.failures()).name
        context.say(f"what it printed: hpc logs {run_id} {failed}{state.record.target.options()}")
    has_failed = state.status == "FAILED" or any(state.failures())
    click.get_current_context().exit(1 if has_failed else 0)
