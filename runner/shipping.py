"""The MPI programs of a workflow's tasks: found and packed, with everything that cannot be shipped told at once."""

from __future__ import annotations

from pathlib import Path

from runner.errors import InputError
from runner.graph import TaskGraph
from runner.places import Finding, KeyPath, Places
from runner.program_bundle import Packed, Shipped, ShippingError, pack
from runner.task import Task
from runner.template_values import substitute


def ship_programs(graph: TaskGraph, folder: Path, places: Places) -> dict[str, Shipped]:
    """By task, what each that has a program runs; nothing is sent yet. Paths are relative to the folder.

    Raises InputError with every finding.
    """
    packed: dict[tuple[str, ...], Packed] = {}
    found: dict[str, Shipped] = {}
    findings: list[Finding] = []
    for group in graph.groups:
        task = group.task
        if task.launch is None:
            continue
        for number in range(group.start, group.stop):
            values = graph.values(number)
            # What is shipped is known before there is a run: paths hold values of variables and foreach only.
            program, *files = (substitute(path, values) for path in (task.launch.program, *task.launch.files))
            try:
                if (program, *files) not in packed:
                    packed[program, *files] = pack(program, tuple(files), folder)
                found[graph.name(number)] = packed[program, *files].run_with(task.command or ())
            except ShippingError as error:
                findings.append(Finding(_path(task, error), str(error)))
    if findings:
        raise InputError.of(places.render(finding) for finding in findings)
    return found


def _path(task: Task, error: ShippingError) -> KeyPath:
    return (*task.path, error.key, *(() if error.index is None else (error.index,)))
