"""`hpc run`: from a workflow file to jobs, and with them to their end."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

import click

from runner import workflow_file
from runner.cli.following import INTERRUPTED, follow_to_end
from runner.cli.options import Context, common_options, pass_context, report_option, share_option
from runner.cli.sending import send
from runner.cli.submitting import prepare, show
from runner.errors import InputError
from runner.run import Run
from runner.task_state import NOT_SUBMITTED


@click.command()
@click.argument("file", metavar="FILE")
@click.option("--detach", is_flag=True, help="Leave after submission; the jobs need no runner.")
@click.option("--dry-run", is_flag=True, help="Check everything and show the requests; submit nothing.")
@click.option("--explain", metavar="TASK", help="Show where a task would go and why; submit nothing.")
@click.option("--no-arrays", is_flag=True, help="Make every task a job of its own.")
@report_option
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A variable's value; repeatable.")
@share_option
@common_options
@pass_context
def run(
    context: Context,
    *,
    file: str,
    detach: bool,
    dry_run: bool,
    explain: str | None,
    no_arrays: bool,
    report: Path | None,
    settings: tuple[str, ...],
) -> None:
    """Check a workflow, submit it and follow it to its end.

    FILE is a workflow in YAML, - for standard input; docs/workflows.md says what stands in it. Everything is checked
    before anything is submitted: the file, that every job can be placed, that no credential is given away.

    Exit code 0 if every task succeeded, 1 if one failed, 2 if nothing was submitted because the input is wrong, 130
    after Ctrl-C, which asks whether the jobs are to run on.
    """
    if detach and report is not None:
        raise InputError("--report: needs the run's end, got --detach; write it later with: hpc report RUN")
    workflow = workflow_file.read(file)
    graph = workflow.graph(settings_of(settings))
    prepared = prepare(context, workflow, graph, folds=not no_arrays)
    if dry_run or explain is not None:
        show(context, prepared, explain)
        return
    ledger = send(context, prepared, None if file == workflow_file.STDIN else str(Path(file).absolute()))
    if ledger is None:
        click.get_current_context().exit(INTERRUPTED)
    submitted = Run(ledger, prepared.clients.batch)
    if detach:
        state = submitted.look(time.time())
        run_id = state.record.run_id
        context.emit(state.document(), text=run_id)
        context.say(f"follow it with: hpc status {run_id} --follow{context.target.options()}")
        if state.counts().get(NOT_SUBMITTED):
            context.say("tasks that wait for others to end are submitted by whoever follows the run")
        return
    click.get_current_context().exit(follow_to_end(context, submitted, prepared.clients, report))


def settings_of(texts: Iterable[str]) -> dict[str, str]:
    """NAME=VALUE by name; InputError for what is none."""
    found = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator:
            raise InputError(f"--set: is NAME=VALUE, got {text!r}; add the value")
        found[name] = value
    return found
