"""DescribeJobs and ListJobs.

Sources: https://docs.aws.amazon.com/batch/latest/APIReference/API_DescribeJobs.html and
https://docs.aws.amazon.com/batch/latest/APIReference/API_ListJobs.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final

import batch_limits
from local_batch.api.job_detail import job_detail
from local_batch.api.job_filters import SHARE_IDENTIFIER, Filter, filter_of
from local_batch.api.job_index import JobIndex
from local_batch.api.job_summary import Search, job_summary
from local_batch.api.paging import number_of, page_size, token_of
from local_batch.api.refusals import refuse
from local_batch.api.state import State
from local_batch.engine.jobs import Job
from local_batch.engine.states import JobStatus

_PAGE: Final = 1000
_FILTERED_PAGE: Final = 100

_Numbered = Iterator[tuple[int, Job]]


class JobListing:
    """Answers about jobs."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._index = JobIndex(state.engine)

    def describe(self, request: dict[str, Any]) -> dict[str, Any]:
        """DescribeJobs; ids that are not known are left out, as the service does."""
        if not 1 <= len(request["jobs"]) <= batch_limits.MAX_JOBS_PER_DESCRIBE:
            # Two spaces: the service's own text.
            raise refuse(f"Maximum number of jobs supported is  {batch_limits.MAX_JOBS_PER_DESCRIBE}")
        now_ms = self._state.dispatcher.now_ms()
        found = (self._state.engine.find(job_id) for job_id in request["jobs"])
        return {"jobs": [job_detail(job, now_ms=now_ms) for job in found if job is not None]}

    def list(self, request: dict[str, Any]) -> dict[str, Any]:
        """ListJobs: RUNNING ones only where neither status nor filter is given."""
        given = [name for name in ("jobQueue", "arrayJobId", "multiNodeJobId") if request.get(name)]
        if len(given) != 1:
            raise refuse("Exactly one of jobQueue, arrayJobId and multiNodeJobId must be specified.")
        if len(request.get("filters") or ()) > 1:
            raise refuse("Only one filter can be specified at a time.")
        if given == ["jobQueue"]:
            return self._of_queue(request)
        return self._parts(request, given[0])

    def _of_queue(self, request: dict[str, Any]) -> dict[str, Any]:
        """The jobs of a queue, newest first; an array or multi-node parallel job is one of them."""
        queue = self._state.find(self._state.engine.queues, request["jobQueue"])
        if queue is None:
            raise refuse(f"JobQueue {request['jobQueue']} not found.")
        jobs = self._index.of_queue(queue.arn)
        last = _last(request, jobs.at)
        rule = next(iter(request.get("filters") or ()), None)
        if rule is None:
            status = JobStatus(request.get("jobStatus") or JobStatus.RUNNING)
            rest = jobs.after(last) if status.is_terminal else jobs.open_after(last)
            return self._page(request, _of_status(rest, status), Search.STATUS)
        passes = filter_of(rule)
        if rule["name"] != SHARE_IDENTIFIER:
            return self._page(request, _passing(jobs.after(last), passes), Search.FILTER)
        rest = _passing(jobs.after(last), passes)
        if request.get("jobStatus"):
            rest = _of_status(rest, JobStatus(request["jobStatus"]))
        return self._page(request, rest, Search.SHARE)

    def _parts(self, request: dict[str, Any], name: str) -> dict[str, Any]:
        """The children of an array, or the nodes of a multi-node parallel job, by index; filters do not apply."""
        parent = self._state.engine.jobs.get(request[name])
        if parent is None or not (parent.is_array if name == "arrayJobId" else parent.is_multinode):
            kind = "an array job" if name == "arrayJobId" else "a multi-node parallel job"
            raise refuse(f"{name} {request[name]} is not {kind}.")
        parts = parent.children or {}
        last = _last(request, parts.get)
        status = JobStatus(request.get("jobStatus") or JobStatus.RUNNING)
        rest = ((index, parts[index]) for index in sorted(parts) if last is None or index > last)
        return self._page(request, _of_status(rest, status), Search.STATUS)

    def _page(self, request: dict[str, Any], rest: _Numbered, found_by: Search) -> dict[str, Any]:
        # More than a page can hold is no error: the service gives what it gives.
        most = _PAGE if found_by is Search.STATUS else _FILTERED_PAGE
        size = min(page_size(request, _PAGE), most)
        shown = list(islice(rest, size + 1))
        now_ms = self._state.dispatcher.now_ms()
        rows = [job_summary(job, found_by=found_by, now_ms=now_ms) for _, job in shown[:size]]
        if len(shown) <= size:
            return {"jobSummaryList": rows}
        number, job = shown[size - 1]
        return {"jobSummaryList": rows, "nextToken": token_of(number, job.job_id)}


def _last(request: dict[str, Any], at: Callable[[int], Job | None]) -> int | None:
    """The number of the job that the page before this one ended with."""
    token = request.get("nextToken")
    if token is None:
        return None

    def key_at(number: int) -> str | None:
        job = at(number)
        return None if job is None else job.job_id

    return number_of(token, key_at)


def _of_status(rest: _Numbered, status: JobStatus) -> _Numbered:
    return ((number, job) for number, job in rest if job.status is status)


def _passing(rest: _Numbered, passes: Filter) -> _Numbered:
    return ((number, job) for number, job in rest if passes(job))
