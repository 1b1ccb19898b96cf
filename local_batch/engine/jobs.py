"""Jobs: what was submitted (frozen, and kept once where many jobs have it in common), and what became of it."""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass, field

from local_batch.engine.resources import Json, Platform
from local_batch.engine.states import JobStatus, Story


@dataclass(frozen=True, slots=True)
class Demand:
    """What one container of a job reserves while it is STARTING or RUNNING."""

    vcpus: float
    memory_mib: int
    gpus: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """What a placement holds of its compute environment, and of this machine."""

    environment_vcpus: float = 0.0
    vcpus: float = 0.0
    memory_mib: int = 0
    gpus: int = 0

    def plus(self, other: Claim, times: int = 1) -> Claim:
        """This and `times` the other."""
        return Claim(
            self.environment_vcpus + times * other.environment_vcpus,
            self.vcpus + times * other.vcpus,
            self.memory_mib + times * other.memory_mib,
            self.gpus + times * other.gpus,
        )


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
class Container:
    """One container of a job, or of one range of a multi-node parallel job's nodes: definition and overrides merged.

    `detail` is the ContainerDetail of the API without what only an attempt knows. A multi-node parallel job's holds
    command and environment, those of other jobs are in their JobSpec: they are what jobs differ in.
    """

    demand: Demand
    log_group: str
    log_stream_prefix: str
    """`<prefix>/default/`; the task id follows."""

    detail: dict[str, Json] = field(default_factory=dict)
    first_node: int = 0
    last_node: int = 0
    instance_type: str | None = None
    """The one EC2 instance type that it may run on; None: any of the compute environment's."""


@dataclass(frozen=True, slots=True)
class Profile:
    """All of a submission that other submissions are likely to have too; the engine keeps equal ones once.

    `detail` is what else DescribeJobs shows and the engine does not read.
    """

    key: str
    """Names the profile; the same content has the same key."""

    queue_arn: str
    definition_arn: str
    platform: Platform
    containers: tuple[Container, ...]
    """One; of a multi-node parallel job one for each node range, as in its definition."""

    retry: RetryStrategy = RetryStrategy()
    timeout_seconds: int | None = None
    share_identifier: str | None = None
    scheduling_priority: int = 0
    num_nodes: int | None = None
    """Of a multi-node parallel job."""

    main_node: int = 0
    detail: dict[str, Json] = field(default_factory=dict)

    @property
    def vcpus(self) -> float:
        """What a job, or all its nodes together, asks for."""
        return sum(self.container_of(node).demand.vcpus for node in range(self.num_nodes or 1))

    def container_of(self, node: int) -> Container:
        """The container of a node: of the ranges that hold it, the narrowest (an inner range overrides an outer one).

        Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_NodeRangeProperty.html
        """
        holding = [item for item in self.containers if item.first_node <= node <= item.last_node]
        return min(holding, key=lambda item: item.last_node - item.first_node)


class DependencyType(enum.StrEnum):
    """How an array job depends child by child."""

    N_TO_N = "N_TO_N"
    SEQUENTIAL = "SEQUENTIAL"


@dataclass(frozen=True, slots=True)
class Dependency:
    """One entry of dependsOn. Without a type: on all of that job, which may be the child of an array job."""

    job_id: str | None
    type: DependencyType | None = None


