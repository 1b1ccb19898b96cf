"""`hpc runs`: what was submitted from here."""

from __future__ import annotations

import click

from runner.cli.options import Context, common_options, pass_context
from runner.durations import moment
from runner.ledger import RunRecord, newest_first


@click.command()
@common_options
@pass_context
def runs(context: Context) -> None:
    """All runs that were submitted from this directory, newest first.

    Read from .hpc/runs alone: AWS is not asked. How each went is told by: hpc status RUN.
    """
    records = [record for record, _ in newest_first(context.home) if record.target.local or not context.local]
    context.emit(
        {"runs": [_document(record) for record in records]}, text="\n".join(_line(record) for record in records)
    )
    if not records:
        context.say(f"{context.home / 'runs'} holds no runs; begin with: hpc run FILE")


def _known(record: RunRecord) -> str:
    statuses = [detail["status"] for detail in record.ended.values()]
    if len(statuses) < len(record.tasks):
        return f"{len(statuses)} of {len(record.tasks)} tasks seen to end"
    failed = sum(status != "SUCCEEDED" for status in statuses)
    return f"{failed} of {len(statuses)} tasks failed" if failed else "SUCCEEDED"


def _line(record: RunRecord) -> str:
    where = "local" if record.target.local else record.target.region or "AWS"
    return f"{record.run_id}  {moment(record.created_at)}  {where}  {_known(record)}"


def _document(record: RunRecord) -> dict[str, object]:
    return {
        "run": record.run_id,
        "workflow": record.workflow,
        "created_at": record.created_at,
        "local": record.target.local,
        "region": record.target.region,
        "deployment": record.target.deployment,
        "tasks": len(record.tasks),
        "submitted": len(record.job_ids),
        "ended": {task: detail["status"] for task, detail in record.ended.items()},
    }
