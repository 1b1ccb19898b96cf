"""The MPI programs of a workflow's tasks: found and packed, with everything that cannot be shipped told at once."""

from __future__ import annotations

from pathlib import Path

from runner.errors import InputError
from runner.graph import TaskGraph
from runner.places import Finding, KeyPath, Places
from runner.program_bundle import Packed, Shipped, ShippingError, pack
from runner.task import Task


def ship_programs(graph: TaskGraph, folder: Path, places: Places) -> dict[str, Shipped]:
    """By task, what each that has a program runs; nothing is sent yet. Paths are relative to the folder.

    Raises InputError with every finding.
    """
    packed: dict[tuple[str, ...], Packed] = {}
    found: dict[str, Shipped] = {}
    findings: list[Finding] = []
    for task in graph.tasks.values():
        if task.launch is None:
            continue
        wanted = (task.launch.program, *task.launch.files)
        try:
            if wanted not in packed:
                packed[wanted] = pack(task.launch.program, task.launch.files, folder)
            found[task.name] = packed[wanted].run_with(task.command or ())
        except ShippingError as error:
            findings.append(Finding(_path(task, error), str(error)))
    if findings:
        raise InputError.of(places.render(finding) for finding in findings)
    return found


def _path(task: Task, error: ShippingError) -> KeyPath:
    return (*task.path, error.key, *(() if error.index is None else (error.index,)))
