"""CancelJob and TerminateJob.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_TerminateJob.html
"""

from __future__ import annotations

from typing import Any

import batch_limits
from local_batch.api.refusals import refuse
from local_batch.api.state import State
from local_batch.engine.events import CancelRequested, TerminateRequested


class JobControl:
    """Ends jobs on request.

    Both answer with nothing, whatever state the job is in, and whether or not there is such a job: the service does
    not tell (https://github.com/aws/aws-cli/issues/2551).
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def cancel(self, request: dict[str, Any]) -> dict[str, Any]:
        """CancelJob: what has not reached STARTING; others go on."""
        job_id, reason = _checked(request)
        if job_id in self._state.engine.jobs:
            self._state.dispatcher.dispatch(CancelRequested(job_id, reason))
        return {}

    def terminate(self, request: dict[str, Any]) -> dict[str, Any]:
        """TerminateJob: whatever has not ended."""
        job_id, reason = _checked(request)
        if job_id in self._state.engine.jobs:
            self._state.dispatcher.dispatch(TerminateRequested(job_id, reason))
        return {}


def _checked(request: dict[str, Any]) -> tuple[str, str]:
    job_id: str = request["jobId"]
    reason: str = request["reason"]
    if not job_id:
        raise refuse("Job ID must not be empty.")
    if not 1 <= len(reason) <= batch_limits.MAX_REASON_CHARACTERS:
        raise refuse(f"reason must have 1 to {batch_limits.MAX_REASON_CHARACTERS} characters, got {len(reason)}.")
    return job_id, reason
