"""Options of the commands that submit one MPI program, and the workflow of one task that they make of them."""

from __future__ import annotations

import dataclasses
import functools
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final, get_args

import click

from batch_limits import MAX_NODES, MAX_TIMEOUT_SECONDS, MIN_TIMEOUT_SECONDS
from runner.errors import InputError
from runner.names import MAX_WORKFLOW_NAME, name_part
from runner.places import KeyPath, Places
from runner.task_model import MIN_MEMORY_MIB, Label, TaskKeys
from runner.workflow import Workflow

BEHIND_THE_PROGRAM: Final = {"allow_interspersed_args": False}
"""Context settings: what stands behind the program is the program's, whatever it looks like."""

_OPTIONS: Final = {
    "name": "--job-name",
    "program": "PROGRAM",
    "command": "ARGS",
    "files": "--files",
    "flags": "--flags",
    "nodes": "--nodes",
    "ranks_per_node": "--ranks-per-node",
    "after": "--depends-on",
    "queue": "--queue",
    "vcpus": "--vcpus",
    "memory_mib": "--memory-mib",
    "gpus": "--gpus",
    "environment": "--env",
    "timeout_seconds": "--timeout",
}
"""Key of a task -> the option that gives it."""

_UNTIED: Final = "in Batch only array jobs depend so, one index on another, and a job with nodes is no array"


class _CommandLine(Places):
    """Names options where a workflow file would have lines."""

    def where(self, path: KeyPath) -> str:
        """The option that gave the value."""
        keys = path[2:] if path[:1] == ("tasks",) else path
        option = _OPTIONS.get(str(keys[0])) if keys else None
        if option == "--env" and len(keys) > 1:
            return f"--env {keys[1]}"
        return option or self.source


@dataclass(frozen=True, kw_only=True)
class MpiOptions:
    """What the options say, as they were given."""

    nodes: int
    ranks_per_node: int | None
    files: tuple[str, ...]
    flags: str | None
    depends_on: tuple[str, ...]
    queue: str | None
    vcpus: int | None
    memory_mib: int | None
    gpus: int | None
    env: tuple[str, ...]
    timeout: int | None
    job_name: str | None
    label: Label | None
    on_main: bool

    def workflow(self, command: str, program: str, arguments: Sequence[str]) -> Workflow:
        """The run of one task that this command line asks for; `command` names it in messages."""
        task = name_part(PurePosixPath(program).stem or program)[:MAX_WORKFLOW_NAME].strip("-_") or "program"
        made = Workflow(self.job_name or task, places=_CommandLine(command))
        keys: dict[str, Any] = {
            "program": _verbatim(program),
            "command": [_verbatim(argument) for argument in arguments],
            "nodes": self.nodes,
            "ranks_per_node": self.ranks_per_node,
            "files": [_verbatim(path) for path in self.files],
            "flags": None if self.flags is None else _verbatim(self.flags),
            "after": list(job_ids(self.depends_on)),
            "queue": self.queue,
            "vcpus": self.vcpus,
            "memory_mib": self.memory_mib,
            "gpus": self.gpus,
            "environment": {name: _verbatim(value) for name, value in _environment(self.env).items()},
            "timeout_seconds": self.timeout,
            "label": self.label,
            "on_main": self.on_main,
        }
        given: TaskKeys = {key: value for key, value in keys.items() if value is not None}  # type: ignore[assignment]
        made.task(task, **given)
        return made


def _verbatim(text: str) -> str:
    """So that nothing in it is taken for a workflow's `${name}`."""
    return text.replace("$", "$$")


def job_ids(texts: Sequence[str]) -> dict[str, None]:
    """The ids that `--depends-on` names, each once, in order: `ID,ID`, `jobId=ID;jobId=ID`."""
    found: dict[str, None] = {}
    for part in (part for text in texts for part in re.split(r"[,;\s]+", text) if part):
        key, _, value = part.rpartition("=")
        if value.upper() in {"N_TO_N", "SEQUENTIAL"}:
            raise InputError(f"--depends-on: is the id of a job, got {part!r}: {_UNTIED}; leave the type out")
        if key.lower() not in {"", "jobid"}:
            raise InputError(f"--depends-on: is the id of a job, got {part!r}; write ID, or jobId=ID")
        found[value] = None
    if texts and not found:
        # `$(hpc submit …)` that failed: without it the job would not wait for anything.
        raise InputError(f"--depends-on: is the id of a job, got {texts[-1]!r}; give one, or leave the option out")
    return found


def _environment(texts: Iterable[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator:
            if name not in os.environ:
                raise InputError(
                    f"--env {name}: takes the variable of this shell where no value is given, got none of that name; "
                    f"export it, or write {name}=VALUE"
                )
            value = os.environ[name]
        found[name] = value
    return found


def mpi_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of `MpiOptions`; it is called with them as one argument, `options`."""

    @functools.wraps(function)
    def command(*arguments: Any, **keywords: Any) -> Any:
        options = MpiOptions(**{field.name: keywords.pop(field.name) for field in dataclasses.fields(MpiOptions)})
        return function(*arguments, options=options, **keywords)

    for option in reversed(
        (
            click.option(
                "--nodes", "-n", type=click.IntRange(1, MAX_NODES), default=1, show_default=True, help="Nodes."
            ),
            click.option(
                "--ranks-per-node",
                "-p",
                type=click.IntRange(min=1),
                metavar="N",
                help="Ranks on each node (default: its cores).",
            ),
            click.option(
                "--files",
                "-w",
                multiple=True,
                metavar="PATH",
                help="File or directory shipped beside PROGRAM; repeatable.",
            ),
            click.option("--flags", metavar="TEXT", help='For the compiler of a source file, as in "-O3 -fopenmp".'),
            click.option(
                "--depends-on",
                "-d",
                multiple=True,
                metavar="JOB_ID",
                help="Start when this job has succeeded; several with commas, or repeated; at most 20.",
            ),
            click.option("--queue", "-q", metavar="NAME", help="Queue (default: mpi)."),
            click.option(
                "--vcpus",
                "-v",
                type=click.IntRange(min=1),
                metavar="N",
                help="vCPUs of each node (default: the job definition's).",
            ),
            click.option(
                "--memory-mib",
                "-m",
                type=click.IntRange(min=MIN_MEMORY_MIB),
                metavar="MIB",
                help="MiB of each node (default: the job definition's).",
            ),
            click.option(
                "--gpus",
                type=click.IntRange(min=1),
                metavar="N",
                help="GPUs of each node, of instances that have some (default: the job definition's).",
            ),
            click.option(
                "--env",
                "-e",
                multiple=True,
                metavar="NAME[=VALUE]",
                help="Variable of every rank; NAME alone takes this shell's value; repeatable.",
            ),
            click.option(
                "--timeout",
                "-t",
                type=click.IntRange(MIN_TIMEOUT_SECONDS, MAX_TIMEOUT_SECONDS),
                metavar="SECONDS",
                help=f"Longest run of each attempt, {MIN_TIMEOUT_SECONDS} or more (default: the job definition's).",
            ),
            click.option(
                "--job-name", "-jn", metavar="NAME", help="Beginning of the run's and job's name (default: PROGRAM's)."
            ),
            click.option(
                "--label",
                type=click.Choice(get_args(Label)),
                help="Stands before each line of output (default: node).",
            ),
            click.option("--on-main", is_flag=True, help="PROGRAM is a job script: run it once, on the main node."),
        )
    ):
        command = option(command)
    return command
