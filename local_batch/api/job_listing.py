"""DescribeJobs and ListJobs.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_ListJobs.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import batch_limits
from local_batch.api.job_detail import job_detail, job_summary
from local_batch.api.paging import Pages
from local_batch.api.refusals import not_played, refuse
from local_batch.api.state import State
from local_batch.engine.jobs import Job
from local_batch.engine.states import JobStatus

_PAGE, _FILTERED_PAGE = 1000, 100
_PAGES: Pages[Job] = Pages(limit=_PAGE, key=lambda job: job.spec.job_id)


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
        if len(filters) > 1:
            raise refuse("Only one filter can be specified at a time.")
        status = request.get("jobStatus") or JobStatus.RUNNING
        passes = _passes(filters[0]) if filters else lambda job: job.status == status
        # More than a page can hold is no error: the service gives what it gives.
        most = _FILTERED_PAGE if filters else _PAGE
        size = most if request.get("maxResults") is None else min(request["maxResults"], most)
        shown, token = _PAGES.cut(
            reversed(self._state.engine.jobs.values()),
            lambda job: job.spec.queue_arn == queue.arn and passes(job),
            {**request, "maxResults": size},
        )
        return {"jobSummaryList": [job_summary(job) for job in shown], **token}


def _passes(rule: dict[str, Any]) -> Callable[[Job], bool]:
    """Whether one of the filter's values fits a job."""
    name, values = rule.get("name"), rule.get("values") or []
    if not values:
        raise refuse("A filter must have a name and at least one value.")
    match name:
        case "JOB_NAME":
            lowered = [value.lower() for value in values]
            return lambda job: any(_fits(value, job.spec.name.lower()) for value in lowered)
        case "JOB_DEFINITION":
            return lambda job: any(_is_of_definition(job, value) for value in values)
        case "BEFORE_CREATED_AT":
            latest = max(_milliseconds(value) for value in values)
            return lambda job: job.created_at < latest
        case "AFTER_CREATED_AT":
            earliest = min(_milliseconds(value) for value in values)
            return lambda job: job.created_at > earliest
        case _:
            raise not_played("filters.name", name)


def _is_of_definition(job: Job, value: str) -> bool:
    """An ARN means one revision; a name, or a name's beginning with a star, means all revisions."""
    if value.startswith("arn:"):
        return value == job.spec.definition_arn
    return _fits(value, job.spec.definition_arn.rpartition("/")[2].rpartition(":")[0])


def _fits(pattern: str, text: str) -> bool:
    return text.startswith(pattern[:-1]) if pattern.endswith("*") else text == pattern


def _milliseconds(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise refuse(f"Times in filters are milliseconds since 1970, got {text!r}.")
    return int(text)
