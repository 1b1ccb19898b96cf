"""A job as DescribeJobs, ListJobs and the state change events show it.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_JobDetail.html; which members there are in which
state follows replies and events of the live service that other projects keep as test data.
"""

from __future__ import annotations

from typing import Any

from local_batch.api.ecs_names import container_instance_arn, network_interface, task_arn
from local_batch.engine.jobs import Attempt, Job
from local_batch.engine.resources import Platform
from local_batch.engine.states import JobStatus


def job_detail(job: Job, status: JobStatus | None = None) -> dict[str, Any]:
    """JobDetail; `status` where another than the job's own is to be shown."""
    spec = job.spec
    optional = {
        "statusReason": job.status_reason,
        "stoppedAt": job.stopped_at,
        "isCancelled": job.is_cancelled or None,
        "isTerminated": job.is_terminated or None,
    }
    return {
        "jobArn": spec.arn,
        "jobName": spec.name,
        "jobId": spec.job_id,
        "jobQueue": spec.queue_arn,
        "status": str(status or job.status),
        "attempts": [_attempt(attempt, spec.platform) for attempt in job.attempts if attempt.stopped_at is not None],
        "createdAt": job.created_at,
        # The service model requires startedAt; before the start the service says 0.
        "startedAt": job.started_at or 0,
        "dependsOn": [{"jobId": job_id} for job_id in spec.depends_on],
        "jobDefinition": spec.definition_arn,
        "container": _container(job),
        "tags": job.tags,
        "eksAttempts": [],
        **spec.detail,
        **{key: value for key, value in optional.items() if value is not None},
    }


def job_event(job: Job, status: JobStatus) -> dict[str, Any]:
    """The detail of the event that says that the job entered `status`.

    Unlike DescribeJobs it says nothing about a start that has not been, and counts the job's ARN among its tags.
    Source: https://docs.aws.amazon.com/batch/latest/userguide/batch_cwe_events.html
    """
    detail = job_detail(job, status)
    if not detail["startedAt"]:
        del detail["startedAt"]
    return {**detail, "tags": {"resourceArn": job.spec.arn, **detail["tags"]}}


def job_summary(job: Job) -> dict[str, Any]:
    """The job's row in ListJobs: times and container appear once there is something to say."""
    container = _ending(job.attempts[-1]) if job.attempts else {}
    optional = {
        "statusReason": job.status_reason,
        "startedAt": job.started_at,
        "stoppedAt": job.stopped_at,
        "container": container or None,
        "isCancelled": job.is_cancelled or None,
        "isTerminated": job.is_terminated or None,
    }
    return {
        "jobArn": job.spec.arn,
        "jobId": job.spec.job_id,
        "jobName": job.spec.name,
        "createdAt": job.created_at,
        "status": str(job.status),
        "jobDefinition": job.spec.definition_arn,
        **{key: value for key, value in optional.items() if value is not None},
    }


def _container(job: Job) -> dict[str, Any]:
    """What was asked for, and of the latest attempt what is known."""
    if not job.attempts:
        return {**job.spec.container, "networkInterfaces": []}
    return {**job.spec.container, **_attempt_container(job.attempt, job.spec.platform)}


def _attempt(attempt: Attempt, platform: Platform) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "container": _attempt_container(attempt, platform),
        "stoppedAt": attempt.stopped_at,
        "statusReason": attempt.status_reason,
    }
    if attempt.started_at is not None:
        shown["startedAt"] = attempt.started_at
    return shown


def _attempt_container(attempt: Attempt, platform: Platform) -> dict[str, Any]:
    """Where it ran, what it wrote to, how it ended; a container that never started has no log and no network."""
    has_started = attempt.started_at is not None
    shown: dict[str, Any] = {
        "taskArn": task_arn(attempt.compute_environment_arn, attempt.task_id),
        "networkInterfaces": [],
        **_ending(attempt),
    }
    if has_started:
        shown["logStreamName"] = attempt.log_stream
    if platform is Platform.EC2:
        shown["containerInstanceArn"] = container_instance_arn(attempt.compute_environment_arn)
    elif has_started:
        shown["networkInterfaces"] = [network_interface(attempt.task_id)]
    return shown


def _ending(attempt: Attempt) -> dict[str, Any]:
    ending: dict[str, Any] = {}
    if attempt.exit_code is not None:
        ending["exitCode"] = attempt.exit_code
    if attempt.reason is not None:
        ending["reason"] = attempt.reason
    return ending
