"""`hpc status`: where a run is."""

from __future__ import annotations

import time

import click
from rich.console import Console

from runner.cli.following import follow_to_end
from runner.cli.opened_run import open_run
from runner.cli.options import Context, common_options, pass_context
from runner.progress import table

_PIPE_WIDTH = 400


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
        code = follow_to_end(context, opened.run, opened.clients, None)
        click.get_current_context().exit(code)
    now = time.time()
    state = opened.run.look(now)
    if context.json:
        state = opened.run.in_full()
        context.emit(state.document(), text="")
    else:
        console = Console()
        # A pipe has no width to fold to.
        console.width = console.width if console.is_terminal else _PIPE_WIDTH
        console.print(table(state, now * 1000))
    printed = next((task.name for task in state.failures() if task.job and task.job.log_stream), None)
    if printed is not None:
        context.say(f"what it printed: hpc logs {state.record.run_id} {printed}{state.record.target.options()}")
    has_failed = state.status == "FAILED" or any(state.failures())
    click.get_current_context().exit(1 if has_failed else 0)
