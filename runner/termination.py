"""Ends many jobs in few calls."""

from __future__ import annotations

from collections.abc import Sequence

from botocore.exceptions import BotoCoreError, ClientError

from batch_limits import MAX_JOBS_PER_TERMINATE
from runner.aws_clients import BatchClient


def terminate(batch: BatchClient, job_ids: Sequence[str], reason: str) -> list[str]:
    """Terminate jobs, 50 a call, in this order; the ids of those that could not be.

    An array ends with its parent. Jobs that have ended already stay as they are.
    """
    left: list[str] = []
    for start in range(0, len(job_ids), MAX_JOBS_PER_TERMINATE):
        some = list(job_ids[start : start + MAX_JOBS_PER_TERMINATE])
        try:
            answer = batch.terminate_jobs(jobs=some, reason=reason)
        except (ClientError, BotoCoreError):
            left += some
        else:
            left += [str(error["job"]) for error in answer.get("errors", ())]
    return left
