"""What a job is part of or consists of: arrays and their children, multi-node parallel jobs and their nodes.

Sources: https://docs.aws.amazon.com/batch/latest/APIReference/API_ArrayPropertiesDetail.html and
https://docs.aws.amazon.com/batch/latest/APIReference/API_NodeDetails.html
"""

from __future__ import annotations

from typing import Any

from local_batch.engine.jobs import Job


def array_summary(job: Job, now_ms: int | None) -> dict[str, Any]:
    """Size of an array, and how many of its children are in each state; states without any are among them.

    The counts are right at any moment, so that they are of `now_ms`, or of the array's end. Without a time, nothing is
    said of when.
    """
    shown: dict[str, Any] = {
        "size": job.spec.array_size,
        "statusSummary": {str(status): count for status, count in (job.summary or {}).items()},
    }
    updated_at = job.stopped_at or now_ms
    if updated_at is not None:
        shown["statusSummaryLastUpdatedAt"] = updated_at
    return shown


def child_index(job: Job) -> dict[str, Any]:
    """Which child of its array a job is."""
    return {"index": job.index}


def node_index(job: Job) -> dict[str, Any]:
    """Which node of its job a node is."""
    return {"nodeIndex": job.index, "isMainNode": job.is_main_node}
