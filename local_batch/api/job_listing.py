"""DescribeJobs and ListJobs.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_ListJobs.html
"""

from __future__ import annotations

from typing import Any

import batch_limits
from local_batch.api.errors import ApiError
from local_batch.api.job_detail import job_detail, job_summary
from local_batch.api.paging import page
from local_batch.api.refusals import not_played, refuse
from local_batch.api.state import State
from local_batch.engine.jobs import Job
from local_batch.engine.states import JobStatus

_PAGE, _FILTERED_PAGE = 1000, 100


class JobListing:
    """Answers about jobs."""

    def __init__(self, state: State) -> None:
        self._state = state

    def describe(self, request: dict[str, Any]) -> dict[str, Any]:
        """DescribeJobs; ids that are not known are left out, as the service does."""
        if not 1 <= len(request["jobs"]) <= batch_limits.MAX_JOBS_PER_DESCRIBE:
            # Two spaces: the service's own text.
            raise refuse(f"Maximum number of jobs supported is  {batch_limits.MAX_JOBS_PER_DESCRIBE}")
        jobs = self._state.engine.jobs
        return {"jobs": [job_detail(jobs[job_id]) for job_id in request["jobs"] if job_id in jobs]}

    def list(self, request: dict[str, Any]) -> dict[str, Any]:
        """ListJobs: newest first, RUNNING ones only where neither status nor filter is given."""
        given = [name for name in ("jobQueue", "arrayJobId", "multiNodeJobId") if request.get(name)]
        if len(given) != 1:
            raise refuse("Exactly one of jobQueue, arrayJobId and multiNodeJobId must be specified.")
        if given != ["jobQueue"]:
            raise not_played(given[0], request[given[0]])
        queue = self._state.find(self._state.engine.queues, request["jobQueue"])
        if queue is None:
            raise refuse(f"JobQueue {request['jobQueue']} not found.")
        filters = request.get("filters") or []
        status = request.get("jobStatus") or (None if filters else JobStatus.RUNNING)
        if len(filters) > 1:
            raise refuse("Only one filter can be specified at a time.")
        found = [
            job
            for job in self._state.engine.jobs.values()
            if job.spec.queue_arn == queue.arn and (_passes(job, filters[0]) if filters else job.status == status)
        ]
        found.sort(key=lambda job: -job.created_at)
        shown, token = page(found, request, limit=_FILTERED_PAGE if filters else _PAGE)
        return {"jobSummaryList": [job_summary(job) for job in shown], **token}


def _passes(job: Job, rule: dict[str, Any]) -> bool:
    """Whether one of the filter's values fits the job."""
    values: list[str] = rule.get("values") or []
    match rule.get("name"):
        case "JOB_NAME":
            return any(_glob(value.lower(), job.spec.name.lower()) for value in values)
        case "JOB_DEFINITION":
            named = job.spec.definition_arn.rpartition("/")[2]
            return any(
                value in (job.spec.definition_arn, named, named.rpartition(":")[0]) or _glob(value, named)
                for value in values
            )
        case "BEFORE_CREATED_AT":
            return any(job.created_at < _milliseconds(value) for value in values)
        case "AFTER_CREATED_AT":
            return any(job.created_at > _milliseconds(value) for value in values)
        case name:
            raise not_played("filters.name", name)


def _glob(pattern: str, text: str) -> bool:
    return text.startswith(pattern[:-1]) if pattern.endswith("*") else text == pattern


def _milliseconds(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ApiError(f"filters.values: a time is in milliseconds since 1970, got {text!r}; give a number") from None
