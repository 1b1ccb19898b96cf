"""What becomes of jobs that are stuck at the head of their queue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_batch as batch

_MISFITS: Final = (
    batch.JobStateTimeLimitActionsReason.COMPUTE_ENVIRONMENT_MAX_RESOURCE,
    batch.JobStateTimeLimitActionsReason.JOB_RESOURCE_REQUIREMENT,
)
"""The job is larger than its environments may ever become, or than any of their instances."""

_UNSUPPORTED_INSTANCES: Final = "MISCONFIGURATION:EC2_INSTANCE_CONFIGURATION_UNSUPPORTED"
"""No instance can start as its environment describes it. CDK has no name for it."""


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


def also_unsupported_instances(queue: batch.JobQueue, limits: Sequence[batch.JobStateTimeLimitAction]) -> None:
    """Where a queue over instances cancels misfits, cancel what no instance can start for, after the same time.

    By escape hatch: `limits` are what the queue was made with, and this one comes after them.
    """
    for misfit in (limit for limit in limits if limit.reason is _MISFITS[-1]):
        resource = queue.node.default_child
        assert isinstance(resource, batch.CfnJobQueue)
        action = {
            "Action": "CANCEL",
            "MaxTimeSeconds": misfit.max_time.to_seconds(),
            "Reason": _UNSUPPORTED_INSTANCES,
            "State": "RUNNABLE",
        }
        resource.add_property_override(f"JobStateTimeLimitActions.{len(limits)}", action)
