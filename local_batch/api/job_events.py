"""What EventBridge is told: the details of `Batch Job State Change` and `Batch Job Queue Blocked`.

Sources: https://docs.aws.amazon.com/batch/latest/userguide/batch_job_events.html and
https://docs.aws.amazon.com/batch/latest/userguide/batch-job-queue-blocked-events.html
"""

from __future__ import annotations

from typing import Any

from local_batch.api.job_detail import job_detail
from local_batch.engine.jobs import Job
from local_batch.engine.resources import JobQueue
from local_batch.engine.states import JobStatus


def job_event(job: Job, status: JobStatus) -> dict[str, Any]:
    """The detail of the event that says that the job entered `status`.

    Other than in DescribeJobs, an ARN is among the tags (a child's or node's is its parent's, which alone can be
    tagged), and propagateTags is always there.
    """
    detail = job_detail(job, status=status)
    tags = {"resourceArn": (job.parent or job).arn, **detail["tags"]}
    return {"propagateTags": False, **detail, "tags": tags}


def queue_blocked_event(job: Job, queue: JobQueue) -> dict[str, Any]:
    """The detail of the event that says that the RUNNABLE job at the head of the queue keeps it from going on.

    The event's resources are the ARNs of both. `job` is as it was when it was found: its statusReason says why.
    """
    return {**job_event(job, JobStatus.RUNNABLE), "jobQueue": queue.arn}
