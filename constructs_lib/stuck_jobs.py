"""What becomes of jobs that are stuck at the head of their queue."""

from __future__ import annotations

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_batch as batch

_MISFITS: Final = (
    batch.JobStateTimeLimitActionsReason.COMPUTE_ENVIRONMENT_MAX_RESOURCE,
    batch.JobStateTimeLimitActionsReason.JOB_RESOURCE_REQUIREMENT,
)
"""The job is larger than its environments may ever become, or than any of their instances."""


def stuck_job_limits(*, misfit: cdk.Duration, capacity: cdk.Duration | None) -> list[batch.JobStateTimeLimitAction]:
    """Cancel, with the reason, what can never start after `misfit`, and what AWS has no room for after `capacity`.

    Batch acts on the job at the head of the queue, which blocks those behind it; 600 to 86,400 seconds each. With no
    `capacity`, jobs wait for it for ever.
    Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_JobStateTimeLimitAction.html
    """
    limits = [batch.JobStateTimeLimitAction(max_time=misfit, reason=reason) for reason in _MISFITS]
    if capacity is not None:
        shortage = batch.JobStateTimeLimitActionsReason.INSUFFICIENT_INSTANCE_CAPACITY
        limits.append(batch.JobStateTimeLimitAction(max_time=capacity, reason=shortage))
    return limits
