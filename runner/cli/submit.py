"""`hpc submit`: an MPI program as a job that nobody waits for."""

from __future__ import annotations

import dataclasses
import time

import click

from runner.cli.following import INTERRUPTED
from runner.cli.mpi_options import BEHIND_THE_PROGRAM, MpiOptions, mpi_options
from runner.cli.options import Context, common_options, pass_context, share_option
from runner.cli.sending import send
from runner.cli.submitting import prepare, show
from runner.errors import InputError
from runner.run import Run


@click.command(context_settings=BEHIND_THE_PROGRAM)
@click.argument("words", metavar="[COMMAND [ARGS]...]", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--script",
    "-c",
    metavar="SCRIPT",
    help="Job script: shipped, and run once on the main node, where mpirun knows the nodes; it gets ARGS.",
)
@click.option("--command-file", "-cf", is_flag=True, help="COMMAND is a file here: never one of the image's programs.")
@mpi_options
@click.option("--dry-run", is_flag=True, help="Check everything and show the request; submit nothing.")
@share_option
@common_options
@pass_context
def submit(
    context: Context,
    *,
    words: tuple[str, ...],
    script: str | None,
    command_file: bool,
    options: MpiOptions,
    dry_run: bool,
) -> None:
    """Submit an MPI program or a job script and leave: the job's id is all that is printed.

    COMMAND is what PROGRAM is to hpc mpi, and every rank runs it; a job script that calls mpirun itself is given with
    -c, or with --on-main. Options stand before it: all that follows is the program's.

    It is a run with one task: hpc status, logs, report, results and cancel work on it. Exit code 0 when the job was
    submitted, 2 if nothing was because the input is wrong.
    """
    program, arguments = _program(words, script)
    if script is not None:
        options = dataclasses.replace(options, on_main=True)
    workflow = options.workflow("hpc submit", program, arguments)
    prepared = prepare(context, workflow, workflow.graph())
    if any(shipped.is_of_image for shipped in prepared.shipped.values()) and (script is not None or command_file):
        option = "--script" if script is not None else "--command-file"
        raise InputError(f"{option}: is a file here, got {program!r}, which is not there; check the path")
    if dry_run:
        show(context, prepared)
        return
    ledger = send(context, prepared)
    if ledger is None:
        click.get_current_context().exit(INTERRUPTED)
    submitted = Run(ledger, prepared.clients.batch)
    state = submitted.look(time.time())
    (task,) = state.tasks.values()
    context.emit(state.document(), text=task.job_id or "")
    context.say(f"see it with: hpc status {state.record.run_id}{context.target.options()}")


def _program(words: tuple[str, ...], script: str | None) -> tuple[str, tuple[str, ...]]:
    if script is not None:
        return script, words
    if not words:
        raise InputError("COMMAND: names what is to run, got none; give it, or a job script with -c SCRIPT")
    return words[0], words[1:]
