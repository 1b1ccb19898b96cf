"""`hpc report`: a run on one page."""

from __future__ import annotations

import time
from pathlib import Path

import click

from runner.cli.opened_run import open_run
from runner.cli.options import Context, common_options, pass_context
from runner.logs import LogReader
from runner.report import write_report


@click.command()
@click.argument("run", metavar="[RUN]", required=False)
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write (default: report.html beside the run's ledger).",
)
@common_options
@pass_context
def report(context: Context, *, run: str | None, output: Path | None) -> None:
    """Write a run's report: one HTML page with graph, timeline, outcomes and the ends of the logs.

    The page needs nothing else and loads nothing. RUN is a run's id or the beginning of it; left out, the newest run
    of this directory, whether it has ended or not.
    """
    opened = open_run(context, run)
    now = time.time()
    opened.run.look(now)
    state = opened.run.in_full()
    path = output or context.home / "runs" / state.record.run_id / "report.html"
    write_report(path, state, LogReader(opened.clients.logs), now)
    context.emit({"run": state.record.run_id, "report": str(path)}, text=str(path))
