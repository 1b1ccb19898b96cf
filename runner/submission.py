"""Sends a plan to Batch, each job once.

SubmitJob has no idempotency token: a call repeated after a lost answer makes a second job. So the SDK's own retries are
off for it, the intent is on disk before each call and the id after it, and where it is not known whether a call was
served the job is looked up by its name, which no other job has, before it is sent again.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, EndpointConnectionError

from runner.aws_clients import BatchClient
from runner.errors import HpcError, SubmissionError
from runner.ledger import Ledger
from runner.planner import Plan
from runner.requests import with_dependencies

ATTEMPTS: Final = 8
"""Calls for one job, throttled ones and unanswered ones together."""

LOOK_UPS: Final = 3
"""Look-ups before an unanswered call counts as not served: ListJobs may lag behind SubmitJob."""

_THROTTLED: Final = frozenset({"TooManyRequestsException", "ThrottlingException", "Throttling", "RequestLimitExceeded"})
_STOP_REASON: Final = "The run was not submitted completely"


@dataclass(frozen=True, kw_only=True)
class Pause:
    """How to wait: bounds of the exponential back-off, the clock and the chance that drive it."""

    clock: Callable[[], float]
    sleep: Callable[[float], None]
    first_seconds: float = 0.5
    longest_seconds: float = 20.0
    jitter: Callable[[float, float], float] = random.uniform

    def before(self, attempt: int) -> None:
        """Wait before the next attempt, `attempt` of them having failed."""
        longest = min(self.first_seconds * 2 ** (attempt - 1), self.longest_seconds)
        self.sleep(self.jitter(longest / 2, longest))


def submit(
    plan: Plan,
    submitter: BatchClient,
    batch: BatchClient,
    ledger: Ledger,
    pause: Pause,
    on_submitted: Callable[[str, str], None],
) -> dict[str, str]:
    """Submit every job of the plan; job ids by task. `on_submitted` is told each as it happens.

    Where a job is refused, those submitted before it are terminated, as their dependents will never come, and
    SubmissionError says so.
    """
    ids: dict[str, str] = {}
    for job in plan.jobs:
        request = with_dependencies(job.request, [*job.task.after, *(ids[name] for name in job.task.needs)])
        ledger.begin(job.task.name, pause.clock())
        try:
            job_id = _submit_one(request, submitter, batch, pause)
        except (HpcError, ClientError, BotoCoreError) as error:
            raise _undone(job.task.name, error, ids, batch) from error
        ledger.submitted(job.task.name, job_id, pause.clock())
        ids[job.task.name] = job_id
        on_submitted(job.task.name, job_id)
    return ids


def _submit_one(request: Mapping[str, Any], submitter: BatchClient, batch: BatchClient, pause: Pause) -> str:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return str(submitter.submit_job(**request)["jobId"])
        except ClientError as error:
            if _code(error) in _THROTTLED:
                found = None
            elif _status(error) >= 500:
                found = _look_up(request, batch, pause)
            else:
                raise
            last: Exception = error
        except (ConnectTimeoutError, EndpointConnectionError) as error:
            # Not connected: nothing was sent.
            found, last = None, error
        except BotoCoreError as error:
            found, last = _look_up(request, batch, pause), error
        if found is not None:
            return found
        if attempt < ATTEMPTS:
            pause.before(attempt)
    raise SubmissionError(f"SubmitJob: is answered within {ATTEMPTS} calls, got: {last}; try again later") from last


def _look_up(request: Mapping[str, Any], batch: BatchClient, pause: Pause) -> str | None:
    for attempt in range(1, LOOK_UPS + 1):
        found = find_job(batch, request["jobQueue"], request["jobName"])
        if found is not None:
            return found
        pause.before(attempt)
    return None


def find_job(batch: BatchClient, job_queue: str, job_name: str) -> str | None:
    """The id of the job of that name in a queue; None where there is none."""
    answer = batch.list_jobs(jobQueue=job_queue, filters=[{"name": "JOB_NAME", "values": [job_name]}])
    matching = [job["jobId"] for job in answer["jobSummaryList"] if job["jobName"] == job_name]
    return str(matching[-1]) if matching else None


def _undone(task: str, error: Exception, ids: Mapping[str, str], batch: BatchClient) -> SubmissionError:
    left = []
    for job_id in reversed(list(ids.values())):
        try:
            batch.terminate_job(jobId=job_id, reason=_STOP_REASON)
        except (ClientError, BotoCoreError):
            left.append(job_id)
    if left:
        fate = f"jobs {', '.join(left)} could not be terminated: end them with hpc cancel"
    elif ids:
        fate = f"the {len(ids)} jobs submitted before it were terminated"
    else:
        fate = "nothing was submitted"
    said = error.response["Error"]["Message"] if isinstance(error, ClientError) else str(error)
    return SubmissionError(f"task {task}: is accepted by SubmitJob, got: {said}; {fate}")


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
