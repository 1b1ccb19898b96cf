"""A plan read back into the graph that it came from, by what Batch does with its requests."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from batch_limits import MAX_ARRAY_SIZE, MAX_DEPENDENCIES_PER_JOB
from launcher_contract import CHILDREN_VARIABLE
from runner.plan import Plan, PlannedRequest

Job = tuple[int, int | None]
"""A request, and a child of its array."""


def awaited_tasks(requests: Sequence[PlannedRequest]) -> dict[str, frozenset[str]]:
    """By task, the tasks that must have succeeded, or at least ended, before Batch starts it."""
    names = {job: planned.tasks[job[1] or 0] for planned, job in _jobs(requests) if planned.tasks}
    return {name: frozenset(names[other] for other in _through_barriers(requests, job)) for job, name in names.items()}


def _jobs(requests: Sequence[PlannedRequest]) -> list[tuple[PlannedRequest, Job]]:
    found: list[tuple[PlannedRequest, Job]] = []
    for index, planned in enumerate(requests):
        children: Sequence[int | None] = [None] if planned.size is None else range(planned.size)
        found += [(planned, (index, child)) for child in children]
    return found


def _through_barriers(requests: Sequence[PlannedRequest], job: Job) -> set[Job]:
    found: set[Job] = set()
    for other in _directly(requests, job):
        found |= _through_barriers(requests, other) if not requests[other[0]].tasks else {other}
    return found


def _directly(requests: Sequence[PlannedRequest], job: Job) -> list[Job]:
    planned = requests[job[0]]
    found: list[Job] = []
    for dependency in planned.depends_on:
        size = requests[dependency.request].size
        assert dependency.request < job[0], "a request stands behind all that it depends on"
        if dependency.by_index:
            assert planned.size == size is not None, "N_TO_N ties arrays of the same size"
            found.append((dependency.request, job[1]))
        elif dependency.child is not None:
            assert size is not None
            assert 0 <= dependency.child < size
            found.append((dependency.request, dependency.child))
        else:
            found += [(dependency.request, child) for child in (range(size) if size else [None])]
    for other in planned.waits_for:
        assert other < job[0]
        size = requests[other].size
        found += [(other, child) for child in (range(size) if size else [None])]
    return found


def check_limits(requests: Sequence[PlannedRequest]) -> None:
    """What Batch would refuse of any request."""
    names = [planned.job_name for planned in requests]
    assert len(set(names)) == len(names), "a job's name is given once"
    for planned in requests:
        assert len(planned.depends_on) + len(planned.after) <= MAX_DEPENDENCIES_PER_JOB
        assert all(dependency.child is None for dependency in planned.depends_on), "children may not be there yet"
        assert planned.size is None or 2 <= planned.size <= MAX_ARRAY_SIZE
        assert planned.size == (len(planned.tasks) if len(planned.tasks) > 1 else None)


def children(plan: Plan, planned: PlannedRequest) -> list[tuple[list[str] | None, dict[str, str]]]:
    """Command and environment of each child, as the launcher, or the shell, would run it."""
    overrides = _overrides(planned.request)
    environment = {entry["name"]: entry["value"] for entry in overrides.get("environment", ())}
    size = len(planned.tasks)
    if CHILDREN_VARIABLE not in environment:
        return [(overrides.get("command"), environment)] * size
    told = json.loads(environment[CHILDREN_VARIABLE])
    if "children" in told:
        return [(command, own) for command, own in told["children"]]
    lines: list[str] = []
    bucket = told["from"].removeprefix("s3://").partition("/")
    assert bucket[0] == plan.bucket
    for first, digest in told["blocks"]:
        content = plan.objects[f"{bucket[2]}{digest}.jsonl.gz"]
        assert hashlib.sha256(content).hexdigest() == digest
        assert first == len(lines)
        lines += gzip.decompress(content).decode().splitlines()
    return [(command, own) for command, own in map(json.loads, lines)]


def _overrides(request: Mapping[str, Any]) -> Mapping[str, Any]:
    nodes = request.get("nodeOverrides", {}).get("nodePropertyOverrides", ())
    found: Mapping[str, Any] = nodes[0]["containerOverrides"] if nodes else request.get("containerOverrides", {})
    return found
