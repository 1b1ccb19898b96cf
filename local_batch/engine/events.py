"""Everything that can happen to the engine.

Events are journalled and replayed, so they carry all that cannot be derived.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from local_batch.engine.capacity import HostCapacity
from local_batch.engine.jobs import JobSpec, Profile
from local_batch.engine.resources import ComputeEnvironment, JobDefinition, JobQueue, SchedulingPolicy


@dataclass(frozen=True, slots=True)
class HostResized:
    """This machine gives jobs this much from now on; the first event of every process."""

    host: HostCapacity
    kind: Literal["host_resized"] = "host_resized"


@dataclass(frozen=True, slots=True)
class ComputeEnvironmentSaved:
    """Created, or replaced by its updated self."""

    environment: ComputeEnvironment
    kind: Literal["compute_environment_saved"] = "compute_environment_saved"


@dataclass(frozen=True, slots=True)
class ComputeEnvironmentDeleted:
    """Deleted; its queues were detached before."""

    arn: str
    kind: Literal["compute_environment_deleted"] = "compute_environment_deleted"


@dataclass(frozen=True, slots=True)
class JobQueueSaved:
    """Created, or replaced by its updated self."""

    queue: JobQueue
    kind: Literal["job_queue_saved"] = "job_queue_saved"


@dataclass(frozen=True, slots=True)
class JobQueueDeleted:
    """Deleted; what was in it fails."""

    arn: str
    kind: Literal["job_queue_deleted"] = "job_queue_deleted"


@dataclass(frozen=True, slots=True)
class JobDefinitionSaved:
    """A revision registered, tagged, or deregistered (saved as inactive)."""

    definition: JobDefinition
    kind: Literal["job_definition_saved"] = "job_definition_saved"


@dataclass(frozen=True, slots=True)
class SchedulingPolicySaved:
    """Created, or replaced by its updated self."""

    policy: SchedulingPolicy
    kind: Literal["scheduling_policy_saved"] = "scheduling_policy_saved"


@dataclass(frozen=True, slots=True)
class SchedulingPolicyDeleted:
    """Deleted."""

    arn: str
    kind: Literal["scheduling_policy_deleted"] = "scheduling_policy_deleted"


@dataclass(frozen=True, slots=True)
class ProfileKept:
    """Submissions to come are made with this profile; comes once, before the first of them."""

    profile: Profile
    kind: Literal["profile_kept"] = "profile_kept"


@dataclass(frozen=True, slots=True)
class JobSubmitted:
    """SubmitJob was accepted.

    `failure` is why the service fails the job nevertheless, before it is ever placed: limits that it checks late.
    """

    spec: JobSpec
    failure: str | None = None
    kind: Literal["job_submitted"] = "job_submitted"


@dataclass(frozen=True, slots=True)
class JobTagged:
    """The job's tags are now these."""

    job_id: str
    tags: dict[str, str]
    kind: Literal["job_tagged"] = "job_tagged"


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """CancelJob was accepted."""

    job_id: str
    reason: str
    kind: Literal["cancel_requested"] = "cancel_requested"


@dataclass(frozen=True, slots=True)
class TerminateRequested:
    """TerminateJob was accepted."""

    job_id: str
    reason: str
    kind: Literal["terminate_requested"] = "terminate_requested"


@dataclass(frozen=True, slots=True)
class ContainerStarted:
    """An attempt's container runs."""

    job_id: str
    attempt: int
    kind: Literal["container_started"] = "container_started"


@dataclass(frozen=True, slots=True)
class ContainerExited:
    """An attempt's container ended. `exit_code` is None where nobody could see it (the host was lost)."""

    job_id: str
    attempt: int
    exit_code: int | None
    reason: str | None = None
    status_reason: str = "Essential container in task exited"
    kind: Literal["container_exited"] = "container_exited"


@dataclass(frozen=True, slots=True)
class StartFailed:
    """An attempt's container never ran; `reason` is ECS's text, such as `CannotPullContainerError: …`."""

    job_id: str
    attempt: int
    reason: str
    status_reason: str = "Task failed to start"
    kind: Literal["start_failed"] = "start_failed"


@dataclass(frozen=True, slots=True)
class AttemptTimedOut:
    """The attempt has run as long as its job's timeout allows."""

    job_id: str
    attempt: int
    kind: Literal["attempt_timed_out"] = "attempt_timed_out"


@dataclass(frozen=True, slots=True)
class TimeLimitReached:
    """The job has been blocked at the head of its queue, since `since_ms`, as long as the queue allows."""

    job_id: str
    since_ms: int
    kind: Literal["time_limit_reached"] = "time_limit_reached"


Event = (
    HostResized
    | ComputeEnvironmentSaved
    | ComputeEnvironmentDeleted
    | JobQueueSaved
    | JobQueueDeleted
    | JobDefinitionSaved
    | SchedulingPolicySaved
    | SchedulingPolicyDeleted
    | ProfileKept
    | JobSubmitted
    | JobTagged
    | CancelRequested
    | TerminateRequested
    | ContainerStarted
    | ContainerExited
    | StartFailed
    | AttemptTimedOut
    | TimeLimitReached
)
