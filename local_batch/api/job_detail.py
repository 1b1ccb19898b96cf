"""A job as DescribeJobs shows it.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_JobDetail.html; which members there are in which
state follows replies and events of the live service that other projects keep as test data
(tests/data/service_replies).
"""

from __future__ import annotations

from typing import Any

from local_batch.api.attempt_detail import attempt_details
from local_batch.api.container_detail import container_detail
from local_batch.api.job_parts import array_summary, child_index, node_index
from local_batch.engine.jobs import Dependency, Job
from local_batch.engine.states import JobStatus

_NOT_OF_NODES = frozenset({"nodeProperties", "retryStrategy"})


def job_detail(job: Job, *, status: JobStatus | None = None, now_ms: int | None = None) -> dict[str, Any]:
    """JobDetail; `status` where another than the job's own is to be shown, `now_ms` where counts are said to be of now.

    Before the start there is no startedAt, whatever the service model says.
    """
    spec, profile = job.spec, job.profile
    detail = profile.detail
    if job.is_node:
        detail = {name: value for name, value in detail.items() if name not in _NOT_OF_NODES}
    return {
        "jobArn": job.arn,
        "jobName": spec.name,
        "jobId": job.job_id,
        "jobQueue": profile.queue_arn,
        "status": str(status or job.status),
        "attempts": attempt_details(job),
        "createdAt": job.created_at,
        "dependsOn": [] if job.parent else [_dependency(entry) for entry in spec.depends_on],
        "jobDefinition": profile.definition_arn,
        "parameters": spec.parameters,
        "tags": (job.parent or job).tags,
        "eksAttempts": [],
        **detail,
        **_parts(job, now_ms),
        **_optional(job),
    }


def _parts(job: Job, now_ms: int | None) -> dict[str, Any]:
    """What there is of array, nodes and container: a multi-node parallel job as a whole has none."""
    shown: dict[str, Any] = {} if job.is_multinode else {"container": container_detail(job)}
    if job.is_array:
        shown["arrayProperties"] = array_summary(job, now_ms)
    elif job.is_child:
        shown["arrayProperties"] = {**child_index(job), "statusSummary": {}}
    elif job.is_node:
        shown["nodeDetails"] = node_index(job)
    return shown


def _optional(job: Job) -> dict[str, Any]:
    """What is only there once there is something to say. An array has no times: only its children run."""
    shown: dict[str, Any] = {
        "statusReason": job.status_reason,
        "startedAt": job.started_at,
        "stoppedAt": None if job.is_array else job.stopped_at,
        "isCancelled": job.is_cancelled or None,
        "isTerminated": job.is_terminated or None,
    }
    if job.profile.share_identifier is not None:
        shown["shareIdentifier"] = job.profile.share_identifier
        shown["schedulingPriority"] = job.profile.scheduling_priority
    return {name: value for name, value in shown.items() if value is not None}


def _dependency(entry: Dependency) -> dict[str, str]:
    shown = {"jobId": entry.job_id, "type": entry.type and str(entry.type)}
    return {name: value for name, value in shown.items() if value is not None}
