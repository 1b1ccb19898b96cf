"""jobStateTimeLimitActions of a job queue.

Sources: https://docs.aws.amazon.com/batch/latest/APIReference/API_JobStateTimeLimitAction.html and
https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from local_batch.api.refusals import refuse
from local_batch.engine.resources import TimeLimit

REASONS: Final = (
    "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY",
    "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE",
    "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT",
    "MISCONFIGURATION:EC2_INSTANCE_CONFIGURATION_UNSUPPORTED",
)
MIN_SECONDS: Final = 600
MAX_SECONDS: Final = 86_400


def time_limits(actions: Sequence[dict[str, Any]]) -> tuple[TimeLimit, ...]:
    """What the engine is to watch; raises ApiError for what the service refuses."""
    seen: set[tuple[str, str]] = set()
    for action in actions:
        _check(action)
        key = (action["state"], action["reason"])
        if key in seen:
            raise refuse("Duplicate job state limit actions are not allowed.")
        seen.add(key)
    return tuple(TimeLimit(reason=action["reason"], max_seconds=action["maxTimeSeconds"]) for action in actions)


def _check(action: dict[str, Any]) -> None:
    if action["action"] != "CANCEL":
        raise refuse("Invalid job action. Valid job actions: [CANCEL]")
    if action["reason"] not in REASONS:
        raise refuse(f"Invalid reason. Valid reasons: [{', '.join(REASONS)}], got {action['reason'][:80]!r}.")
    if not MIN_SECONDS <= action["maxTimeSeconds"] <= MAX_SECONDS:
        raise refuse(f"maxTimeSeconds must be between {MIN_SECONDS} and {MAX_SECONDS}, got {action['maxTimeSeconds']}.")
