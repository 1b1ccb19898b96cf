"""`hpc rerun`: do a part of a run again."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from runner import workflow_file
from runner.cli.following import INTERRUPTED, follow_to_end
from runner.cli.opened_run import OpenedRun, open_run
from runner.cli.options import Context, common_options, pass_context, share_option
from runner.cli.run import settings_of
from runner.cli.sending import submit_rest, upload_objects, upload_programs
from runner.cli.submitting import prepare
from runner.durations import count
from runner.errors import InputError
from runner.plan import PlannedRequest
from runner.plan_text import lines_of
from runner.rerun import Again, plan_again, unchanged, with_dependents
from runner.run_again import run_place

if TYPE_CHECKING:
    from runner.run_state import RunState


@click.command()
@click.argument("run", metavar="RUN")
@click.argument("file", metavar="[FILE]", required=False)
@click.option("--failed", is_flag=True, help="What failed or was not run, and what waits for it; as it was planned.")
@click.option("--no-cache", is_flag=True, help="With FILE: do again what has not changed, too.")
@click.option("--dry-run", is_flag=True, help="Show what would be submitted; submit nothing.")
@click.option("--detach", is_flag=True, help="Leave after submission; the jobs need no runner.")
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="With FILE: a variable's value; repeatable."
)
@share_option
@common_options
@pass_context
def rerun(
    context: Context,
    *,
    run: str,
    file: str | None,
    failed: bool,
    no_cache: bool,
    dry_run: bool,
    detach: bool,
    settings: tuple[str, ...],
) -> None:
    """Do a part of a run again, in the same run: under the same id, with results in the same place.

    With --failed: the tasks that failed or were not run, and all that waits for them, as they were planned; of an array
    an array of just its failed children. With FILE: the workflow as it is now; tasks of which nothing has changed since
    they succeeded are not done again (job definition, image, command, environment, program, inputs, and the same for
    all that they need). The run must have ended, or been cancelled.

    Exit code 0 if every task succeeded, 1 if one failed, 2 if nothing was submitted because the input is wrong.
    """
    if failed == (file is not None):
        raise InputError("hpc rerun: does again what failed (--failed), or what has changed in FILE; give one of them")
    if file is None and (settings or no_cache):
        raise InputError("--failed: does tasks again as they were planned, got --set or --no-cache; leave these out")
    opened = open_run(context, run)
    state = opened.run.look(time.time())
    if not state.is_over:
        raise InputError(
            f"RUN: names a run that has ended, got {state.record.run_id}, whose jobs are not all over; wait for it, or "
            f"end it: hpc cancel {state.record.run_id}{state.record.target.options()}"
        )
    if file is None:
        again = _failed_again(opened, state)
    else:
        again = _changed_again(context, opened, state, file, settings, is_all=no_cache, is_dry=dry_run)
    record = state.record
    tasks = sum(len(request.tasks) for request in again.requests)
    if dry_run or not again.requests:
        context.emit(
            {"run": record.run_id, "tasks": [name for request in again.requests for name in request.tasks]},
            text="\n".join(lines_of([*record.requests, *again.requests], again.deployment, len(record.requests))),
        )
        context.say(
            f"{record.run_id}: {count(tasks, 'task')} to do again" + (", nothing was submitted" if tasks else "")
        )
        return
    upload_objects(opened.clients, record.bucket, again.objects)
    opened.run.ledger.add(again.requests)
    calls = "" if tasks == len(again.requests) else f" in {count(len(again.requests), 'call')}"
    context.say(f"run {record.run_id}: {count(tasks, 'task')} again{calls}")
    if submit_rest(context, opened.run.ledger, opened.clients) is None:
        click.get_current_context().exit(INTERRUPTED)
    opened = open_run(context, record.run_id)
    if detach:
        context.emit(opened.run.look(time.time()).document(), text=record.run_id)
        context.say(f"follow it with: hpc status {record.run_id} --follow{record.target.options()}")
        return
    click.get_current_context().exit(follow_to_end(context, opened.run, opened.clients, None))


def _failed_again(opened: OpenedRun, state: RunState) -> Again:
    record = state.record
    failed = [task.name for task in state.tasks.values() if task.status != "SUCCEEDED"]
    chosen = with_dependents(record.requests, failed)
    return _plan_again(opened, record.requests, chosen)


def _changed_again(
    context: Context,
    opened: OpenedRun,
    state: RunState,
    file: str,
    settings: Sequence[str],
    *,
    is_all: bool,
    is_dry: bool,
) -> Again:
    """The workflow as it is now, without what need not be done again."""
    workflow = workflow_file.read(file)
    record = state.record
    if workflow.name != record.workflow:
        raise InputError(
            f"{file}: is a later version of the run's workflow {record.workflow!r}, got {workflow.name!r}; run it as a "
            f"run of its own: hpc run {file}"
        )
    prepared = prepare(context, workflow, workflow.graph(settings_of(settings)), run_id=record.run_id)
    now = prepared.plan.requests
    kept: set[str] = set()
    if not is_all:
        same = unchanged(record.requests, now)
        kept = {task.name for task in state.tasks.values() if task.name in same and task.status == "SUCCEEDED"}
        context.say(f"{count(len(kept), 'task')} unchanged since they succeeded")
    chosen = {name for request in now for name in request.tasks} - kept
    if not is_dry:
        upload_programs(context, prepared)
    return _plan_again(opened, now, chosen, prepared.plan.objects)


def _plan_again(
    opened: OpenedRun,
    requests: Sequence[PlannedRequest],
    chosen: Collection[str],
    objects: Mapping[str, bytes] | None = None,
) -> Again:
    place = run_place(opened.run.record, opened.clients, requests, objects or {})
    return plan_again(requests, chosen, place)
