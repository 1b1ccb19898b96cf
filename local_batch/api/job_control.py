"""CancelJob, TerminateJob, and both in bulk.

Sources: https://docs.aws.amazon.com/batch/latest/APIReference/API_TerminateJob.html and
https://docs.aws.amazon.com/batch/latest/APIReference/API_TerminateJobs.html
"""

from __future__ import annotations

import re
from typing import Any, Final

import batch_limits
from local_batch.api.refusals import refuse
from local_batch.api.state import State
from local_batch.engine.events import CancelRequested, TerminateRequested

MAX_JOBS_PER_BULK: Final = 50
_JOB_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}([:#][0-9]{1,5})?", re.IGNORECASE)

_Request = type[CancelRequested] | type[TerminateRequested]


class JobControl:
    """Ends jobs on request: of what was submitted, of children of arrays, of nodes.

    The answer tells neither what state a job was in nor whether there is one, as the service does not
    (https://github.com/aws/aws-cli/issues/2551). A node cannot be cancelled, and to terminate one is to terminate its
    job: it has no life of its own.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def cancel(self, request: dict[str, Any]) -> dict[str, Any]:
        """CancelJob: what has not reached STARTING; others go on."""
        return self._end_one(request, CancelRequested)

    def terminate(self, request: dict[str, Any]) -> dict[str, Any]:
        """TerminateJob: whatever has not ended."""
        return self._end_one(request, TerminateRequested)

    def cancel_many(self, request: dict[str, Any]) -> dict[str, Any]:
        """CancelJobs: each as CancelJob does."""
        return self._end_many(request, CancelRequested)

    def terminate_many(self, request: dict[str, Any]) -> dict[str, Any]:
        """TerminateJobs: each as TerminateJob does."""
        return self._end_many(request, TerminateRequested)

    def _end_one(self, request: dict[str, Any], kind: _Request) -> dict[str, Any]:
        if not request["jobId"]:
            raise refuse("Job ID must not be empty.")
        reason = _reason(request)
        if self._state.engine.find(request["jobId"]) is not None:
            self._state.dispatcher.dispatch(kind(request["jobId"], reason))
        return {}

    def _end_many(self, request: dict[str, Any], kind: _Request) -> dict[str, Any]:
        """All at one time. An id that is none is an error of its own; one that nobody has counts as done."""
        reason = _reason(request)
        if not 1 <= len(request["jobs"]) <= MAX_JOBS_PER_BULK:
            raise refuse(f"jobs must have 1 to {MAX_JOBS_PER_BULK} job IDs, got {len(request['jobs'])}.")
        ids = list(dict.fromkeys(request["jobs"]))
        good = [job_id for job_id in ids if _JOB_ID.fullmatch(job_id)]
        known = [job_id for job_id in good if self._state.engine.find(job_id) is not None]
        if known:
            self._state.dispatcher.dispatch(*(kind(job_id, reason) for job_id in known))
        errors = [
            {"job": job_id, "code": "ValidationException", "message": f"Job ID {job_id[:80]!r} is not valid."}
            for job_id in ids
            if not _JOB_ID.fullmatch(job_id)
        ]
        return {"successful": good, "errors": errors}


def _reason(request: dict[str, Any]) -> str:
    reason: str = request["reason"]
    if not 1 <= len(reason) <= batch_limits.MAX_REASON_CHARACTERS:
        raise refuse(f"reason must have 1 to {batch_limits.MAX_REASON_CHARACTERS} characters, got {len(reason)}.")
    return reason