@dataclass(frozen=True, slots=True)
class JobSpec:
    """A submission as accepted: what its profile leaves open."""

    job_id: str
    name: str
    profile: str
    """Key of its profile."""

    command: tuple[str, ...] = ()
    """Placeholders filled. Empty for a multi-node parallel job, and where the image's own is meant."""

    environment: tuple[tuple[str, str], ...] = ()
    """Names and values. Empty for a multi-node parallel job."""

    depends_on: tuple[Dependency, ...] = ()
    array_size: int | None = None
    parameters: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Attempt:
    """One try of a job; `number` counts from 1. `started_at` stays None where the container never started."""

    number: int
    compute_environment_arn: str
    claim: Claim
    """What it holds until it ends. Of a multi-node parallel job as a whole: for nodes that have not been started."""

    started_at: int | None = None
    stopped_at: int | None = None
    exit_code: int | None = None
    reason: str | None = None
    status_reason: str | None = None
    address: int | None = None
    """Of a node: which of the addresses that the local cloud gives to nodes, counted from 0."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """Why the job at the head of a queue cannot be placed, and since when (epoch milliseconds)."""

    reason: str
    since_ms: int


@dataclass(slots=True, eq=False)
class Job:
    """A job's record; a child of an array job and a node of a multi-node parallel job have one each, of the same kind.

    Times are epoch milliseconds. What children and nodes share is in `spec` and `profile`, which are their parent's.
    """

    spec: JobSpec
    profile: Profile
    created_at: int
    parent: Job | None = None
    index: int | None = None
    """Of a child or node, from 0."""

    tags: dict[str, str] = field(default_factory=dict)
    status: JobStatus = JobStatus.SUBMITTED
    status_reason: str | None = None
    runnable_at: int | None = None
    started_at: int | None = None
    stopped_at: int | None = None
    attempts: tuple[Attempt, ...] = ()
    story: str = Story.BEGINNING
    outstanding: int = 0
    """How many of its dependencies have not reached an end."""

    stop_reason: str | None = None
    """Why the job is being stopped; set once, by whichever of cancel, terminate and timeout came first."""

    is_cancelled: bool = False
    is_terminated: bool = False
    blocked: Blocked | None = None
    children: dict[int, Job] | None = None
    """Of an array job once it has them, by index; of a multi-node parallel job the nodes that there have been."""

    summary: dict[JobStatus, int] | None = None
    """Of an array job: how many of its children are in each state."""

    @property
    def is_array(self) -> bool:
        """Whether this is the parent of an array job."""
        return self.spec.array_size is not None and self.parent is None

    @property
    def is_child(self) -> bool:
        """Whether this is a child of an array job."""
        return self.parent is not None and self.spec.array_size is not None

    @property
    def is_multinode(self) -> bool:
        """Whether this is a multi-node parallel job as a whole."""
        return self.profile.num_nodes is not None and self.parent is None

    @property
    def is_node(self) -> bool:
        """Whether this is a node of a multi-node parallel job."""
        return self.parent is not None and self.profile.num_nodes is not None

    @property
    def is_main_node(self) -> bool:
        """Whether this is the node whose end is the job's end."""
        return self.is_node and self.index == self.profile.main_node

    @property
    def job_id(self) -> str:
        """`uuid`, of a child `uuid:index`, of a node `uuid#index`."""
        if self.parent is None:
            return self.spec.job_id
        return f"{self.spec.job_id}{'#' if self.is_node else ':'}{self.index}"

    @property
    def arn(self) -> str:
        """The job's ARN, in the account and Region of its queue."""
        return f"{self.profile.queue_arn.partition(':job-queue/')[0]}:job/{self.job_id}"

    @property
    def container(self) -> Container:
        """What its attempts run; of a multi-node parallel job as a whole, what its main node runs."""
        if self.profile.num_nodes is None:
            return self.profile.containers[0]
        return self.profile.container_of(self.profile.main_node if self.index is None else self.index)

    @property
    def attempt(self) -> Attempt:
        """The latest attempt; IndexError before the first."""
        return self.attempts[-1]

    def task_id(self, attempt: Attempt) -> str:
        """Of the ECS task of an attempt: 32 hex digits, derived and not drawn, so that a replay gives the same."""
        return hashlib.md5(f"{self.job_id}/{attempt.number}".encode(), usedforsecurity=False).hexdigest()

    def log_stream(self, attempt: Attempt) -> str:
        """The CloudWatch log stream of an attempt. A multi-node parallel job as a whole has its main node's."""
        if self.is_multinode and self.children:
            main = self.children[self.profile.main_node]
            return main.log_stream(attempt)
        return f"{self.container.log_stream_prefix}{self.task_id(attempt)}"
