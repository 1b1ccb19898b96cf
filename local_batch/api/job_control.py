"""CancelJob and TerminateJob.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_TerminateJob.html
"""

from __future__ import annotations

from typing import Any

import batch_limits
from local_batch.api.refusals import refuse
from local_batch.api.state import State
from local_batch.api.submission import unknown_job
from local_batch.engine.events import CancelRequested, TerminateRequested


class JobControl:
    """Ends jobs on request. Both answer with nothing, whatever state the job is in."""

    def __init__(self, state: State) -> None:
        self._state = state

    def cancel(self, request: dict[str, Any]) -> dict[str, Any]:
        """CancelJob: what has not reached STARTING; others go on."""
        self._state.dispatcher.dispatch(CancelRequested(self._job_id(request), _reason(request)))
        return {}

    def terminate(self, request: dict[str, Any]) -> dict[str, Any]:
        """TerminateJob: whatever has not ended."""
        self._state.dispatcher.dispatch(TerminateRequested(self._job_id(request), _reason(request)))
        return {}

    def _job_id(self, request: dict[str, Any]) -> str:
        job_id: str = request["jobId"]
        if job_id not in self._state.engine.jobs:
            raise unknown_job(job_id)
        return job_id


def _reason(request: dict[str, Any]) -> str:
    reason: str = request["reason"]
    if not 1 <= len(reason) <= batch_limits.MAX_REASON_CHARACTERS:
        raise refuse(f"reason must have 1 to {batch_limits.MAX_REASON_CHARACTERS} characters, got {len(reason)}.")
    return reason
