"""`hpc runs`: what was submitted from here."""

from __future__ import annotations

from typing import Final

import click

from runner.cli.options import Context, common_options, pass_context
from runner.durations import moment
from runner.ledger import newest_first
from runner.run import of_record
from runner.run_state import RunState
from runner.task_state import FAILED_ALLOWED, NOT_RUN, WELL

_ENDED: Final = frozenset({"SUCCEEDED", "FAILED", FAILED_ALLOWED, NOT_RUN})


@click.command()
@common_options
@pass_context
def runs(context: Context) -> None:
    """All runs that were submitted from this directory, newest first.

    Read from .hpc/runs alone: AWS is not asked. How each went is told by: hpc status RUN.
    """
    runs = [found.read() for record, found in newest_first(context.home) if record.target.local or not context.local]
    states = [of_record(record) for record in runs]
    context.emit({"runs": [_document(state) for state in states]}, text="\n".join(_line(state) for state in states))
    if not states:
        context.say(f"{context.home / 'runs'} holds no runs; begin with: hpc run FILE")


def _known(state: RunState) -> str:
    total = state.layout.number_of_tasks
    if not state.is_over:
        counts = state.counts()
        seen = sum(number for status, number in counts.items() if status in _ENDED)
        return f"{seen:,} of {total:,} tasks seen to end"
    failed = sum(number for status, number in state.counts().items() if status not in WELL)
    return f"{failed:,} of {total:,} tasks failed" if failed else "SUCCEEDED"


def _line(state: RunState) -> str:
    record = state.record
    where = "local" if record.target.local else record.target.region or "AWS"
    return f"{record.run_id}  {moment(record.created_at)}  {where}  {_known(state)}"


def _document(state: RunState) -> dict[str, object]:
    record = state.record
    return {
        "run": record.run_id,
        "workflow": record.workflow,
        "created_at": record.created_at,
        "local": record.target.local,
        "region": record.target.region,
        "deployment": record.target.deployment,
        "tasks": state.layout.number_of_tasks,
        "submitted": len(record.job_ids),
        "ended": {
            record.requests[request].group: detail["status"]
            for request, detail in record.ended.items()
            if not record.requests[request].is_barrier
        },
    }
