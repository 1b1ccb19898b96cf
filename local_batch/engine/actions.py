"""What the engine asks of the world: the dispatcher carries these out and answers with events."""

from __future__ import annotations

from dataclasses import dataclass

from local_batch.engine.states import JobStatus

STOP_GRACE_SECONDS = 30
"""Between SIGTERM and SIGKILL. Source: https://docs.aws.amazon.com/batch/latest/userguide/job_timeouts.html"""


@dataclass(frozen=True, slots=True)
class StartAttempt:
    """Run the job's container; answered by ContainerStarted or StartFailed."""

    job_id: str
    attempt: int


@dataclass(frozen=True, slots=True)
class StopAttempt:
    """SIGTERM, the grace, SIGKILL; answered by ContainerExited."""

    job_id: str
    attempt: int
    grace_seconds: int = STOP_GRACE_SECONDS


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Send AttemptTimedOut at `at_ms`; the engine ignores one that comes after the attempt's end."""

    job_id: str
    attempt: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class PublishState:
    """The job entered `status`: tell those who listen (EventBridge)."""

    job_id: str
    status: JobStatus


Action = StartAttempt | StopAttempt | SetTimer | PublishState
