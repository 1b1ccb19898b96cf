"""Jobs: what was submitted (frozen), and what became of it (the engine's own records)."""

from __future__ import annotations

from dataclasses import dataclass, field

from local_batch.engine.resources import Json, Platform
from local_batch.engine.states import JobStatus


@dataclass(frozen=True, slots=True)
class Demand:
    """What one container of a job reserves while it is STARTING or RUNNING."""

    vcpus: float
    memory_mib: int
    gpus: int = 0


@dataclass(frozen=True, slots=True)
class ExitRule:
    """One evaluateOnExit condition; patterns may end in `*`, None is not asked, `retry` is its action."""

    retry: bool
    on_exit_code: str | None = None
    on_reason: str | None = None
    on_status_reason: str | None = None


@dataclass(frozen=True, slots=True)
class RetryStrategy:
    """How often a job is tried (1 to 10 attempts in all) and which ends are worth another attempt."""

    attempts: int = 1
    rules: tuple[ExitRule, ...] = ()


@dataclass(frozen=True, slots=True)
class JobSpec:
    """A submission as accepted: definition and overrides merged, placeholders filled.

    `container` is the ContainerDetail of the API without what only an attempt knows; `detail` is what else
    DescribeJobs shows and the engine does not read.
    """

    job_id: str
    arn: str
    name: str
    queue_arn: str
    definition_arn: str
    platform: Platform
    demand: Demand
    log_group: str
    log_stream_prefix: str
    """`<prefix>/default/`; the task id follows."""

    container: dict[str, Json]
    depends_on: tuple[str, ...] = ()
    retry: RetryStrategy = RetryStrategy()
    timeout_seconds: int | None = None
    tags: dict[str, str] = field(default_factory=dict)
    detail: dict[str, Json] = field(default_factory=dict)


@dataclass(slots=True)
class Attempt:
    """One try of a job; `number` counts from 1. `started_at` stays None where the container never started."""

    number: int
    task_id: str
    log_stream: str
    compute_environment_arn: str
    started_at: int | None = None
    stopped_at: int | None = None
    exit_code: int | None = None
    reason: str | None = None
    status_reason: str | None = None


@dataclass(slots=True)
class Job:
    """A job's record. Times are epoch milliseconds."""

    spec: JobSpec
    created_at: int
    tags: dict[str, str] = field(default_factory=dict)
    status: JobStatus = JobStatus.SUBMITTED
    status_reason: str | None = None
    started_at: int | None = None
    stopped_at: int | None = None
    attempts: list[Attempt] = field(default_factory=list)
    story: list[JobStatus] = field(default_factory=lambda: [JobStatus.SUBMITTED])
    outstanding: set[str] = field(default_factory=set)
    """Ids of dependencies that have not reached an end."""

    stop_reason: str | None = None
    """Why the job is being stopped; set once, by whichever of cancel, terminate and timeout came first."""

    is_cancelled: bool = False
    is_terminated: bool = False

    @property
    def attempt(self) -> Attempt:
        """The latest attempt; IndexError before the first."""
        return self.attempts[-1]
