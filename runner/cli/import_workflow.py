"""`hpc import`: a workflow file of somebody else's trace."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import click

from runner.cli.options import Context, common_options, pass_context
from runner.errors import InputError
from runner.names import MAX_WORKFLOW_NAME, explain_name

STDIN = "-"


@click.command("import")
@click.argument("file", metavar="FILE")
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), metavar="FILE", help="File to write (default: standard output)."
)
@click.option(
    "--scale",
    type=float,
    default=0.01,
    show_default=True,
    help="What run times and, with --files, sizes are multiplied by; 0 or more.",
)
@click.option("--cpu", is_flag=True, help="Compute on one core for as long, rather than sleep.")
@click.option("--files", is_flag=True, help="Write the tasks' files, of scaled sizes, and read what others wrote.")
@click.option(
    "--name", metavar="NAME", help=f"Name of the workflow, up to {MAX_WORKFLOW_NAME} characters (default: the trace's)."
)
@click.option(
    "--job-definition",
    metavar="NAME",
    default="standin",
    show_default=True,
    help="Job definition of every task; its program takes --seconds, --cpu, --read and --write.",
)
@click.option("--queue", metavar="NAME", default="normal", show_default=True, help="Queue of every task.")
@common_options
@pass_context
def import_workflow(  # noqa: PLR0913 - one for each option
    context: Context,
    *,
    file: str,
    output: Path | None,
    scale: float,
    cpu: bool,
    files: bool,
    name: str | None,
    job_definition: str,
    queue: str,
) -> None:
    """Make a workflow file of a WfFormat trace.

    FILE is a trace of WfCommons (https://wfcommons.org) in WfFormat 1.4, 1.5 or 1.6, - for standard input: what
    Pegasus, Makeflow, Nextflow and others really ran. The workflow has the same graph; each task takes the time that
    was recorded, times the scale. docs/wfformat.md says more.
    """
    # pydantic and networkx take a while to import, which help need not wait for.
    from runner.wfformat.imported_workflow import Playing, import_trace  # noqa: PLC0415
    from runner.wfformat.trace import read_trace  # noqa: PLC0415

    _check(scale, name, job_definition, queue)
    source = "<stdin>" if file == STDIN else file
    playing = Playing(scale=scale, cpu=cpu, files=files, job_definition=job_definition, queue=queue, name=name)
    trace = read_trace(_content(file), source)
    imported = import_trace(trace, playing, source)
    graph = imported.workflow.graph()
    text = imported.workflow.to_yaml()
    for note in imported.notes:
        context.say(f"{source}: {note}")
    document = {
        "workflow": imported.workflow.name,
        "tasks": len(graph),
        "wfformat": trace.version,
        "notes": list(imported.notes),
    }
    if output is None:
        context.emit({**document, "yaml": text}, text=text.rstrip("\n"))
        return
    write_output(output, text)
    context.emit({**document, "file": str(output)}, text=str(output))
    context.say(f"next: hpc run {output}{context.target.options()}")


def write_output(path: Path, text: str) -> None:
    """Write what was asked for; InputError where it cannot be."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"--output: is a file that can be written, got {str(path)!r}: {error.strerror}; choose another place"
        ) from None


def _check(scale: float, name: str | None, job_definition: str, queue: str) -> None:
    findings = []
    if not math.isfinite(scale) or scale < 0:
        findings.append(f"--scale: is a number, 0 or more, got {scale:g}; give such a number")
    problem = None if name is None else explain_name(name, MAX_WORKFLOW_NAME)
    if problem:
        findings.append(f"--name: {problem}")
    findings += [
        f"{option}: names one of the deployment or of Batch, got none; write a name, or leave the option out"
        for option, value in (("--job-definition", job_definition), ("--queue", queue))
        if not value
    ]
    if findings:
        raise InputError(*findings)


def _content(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == STDIN else Path(file).read_bytes()
    except OSError as error:
        raise InputError(f"{file}: a trace is read here, got {error.strerror}; check the path") from None
