"""Attempts as AttemptDetail shows them.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_AttemptDetail.html
"""

from __future__ import annotations

from typing import Any

from local_batch.api.ecs_names import container_instance_arn, network_interface, task_arn
from local_batch.attempt_work import node_address
from local_batch.engine.jobs import Attempt, Job
from local_batch.engine.resources import Platform


def attempt_details(job: Job) -> list[dict[str, Any]]:
    """The attempts that have ended; the one under way is not among them."""
    return [_attempt(job, attempt) for attempt in job.attempts if attempt.stopped_at is not None]


def attempt_container(job: Job, attempt: Attempt) -> dict[str, Any]:
    """Where a container ran, what it wrote to, how it ended.

    The log stream has its name before it is there, so that an attempt that never started names one too. A multi-node
    parallel job as a whole has neither task nor instance: its nodes have.
    """
    shown: dict[str, Any] = {
        "logStreamName": job.log_stream(attempt),
        "networkInterfaces": _network_interfaces(job, attempt),
        **ending(attempt),
    }
    if job.is_multinode:
        return shown
    shown["taskArn"] = task_arn(attempt.compute_environment_arn, job.task_id(attempt))
    if job.profile.platform is Platform.EC2:
        shown["containerInstanceArn"] = container_instance_arn(attempt.compute_environment_arn, attempt.address)
    return shown


def ending(attempt: Attempt) -> dict[str, Any]:
    """Exit code and reason, as far as there are any."""
    shown: dict[str, Any] = {}
    if attempt.exit_code is not None:
        shown["exitCode"] = attempt.exit_code
    if attempt.reason is not None:
        shown["reason"] = attempt.reason
    return shown


def _attempt(job: Job, attempt: Attempt) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "container": attempt_container(job, attempt),
        "stoppedAt": attempt.stopped_at,
        "statusReason": attempt.status_reason,
    }
    if attempt.started_at is not None:
        shown["startedAt"] = attempt.started_at
    return shown


def _network_interfaces(job: Job, attempt: Attempt) -> list[dict[str, str]]:
    """Of a container that started: its own on Fargate and of a node; other EC2 containers have their host's network."""
    if attempt.started_at is None or job.is_multinode:
        return []
    if attempt.address is not None:
        return [network_interface(job.task_id(attempt), node_address(attempt.address).address)]
    return [network_interface(job.task_id(attempt))] if job.profile.platform is Platform.FARGATE else []
