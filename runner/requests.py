"""SubmitJob requests: pure functions from a task to what is sent."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from runner.plan import Dependency
from runner.retries import FAULTS_OF_THE_CLOUD
from runner.task import Task

_NO_TAGS: Final[Mapping[str, str]] = MappingProxyType({})
_NO_IDS: Final[Mapping[int, str]] = MappingProxyType({})
JOB_ID_CHARACTERS: Final = 36
"""Of the UUID that a job is known by."""


@dataclass(frozen=True)
class NodeRequest:
    """What a multi-node request needs beyond its task."""

    ranges: tuple[str, ...]
    """The node ranges of its job definition, as it spells them: Batch overrides a range by its exact text."""
    command: tuple[str, ...] | None
    """Of every node; None for the job definition's."""


def submit_job_request(
    task: Task,
    *,
    job_queue: str,
    job_definition: str,
    overrides: dict[str, Any],
    node_request: NodeRequest | None = None,
    has_retries: bool = True,
    tags: Mapping[str, str] = _NO_TAGS,
) -> dict[str, Any]:
    """The request without its name and its dependencies, whose ids are known only after they were submitted.

    `overrides` are command and environment. A task with nodes comes with a node request. Where the job definition
    has no retries, and the task says nothing of them, faults of the cloud are retried and the program's own are not.
    """
    request: dict[str, Any] = {"jobQueue": job_queue, "jobDefinition": job_definition}
    requirements = _requirements(task)
    if requirements:
        overrides["resourceRequirements"] = requirements
    if task.nodes is not None and node_request is not None:
        if node_request.command is not None:
            overrides["command"] = list(node_request.command)
        request["nodeOverrides"] = _node_overrides(task.nodes, node_request.ranges, overrides)
    elif overrides:
        request["containerOverrides"] = overrides
    retries = task.retries or (None if has_retries else FAULTS_OF_THE_CLOUD)
    if retries is not None:
        request["retryStrategy"] = retries.retry_strategy()
    if task.timeout_seconds is not None:
        request["timeout"] = {"attemptDurationSeconds": task.timeout_seconds}
    if tags:
        request["tags"] = dict(tags)
    return request


def _requirements(task: Task) -> list[dict[str, str]]:
    requirements = []
    if task.vcpus is not None:
        requirements.append({"type": "VCPU", "value": f"{task.vcpus:g}"})
    if task.memory_mib is not None:
        requirements.append({"type": "MEMORY", "value": str(task.memory_mib)})
    if task.gpus is not None:
        requirements.append({"type": "GPU", "value": str(task.gpus)})
    return requirements


def _node_overrides(nodes: int, ranges: Sequence[str], overrides: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    # Batch takes a number of nodes for definitions with an open range only; any other has one number.
    if any(has_open_end(text) for text in ranges):
        found["numNodes"] = nodes
    if overrides:
        # What a range's override leaves out is the definition's: an inner range needs all that an outer one has.
        found["nodePropertyOverrides"] = [
            {"targetNodes": text, "containerOverrides": dict(overrides)} for text in ranges
        ]
    return found


def has_open_end(target_nodes: str) -> bool:
    """Whether a node range goes on to the last node, however many there are: `0:`, `:`.

    Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_NodeOverrides.html
    """
    return target_nodes.endswith(":")


def container_overrides(request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The overrides of every container that the request makes: one, or one for each node range."""
    of_nodes: Iterable[Mapping[str, Any]] = request.get("nodeOverrides", {}).get("nodePropertyOverrides", ())
    found = [override.get("containerOverrides", {}) for override in of_nodes]
    return found or [request.get("containerOverrides", {})]


def with_dependencies(
    request: Mapping[str, Any],
    after: Sequence[str],
    dependencies: Sequence[Dependency] = (),
    job_ids: Mapping[int, str] = _NO_IDS,
) -> dict[str, Any]:
    """The request as it is sent: the job starts when all of these have succeeded, ids being known by request."""
    depends_on = [{"jobId": job_id} for job_id in after]
    for dependency in dependencies:
        job_id = job_ids[dependency.request]
        child = "" if dependency.child is None else f":{dependency.child}"
        depends_on.append({"jobId": f"{job_id}{child}"} | ({"type": "N_TO_N"} if dependency.by_index else {}))
    return {**request, "dependsOn": depends_on} if depends_on else dict(request)


def overrides_characters(request: Mapping[str, Any]) -> int:
    """Characters of a container's overrides as ECS counts them: compact JSON, the syntax included.

    Of a multi-node job each range is a container of its own; the longest counts.
    Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
    """
    return max(
        len(json.dumps(overrides, separators=(",", ":"), ensure_ascii=False))
        for overrides in container_overrides(request)
    )


def payload_bytes(request: Mapping[str, Any], dependencies: int) -> int:
    """Bytes of the SubmitJob call with that many dependencies."""
    full = with_dependencies(request, ["x" * JOB_ID_CHARACTERS] * dependencies)
    return len(json.dumps(full).encode())
