"""A job's row in ListJobs.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_JobSummary.html
"""

from __future__ import annotations

import enum
from typing import Any

from local_batch.api.attempt_detail import ending
from local_batch.api.job_parts import array_summary, child_index, node_index
from local_batch.engine.jobs import Job

CAPACITY_UNIT = "VCPU"
"""Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_QueueSnapshotCapacityUsage.html"""


class Search(enum.Enum):
    """What a row was found by; the service shows other members each time."""

    STATUS = enum.auto()
    """By status alone: no job definition (https://github.com/aws/aws-sdk-js/issues/4193)."""

    FILTER = enum.auto()
    """By a filter: neither start nor reason (https://github.com/boto/boto3/issues/3315)."""

    SHARE = enum.auto()
    """By share identifier: everything.

    https://docs.aws.amazon.com/batch/latest/userguide/track-capacity-utilization-compute-jobs.html
    """


def job_summary(job: Job, *, found_by: Search, now_ms: int) -> dict[str, Any]:
    """The row: times, reason and container appear once there is something to say."""
    row: dict[str, Any] = {
        "jobArn": job.arn,
        "jobId": job.job_id,
        "jobName": job.spec.name,
        "createdAt": job.created_at,
        "status": str(job.status),
        **_flags(job),
        **_parts(job, now_ms),
        **_share(job),
    }
    if found_by is not Search.STATUS:
        row["jobDefinition"] = job.profile.definition_arn
    if found_by is not Search.FILTER:
        row.update(_known(statusReason=job.status_reason, startedAt=job.started_at))
    if not job.is_array:
        row.update(_known(stoppedAt=job.stopped_at))
    return row


def configured_vcpus(job: Job) -> float:
    """What the job reserves while it runs: of a multi-node parallel job all nodes together, of an array nothing."""
    if job.is_array:
        return 0.0
    if not job.is_multinode:
        return job.container.demand.vcpus
    return sum(job.profile.container_of(node).demand.vcpus for node in range(job.profile.num_nodes or 0))


def _parts(job: Job, now_ms: int) -> dict[str, Any]:
    if job.is_array:
        return {"arrayProperties": array_summary(job, now_ms)}
    shown: dict[str, Any] = {}
    container = ending(job.attempt) if job.attempts else {}
    # Of a node it is there as soon as there is a container, with nothing in it.
    if container or (job.is_node and job.attempts):
        shown["container"] = container
    if job.is_child:
        shown["arrayProperties"] = child_index(job)
    elif job.is_node:
        shown["nodeProperties"] = node_index(job)
    elif job.is_multinode:
        shown["nodeProperties"] = {"numNodes": job.profile.num_nodes}
    return shown


def _share(job: Job) -> dict[str, Any]:
    """What is said of jobs of queues that share out."""
    if job.profile.share_identifier is None:
        return {}
    usage = [] if job.is_array else [{"capacityUnit": CAPACITY_UNIT, "quantity": float(configured_vcpus(job))}]
    return {"shareIdentifier": job.profile.share_identifier, "capacityUsage": usage}


def _flags(job: Job) -> dict[str, bool]:
    """Only ever true."""
    flags = {"isCancelled": job.is_cancelled, "isTerminated": job.is_terminated}
    return {name: flag for name, flag in flags.items() if flag}


def _known(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
