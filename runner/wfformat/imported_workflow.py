"""A workflow of ours that plays a trace: the same graph, each task as long as it took, times a scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from runner.errors import InputError
from runner.places import Finding, Places
from runner.task_model import TaskKeys
from runner.wfformat.dependencies import Dependencies
from runner.wfformat.distinct_names import task_names, workflow_name
from runner.wfformat.task_files import MAX_WRITE_BYTES, TaskFiles
from runner.wfformat.trace import Trace
from runner.workflow import Workflow

ID_VARIABLE: Final = "WFFORMAT_ID"
"""Variable of a task whose id in the trace is no name of ours: that id."""

MAX_ID: Final = 1000
"""Characters of a task's id, which its environment has to hold."""
MAX_SECONDS: Final = 14 * 86400
"""Of one task: the longest that a Fargate job may take.

https://docs.aws.amazon.com/batch/latest/userguide/job_timeouts.html
"""


@dataclass(frozen=True, kw_only=True)
class Playing:
    """How a trace is to be played."""

    scale: float
    """What run times and sizes are multiplied by."""
    cpu: bool
    """Compute as long, rather than sleep."""
    files: bool
    """Read and write the tasks' files."""
    job_definition: str
    queue: str
    name: str | None = None
    """Of the workflow; None for one like the trace's."""


@dataclass(frozen=True)
class ImportedWorkflow:
    """What came of an import."""

    workflow: Workflow
    notes: tuple[str, ...]
    """What a person should know of how the trace was understood."""


def import_trace(trace: Trace, playing: Playing, source: str) -> ImportedWorkflow:
    """The workflow that plays a trace of the file `source`. InputError, with every finding, for what cannot be."""
    dependencies = Dependencies(trace)
    findings = [*dependencies.findings, *_limits(trace, playing.scale)]
    if findings:
        places = Places(source)
        raise InputError.of(places.render(finding) for finding in findings)
    names = task_names(task.id for task in trace.tasks)
    files = TaskFiles(trace, dependencies.needs, playing.scale) if playing.files else None
    workflow = Workflow(
        playing.name or workflow_name(trace.name),
        defaults={"job_definition": playing.job_definition, "queue": playing.queue},
    )
    for task in trace.tasks:
        command: list[str | int] = ["--seconds", _seconds((task.runtime_seconds or 0) * playing.scale)]
        command += ["--cpu"] if playing.cpu else []
        command += files.options(task.id) if files else []
        keys: TaskKeys = {"command": command}
        if names[task.id] != task.id:
            keys["environment"] = {ID_VARIABLE: task.id.replace("$", "$$")}
        if dependencies.needs[task.id]:
            keys["needs"] = [names[needed] for needed in dependencies.needs[task.id]]
        workflow.task(names[task.id], **keys)
    return ImportedWorkflow(workflow, tuple(_notes(trace, files)))


def _limits(trace: Trace, scale: float) -> list[Finding]:
    found = []
    for task in trace.tasks:
        if len(task.id) > MAX_ID or "\0" in task.id:
            text = f"a task's id has up to {MAX_ID} characters, none of them NUL, got {task.id[:40]!r}…; shorten it"
            found.append(Finding((*task.path, "id"), text))
        if (task.runtime_seconds or 0) * scale > MAX_SECONDS:
            text = (
                f"a task takes up to {MAX_SECONDS} seconds, as a Fargate job does (AWS Batch, job timeouts), "
                f"got {task.runtime_seconds:g} times {scale:g}; choose a smaller --scale"
            )
            found.append(Finding(task.runtime_path, text))
    return found


def _seconds(value: float) -> str:
    """Without an exponent, to the millisecond."""
    return f"{value:.3f}".rstrip("0").rstrip(".")


def _notes(trace: Trace, files: TaskFiles | None) -> list[str]:
    counted = [
        (sum(task.runtime_seconds is None for task in trace.tasks), "tasks without a run time, which end at once")
    ]
    if files:
        counted += [
            (files.from_outside, "reads left out, of files that no task above writes"),
            (files.without_size, "empty files, whose size the trace does not say"),
            (files.too_large, f"files cut to {MAX_WRITE_BYTES} bytes, the most that one task writes"),
            (files.too_many, "files left out, as a command has no room for more"),
        ]
    return [f"{text}: {count}" for count, text in counted if count]
