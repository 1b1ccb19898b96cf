"""`hpc export`: a run in a format that other people's tools read."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.cli.import_workflow import write_output
from runner.cli.opened_run import OpenedRun, open_run
from runner.cli.options import Context, common_options, pass_context
from runner.errors import InputError

if TYPE_CHECKING:
    from runner.run_state import RunState


@click.command()
@click.argument("run", metavar="[RUN]", required=False)
@click.option("--wfformat", is_flag=True, help="As WfFormat 1.5, the format of WfCommons (https://wfcommons.org).")
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), metavar="FILE", help="File to write (default: standard output)."
)
@common_options
@pass_context
def export(context: Context, *, run: str | None, wfformat: bool, output: Path | None) -> None:
    """Write what a run did as a WfFormat trace.

    Tasks with parents and children, run times, commands, cores, memory, machines and, where commands tell, files.
    What Batch has forgotten, a week or so after a job's end, is left out. RUN is a run's id or the beginning of it;
    left out, the newest run of this directory.
    """
    if not wfformat:
        raise InputError("--wfformat: chooses the format, of which there is one, got none; add --wfformat")
    # Import what takes time only once help was not all that was asked for.
    from runner.describer import describe  # noqa: PLC0415
    from runner.results import list_objects  # noqa: PLC0415
    from runner.wfformat.instance import wfformat_instance  # noqa: PLC0415
    from runner.wfformat.observed_run import observed_run  # noqa: PLC0415
    from runner.wfformat.this_machine import this_machine  # noqa: PLC0415

    opened = open_run(context, run)
    now = dt.datetime.now(dt.UTC)
    opened.run.look(now.timestamp())
    state = opened.run.in_full()
    record = state.record
    details = describe(opened.clients.batch, (task.job_id for task in state.tasks.values() if task.job_id))
    sizes = {entry.key: entry.size_bytes for entry in list_objects(opened.clients.s3, record.bucket, record.prefix)}
    observed = observed_run(
        state,
        details=details,
        commands=_commands(opened),
        sizes=sizes,
        definitions=_definitions(record.target.deployment, opened),
        local_machine=this_machine() if record.target.local else None,
    )
    document = wfformat_instance(observed, now=now, system_version=version("cloud-hpc"))
    text = json.dumps(document, indent=2, ensure_ascii=False)
    for note in _notes(state):
        context.say(note)
    if output is None:
        click.echo(text)
        return
    write_output(output, text + "\n")
    context.emit({"run": record.run_id, "file": str(output)}, text=str(output))


def _commands(opened: OpenedRun) -> Mapping[str, Sequence[str]]:
    """Of children that a launcher tells what to do, by task."""
    from runner.recorded_tasks import told_children  # noqa: PLC0415 - as above

    record, s3 = opened.run.record, opened.clients.s3

    def read_object(key: str) -> bytes:
        content: bytes = s3.get_object(Bucket=record.bucket, Key=key)["Body"].read()
        return content

    return {
        name: command
        for planned in record.requests
        if planned.size is not None
        for name, (command, _) in zip(planned.tasks, told_children(planned, read_object), strict=True)
        if command is not None
    }


def _definitions(deployment: str, opened: OpenedRun) -> Mapping[str, str]:
    """ARNs by name; none where the deployment is gone, or of another version: its runs are still there."""
    from runner.deployment import read  # noqa: PLC0415 - as above

    try:
        return read(opened.clients.cloudformation, deployment, is_local=opened.clients.is_local).job_definitions
    except InputError:
        return {}


def _notes(state: RunState) -> Iterator[str]:
    """What the format cannot say."""
    unfinished = [task.name for task in state.tasks.values() if not task.is_over]
    if unfinished:
        yield f"tasks that have not ended, and have no run time in the trace: {_listed(unfinished)}"
    failed = [task.name for task in state.failures()]
    if failed:
        yield f"tasks that failed, which WfFormat does not say; it has their last attempt: {_listed(failed)}"


def _listed(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
