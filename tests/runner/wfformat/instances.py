"""Traces for tests: files of this checkout, and small ones made of who waits for whom."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / "data" / "wfformat"
FILES = {
    "ampliseq-14-v1.5.json": (14, 16),
    "blast-43-v1.5.json": (43, 120),
    "epigenomics-125-v1.6.json": (125, 153),
    "seismology-1099-v1.6.json.gz": (1099, 1098),
    "srasearch-58-v1.4.json": (58, 84),
}
"""Numbers of tasks and dependencies."""

Needs = Mapping[str, Sequence[str]]


def content(name: str) -> bytes:
    """Of a file in the folder."""
    data = (FOLDER / name).read_bytes()
    return gzip.decompress(data) if name.endswith(".gz") else data


def edges_in(document: dict[str, Any]) -> set[tuple[str, str]]:
    """Needed and needing task of every dependency that a document names, read here without the program's help."""
    workflow = document["workflow"]
    if "specification" in workflow:
        tasks, key = workflow["specification"]["tasks"], "id"
    else:
        tasks, key = workflow["tasks"], "name"
    return {(parent, task[key]) for task in tasks for parent in task["parents"]}


def instance(needs: Needs, *, seconds: Mapping[str, float] | None = None, version: str = "1.5") -> dict[str, Any]:
    """A document of 1.5 or later; every task takes 10 seconds where nothing else is said."""
    times = dict.fromkeys(needs, 10) if seconds is None else seconds
    tasks = [
        {
            "name": task,
            "id": task,
            "parents": list(parents),
            "children": [child for child, all_parents in needs.items() if task in all_parents],
        }
        for task, parents in needs.items()
    ]
    document: dict[str, Any] = {
        "name": "small",
        "schemaVersion": version,
        "workflow": {"specification": {"tasks": tasks}},
    }
    if times:
        document["workflow"]["execution"] = {
            "makespanInSeconds": 1,
            "executedAt": "2026-11-26T00:00:00Z",
            "tasks": [{"id": task, "runtimeInSeconds": time} for task, time in times.items()],
        }
    return document


def old_instance(needs: Needs) -> dict[str, Any]:
    """A document of 1.4, each dependency at the task that waits."""
    tasks = [
        {"name": task, "type": "compute", "parents": list(parents), "runtimeInSeconds": 10}
        for task, parents in needs.items()
    ]
    workflow = {"makespanInSeconds": 1, "executedAt": "2026-11-26T00:00:00Z", "tasks": tasks}
    return {"name": "small", "schemaVersion": "1.4", "workflow": workflow}


def encoded(document: object) -> bytes:
    """As a file."""
    return json.dumps(document).encode()
