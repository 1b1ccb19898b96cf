"""Jobs by their names, each of which was given to one job alone: whether a call that was not answered was served."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from runner.aws_clients import BatchClient
from runner.plan import PlannedRequest

FEW: Final = 5
"""Up to so many jobs are looked up one by one; more by what their names begin with, 100 a call."""


def find_job(batch: BatchClient, job_queue: str, job_name: str) -> str | None:
    """The id of the job of that name in a queue; None where there is none."""
    return _listed(batch, job_queue, job_name).get(job_name)


def find_jobs(batch: BatchClient, requests: Mapping[int, PlannedRequest], run_id: str) -> dict[int, str]:
    """Ids of the jobs that these requests have made, by request; those that made none, or none yet, are left out."""
    if len(requests) <= FEW:
        one_by_one = {index: find_job(batch, made.job_queue, made.job_name) for index, made in requests.items()}
        return {index: job_id for index, job_id in one_by_one.items() if job_id is not None}
    by_name: dict[tuple[str, str], str] = {}
    for queue in dict.fromkeys(planned.job_queue for planned in requests.values()):
        # Ids of runs end with a random number: no other run's begins with one.
        by_name |= {(queue, name): job_id for name, job_id in _listed(batch, queue, f"{run_id}*").items()}
    found = {index: by_name.get((made.job_queue, made.job_name)) for index, made in requests.items()}
    return {index: job_id for index, job_id in found.items() if job_id is not None}


def _listed(batch: BatchClient, job_queue: str, pattern: str) -> dict[str, str]:
    found: dict[str, str] = {}
    page: dict[str, Any] = {}
    while True:
        answer = batch.list_jobs(jobQueue=job_queue, filters=[{"name": "JOB_NAME", "values": [pattern]}], **page)
        # Newest first: of two with one name, which only a fault of ours could make, the first counts.
        found |= {job["jobName"]: str(job["jobId"]) for job in answer["jobSummaryList"]}
        if not answer.get("nextToken"):
            return found
        page = {"nextToken": answer["nextToken"]}
