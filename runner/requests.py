"""SubmitJob requests: pure functions from a task to what is sent."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from runner.task import Task
from runner.template_values import substitute

JOB_ID_CHARACTERS: Final = 36
"""Of the UUID that a job is known by."""


def submit_job_request(
    task: Task, *, job_name: str, job_queue: str, job_definition: str, values: Mapping[str, str]
) -> dict[str, Any]:
    """The request without its dependencies, whose ids are known only after they were submitted."""
    request: dict[str, Any] = {"jobName": job_name, "jobQueue": job_queue, "jobDefinition": job_definition}
    overrides = _container_overrides(task, values)
    if overrides:
        request["containerOverrides"] = overrides
    if task.retries is not None:
        request["retryStrategy"] = task.retries.retry_strategy()
    if task.timeout_seconds is not None:
        request["timeout"] = {"attemptDurationSeconds": task.timeout_seconds}
    return request


def _container_overrides(task: Task, values: Mapping[str, str]) -> dict[str, Any]:
    overrides: dict[str, Any] = {}
    if task.command is not None:
        overrides["command"] = [substitute(element, values) for element in task.command]
    if task.environment:
        overrides["environment"] = [
            {"name": name, "value": substitute(value, values)} for name, value in task.environment.items()
        ]
    requirements = []
    if task.vcpus is not None:
        requirements.append({"type": "VCPU", "value": f"{task.vcpus:g}"})
    if task.memory_mib is not None:
        requirements.append({"type": "MEMORY", "value": str(task.memory_mib)})
    if requirements:
        overrides["resourceRequirements"] = requirements
    return overrides


def with_dependencies(request: Mapping[str, Any], job_ids: Sequence[str]) -> dict[str, Any]:
    """The request as it is sent: the job starts when all of these have succeeded."""
    return {**request, "dependsOn": [{"jobId": job_id} for job_id in job_ids]} if job_ids else dict(request)


def overrides_characters(request: Mapping[str, Any]) -> int:
    """Characters of the container overrides as ECS counts them: compact JSON, the syntax included.

    Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
    """
    return len(json.dumps(request.get("containerOverrides", {}), separators=(",", ":"), ensure_ascii=False))


def payload_bytes(request: Mapping[str, Any], dependencies: int) -> int:
    """Bytes of the SubmitJob call with that many dependencies."""
    full = with_dependencies(request, ["x" * JOB_ID_CHARACTERS] * dependencies)
    return len(json.dumps(full).encode())
