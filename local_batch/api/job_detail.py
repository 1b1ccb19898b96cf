"""A job as DescribeJobs and the state change events show it.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_JobDetail.html
"""

from __future__ import annotations

from typing import Any

from local_batch.engine.jobs import Attempt, Job
from local_batch.engine.resources import Platform
from local_batch.engine.states import JobStatus


def job_detail(job: Job, status: JobStatus | None = None) -> dict[str, Any]:
    """JobDetail; `status` where another than the job's own is to be shown."""
    spec = job.spec
    detail: dict[str, Any] = {
        "jobArn": spec.arn,
        "jobName": spec.name,
        "jobId": spec.job_id,
        "jobQueue": spec.queue_arn,
        "status": str(status or job.status),
        "attempts": [_attempt(attempt, spec.arn, spec.platform) for attempt in job.attempts if attempt.stopped_at],
        "createdAt": job.created_at,
        # The service model requires startedAt; before the start the service says 0.
        "startedAt": job.started_at or 0,
        "dependsOn": [{"jobId": job_id} for job_id in spec.depends_on],
        "jobDefinition": spec.definition_arn,
        "container": _container(job),
        "tags": job.tags,
        **spec.detail,
    }
    if job.status_reason is not None:
        detail["statusReason"] = job.status_reason
    if job.stopped_at is not None:
        detail["stoppedAt"] = job.stopped_at
    if job.is_cancelled:
        detail["isCancelled"] = True
    if job.is_terminated:
        detail["isTerminated"] = True
    return detail


def _container(job: Job) -> dict[str, Any]:
    """What was asked for, and of the latest attempt what is known."""
    container = {
        "volumes": [],
        "mountPoints": [],
        "ulimits": [],
        "secrets": [],
        "networkInterfaces": [],
        **job.spec.container,
    }
    if job.attempts:
        latest = job.attempts[-1]
        container |= _placement(latest, job.spec.arn, job.spec.platform)
        if latest.started_at is None:
            container.pop("logStreamName")
        container |= _ending(latest)
    return container


def _attempt(attempt: Attempt, job_arn: str, platform: Platform) -> dict[str, Any]:
    placement = _placement(attempt, job_arn, platform)
    if attempt.started_at is None:
        placement.pop("logStreamName")
    shown: dict[str, Any] = {
        "container": {**placement, **_ending(attempt), "networkInterfaces": []},
        "stoppedAt": attempt.stopped_at,
        "statusReason": attempt.status_reason,
        "taskProperties": [],
    }
    if attempt.started_at is not None:
        shown["startedAt"] = attempt.started_at
    return shown


def _placement(attempt: Attempt, job_arn: str, platform: Platform) -> dict[str, Any]:
    _, _, _, region, account, _ = job_arn.split(":", 5)
    cluster = attempt.compute_environment_arn.rpartition("/")[2]
    ecs = f"arn:aws:ecs:{region}:{account}"
    placement = {"taskArn": f"{ecs}:task/{cluster}/{attempt.task_id}", "logStreamName": attempt.log_stream}
    if platform is Platform.EC2:
        placement["containerInstanceArn"] = f"{ecs}:container-instance/{cluster}/{'0' * 32}"
    return placement


def _ending(attempt: Attempt) -> dict[str, Any]:
    ending: dict[str, Any] = {}
    if attempt.exit_code is not None:
        ending["exitCode"] = attempt.exit_code
    if attempt.reason is not None:
        ending["reason"] = attempt.reason
    return ending


def job_summary(job: Job) -> dict[str, Any]:
    """The job's row in ListJobs: times and container appear once there is something to say."""
    container = _ending(job.attempts[-1]) if job.attempts else {}
    summary: dict[str, Any] = {
        "jobArn": job.spec.arn,
        "jobId": job.spec.job_id,
        "jobName": job.spec.name,
        "createdAt": job.created_at,
        "status": str(job.status),
        "jobDefinition": job.spec.definition_arn,
    }
    optional = {
        "statusReason": job.status_reason,
        "startedAt": job.started_at,
        "stoppedAt": job.stopped_at,
        "container": container or None,
        "isCancelled": job.is_cancelled or None,
        "isTerminated": job.is_terminated or None,
    }
    return summary | {key: value for key, value in optional.items() if value is not None}
