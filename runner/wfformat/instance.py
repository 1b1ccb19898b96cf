"""A run as an instance of WfFormat 1.5. Pure: nothing is asked or read.

WfFormat is specified at https://github.com/wfcommons/WfFormat. What is not known is left out, where the format lets it;
a task that has not run stands in the specification alone.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from typing import Any, Final

from runner.wfformat.distinct_names import DistinctNames, file_names
from runner.wfformat.executed_run import ExecutedRun, ExecutedTask, Machine

VERSION: Final = "1.5"
_MAX_ID: Final = 200
_MIB: Final = 1024 * 1024
_NOT_IN_AN_ID: Final = re.compile(r"[^A-Za-z0-9._-]")


def wfformat_instance(run: ExecutedRun, *, now: dt.datetime, system_version: str) -> dict[str, Any]:
    """The document. `now` is when it is made, `system_version` that of this program."""
    names = DistinctNames(_MAX_ID)
    ids = {task.name: names.take(_NOT_IN_AN_ID.sub("_", task.name)) for task in run.tasks}
    files = _files(run)
    workflow: dict[str, Any] = {"specification": _specification(run, ids, files)}
    entries = [_entry(task, ids[task.name]) for task in run.tasks if _has_run(task)]
    if entries:
        workflow["execution"] = _execution(run, entries)
    return {
        "name": run.run_id,
        "description": f"A run of the workflow {run.workflow} on AWS Batch",
        "createdAt": now.astimezone(dt.UTC).isoformat(),
        "schemaVersion": VERSION,
        "runtimeSystem": {"name": "cloud-hpc", "version": system_version, "url": "https://aws.amazon.com/batch/"},
        "workflow": workflow,
    }


def _files(run: ExecutedRun) -> dict[str, str]:
    """Ids by key, of files whose size is known: the format wants it."""
    keys = dict.fromkeys(key for task in run.tasks for key in (*task.reads, *task.writes) if key in run.sizes)
    return file_names(keys, run.prefix)


def _specification(run: ExecutedRun, ids: dict[str, str], files: dict[str, str]) -> dict[str, Any]:
    children: dict[str, list[str]] = {task.name: [] for task in run.tasks}
    for task in run.tasks:
        for needed in dict.fromkeys(task.needs):
            children[needed].append(ids[task.name])
    return {
        "tasks": [
            {
                "name": task.name,
                "id": ids[task.name],
                "parents": [ids[needed] for needed in dict.fromkeys(task.needs)],
                "children": children[task.name],
                "inputFiles": _known(task.reads, files),
                "outputFiles": _known(task.writes, files),
            }
            for task in run.tasks
        ],
        "files": [{"id": one, "sizeInBytes": run.sizes[key]} for key, one in files.items()],
    }


def _known(keys: Iterable[str], files: dict[str, str]) -> list[str]:
    return [files[key] for key in dict.fromkeys(keys) if key in files]


def _execution(run: ExecutedRun, entries: list[dict[str, Any]]) -> dict[str, Any]:
    last = max(task.stopped_at_ms or 0 for task in run.tasks)
    used = {task.machine for task in run.tasks if _has_run(task)}
    machines = [_machine(machine) for machine in run.machines if machine.name in used]
    return {
        "makespanInSeconds": max(last - run.submitted_at_ms, 0) / 1000,
        "executedAt": _timestamp(run.submitted_at_ms),
        "tasks": entries,
        # The format has no empty list of machines.
        **({"machines": machines} if machines else {}),
    }


def _has_run(task: ExecutedTask) -> bool:
    return task.started_at_ms is not None and task.stopped_at_ms is not None


def _entry(task: ExecutedTask, task_id: str) -> dict[str, Any]:
    assert task.started_at_ms is not None
    assert task.stopped_at_ms is not None
    entry: dict[str, Any] = {
        "id": task_id,
        "runtimeInSeconds": max(task.stopped_at_ms - task.started_at_ms, 0) / 1000,
        "executedAt": _timestamp(task.started_at_ms),
    }
    command: dict[str, Any] = {}
    if task.program:
        command["program"] = task.program
    if task.command is not None:
        # The format has no empty arguments.
        command["arguments"] = [argument for argument in task.command if argument]
    if command:
        entry["command"] = command
    # Less than one core cannot be said: the format's cores begin at 1.
    if task.vcpus is not None and task.vcpus >= 1:
        entry["coreCount"] = task.vcpus
    if task.memory_mib is not None:
        entry["memoryInBytes"] = task.memory_mib * _MIB
    if task.machine:
        entry["machines"] = [task.machine]
    return entry


def _machine(machine: Machine) -> dict[str, Any]:
    told = {
        "nodeName": machine.name,
        "system": machine.system,
        "architecture": machine.architecture,
        "release": machine.release,
        "memoryInBytes": machine.memory_bytes,
        "cpu": {"coreCount": machine.cores} if machine.cores else None,
    }
    return {key: value for key, value in told.items() if value}


def _timestamp(milliseconds: int) -> str:
    return dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC).isoformat(timespec="milliseconds")
