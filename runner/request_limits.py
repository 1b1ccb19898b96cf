"""Batch's and ECS's limits on one request."""

from __future__ import annotations

from batch_limits import MAX_CONTAINER_OVERRIDES_CHARACTERS, MAX_DEPENDENCIES_PER_JOB, MAX_SUBMIT_JOB_PAYLOAD_BYTES
from runner.plan import PlannedRequest
from runner.requests import overrides_characters, payload_bytes
from runner.task import Task


def explain_limits(planned: PlannedRequest, task: Task) -> list[str]:
    """Everything in a request that would be refused, now or later: rule, value got, what to do."""
    found = []
    name = planned.tasks[0]
    if len(planned.after) >= MAX_DEPENDENCIES_PER_JOB and (planned.depends_on or len(task.after) > len(planned.after)):
        found.append(_too_many(name, len(planned.after), MAX_DEPENDENCIES_PER_JOB - 1))
    elif len(planned.after) > MAX_DEPENDENCIES_PER_JOB:
        found.append(_too_many(name, len(planned.after), MAX_DEPENDENCIES_PER_JOB))
    characters = overrides_characters(planned.request)
    if characters > MAX_CONTAINER_OVERRIDES_CHARACTERS:
        found.append(
            f"command, environment and resources make at most {MAX_CONTAINER_OVERRIDES_CHARACTERS} characters of JSON "
            f"(ECS API_RunTask), task {name!r} got {characters}, and its image has no launcher that could fetch them; "
            "put long values into an object in the bucket and pass its key, or give the image the launcher "
            "(docs/launcher.md)"
        )
    size = payload_bytes(planned.request, len(planned.depends_on) + len(planned.after))
    if size > MAX_SUBMIT_JOB_PAYLOAD_BYTES:
        found.append(
            f"a SubmitJob request has at most {MAX_SUBMIT_JOB_PAYLOAD_BYTES} bytes (AWS Batch service quotas), task "
            f"{name!r} got {size}; put long values into an object in the bucket and pass its key"
        )
    return found


def _too_many(name: str, got: int, most: int) -> str:
    return (
        f"a job waits for at most {most} jobs outside the workflow (AWS Batch service quotas: "
        f"{MAX_DEPENDENCIES_PER_JOB} dependencies), task {name!r} got {got}; leave some out"
    )
