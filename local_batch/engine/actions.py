"""What the engine asks of the world: the dispatcher carries these out and answers with events."""

from __future__ import annotations

from typing import NamedTuple

from local_batch.engine.events import AttemptTimedOut, TimeLimitReached
from local_batch.engine.jobs import Job
from local_batch.engine.resources import JobQueue
from local_batch.engine.states import JobStatus

STOP_GRACE_SECONDS = 30
"""Between SIGTERM and SIGKILL. Source: https://docs.aws.amazon.com/batch/latest/userguide/job_timeouts.html"""


class StartAttempt(NamedTuple):
    """Run the container of the job's latest attempt; answered by ContainerStarted or StartFailed."""

    job: Job


class StopAttempt(NamedTuple):
    """SIGTERM, the grace, SIGKILL to the job's latest attempt; answered by ContainerExited."""

    job: Job
    grace_seconds: int = STOP_GRACE_SECONDS


class SetTimer(NamedTuple):
    """Send the event at `at_ms`; the engine ignores one that comes when it is of no interest any more."""

    at_ms: int
    event: AttemptTimedOut | TimeLimitReached


class PublishState(NamedTuple):
    """The job entered `status`: tell those who listen (EventBridge)."""

    job: Job
    status: JobStatus


class PublishBlocked(NamedTuple):
    """The job at the head of the queue cannot be placed, for the reason in its `blocked` (EventBridge)."""

    job: Job
    queue: JobQueue


Action = StartAttempt | StopAttempt | SetTimer | PublishState | PublishBlocked
