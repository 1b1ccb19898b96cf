"""`hpc mpi`: an MPI program on some nodes, from its source to its exit code."""

from __future__ import annotations

import time
from pathlib import Path

import click

from runner.cli.following import INTERRUPTED, stream_to_end
from runner.cli.mpi_options import BEHIND_THE_PROGRAM, MpiOptions, mpi_options
from runner.cli.options import Context, common_options, pass_context, report_option, share_option
from runner.cli.sending import send
from runner.cli.submitting import prepare, show
from runner.errors import InputError
from runner.run import Run


@click.command(context_settings=BEHIND_THE_PROGRAM)
@click.argument("program", metavar="PROGRAM")
@click.argument("arguments", metavar="[ARGS]...", nargs=-1, type=click.UNPROCESSED)
@mpi_options
@click.option("--detach", is_flag=True, help="Leave after submission and say the run's id; the job needs no runner.")
@click.option("--dry-run", is_flag=True, help="Check everything and show the request; submit nothing.")
@report_option
@share_option
@common_options
@pass_context
def mpi(
    context: Context,
    *,
    program: str,
    arguments: tuple[str, ...],
    options: MpiOptions,
    detach: bool,
    dry_run: bool,
    report: Path | None,
) -> None:
    """Run an MPI program on some nodes, as mpirun would: its output here, its exit code at the end.

    PROGRAM is C, C++ or Fortran source, which is compiled on the main node, a Python file, a script or a binary; or a
    directory, then the next argument names the file in it to run; or the name of a program of the image. Options stand
    before it: all that follows is the program's. Files that it leaves in results/ of the main node's working directory
    are kept: hpc results.

    It is a run with one task: hpc status, logs, report, results and cancel work on it. Exit code: the program's own; 2
    also where it does not compile, or where nothing was submitted because the input is wrong; 1 where the job ended
    without an exit code; 130 after Ctrl-C, which asks whether the job is to run on. docs/mpi.md has all of them.
    """
    if detach and report is not None:
        raise InputError("--report: needs the run's end, got --detach; write it later with: hpc report RUN")
    workflow = options.workflow("hpc mpi", program, arguments)
    prepared = prepare(context, workflow, workflow.graph())
    if dry_run:
        show(context, prepared)
        return
    ledger = send(context, prepared)
    if ledger is None:
        click.get_current_context().exit(INTERRUPTED)
    submitted = Run(ledger, prepared.clients.batch)
    if detach:
        state = submitted.look(time.time())
        run_id = state.record.run_id
        context.emit(state.document(), text=run_id)
        context.say(
            f"follow it with: hpc logs {run_id} {state.record.requests[0].tasks[0]} -f{context.target.options()}"
        )
        return
    click.get_current_context().exit(stream_to_end(context, submitted, prepared.clients, report))
