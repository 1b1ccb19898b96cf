"""A small cloud for engine tests: a virtual clock, counted ids, and words for what the world does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from local_batch.engine import events
from local_batch.engine.actions import Action, PublishState, SetTimer, StartAttempt, StopAttempt
from local_batch.engine.capacity import HostCapacity
from local_batch.engine.core import Engine
from local_batch.engine.jobs import (
    Container,
    Demand,
    Dependency,
    DependencyType,
    Job,
    JobSpec,
    Profile,
    RetryStrategy,
)
from local_batch.engine.resources import ComputeEnvironment, InstanceSize, JobQueue, Platform, SchedulingPolicy
from local_batch.engine.states import JobStatus

FARGATE, EC2 = "arn:ce/fargate", "arn:ce/ec2"
HIGH, NORMAL, ON_EC2, SHARED = "arn:jq/high", "arn:jq/normal", "arn:jq/ec2", "arn:jq/shared"
POLICY = "arn:sp/fair"

AMPLE_HOST = HostCapacity(vcpus=64, memory_mib=256 * 1024, gpus=4)


@dataclass(frozen=True)
class Submission:
    """A job as tests describe it: its spec and the profile that it is made with."""

    spec: JobSpec
    profile: Profile


def job_spec(
    job_id: str,
    *,
    queue: str = NORMAL,
    vcpus: float = 1,
    gpus: int = 0,
    depends_on: Iterable[str | Dependency] = (),
    retry: RetryStrategy | None = None,
    timeout_seconds: int | None = None,
    array_size: int | None = None,
    share: str | None = None,
    priority: int = 0,
    memory_mib: int = 1024,
) -> Submission:
    """A job with the fields that scheduling reads. A plain id depends on all of that job."""
    profile = Profile(
        key=f"profile-of-{job_id}",
        queue_arn=queue,
        definition_arn="arn:jd/shell:1",
        platform=Platform.EC2 if queue == ON_EC2 else Platform.FARGATE,
        containers=(container(vcpus=vcpus, gpus=gpus, memory_mib=memory_mib),),
        retry=retry or RetryStrategy(),
        timeout_seconds=timeout_seconds,
        share_identifier=share,
        scheduling_priority=priority,
    )
    entries = tuple(entry if isinstance(entry, Dependency) else Dependency(entry) for entry in depends_on)
    spec = JobSpec(job_id=job_id, name=job_id, profile=profile.key, depends_on=entries, array_size=array_size)
    return Submission(spec, profile)


def node_job(
    job_id: str,
    *,
    nodes: int = 3,
    main: int = 0,
    vcpus: float = 2,
    retry: RetryStrategy | None = None,
    timeout_seconds: int | None = None,
    depends_on: Iterable[str] = (),
    containers: tuple[Container, ...] = (),
    queue: str = ON_EC2,
    share: str | None = None,
) -> Submission:
    """A multi-node parallel job; all of its nodes alike, unless it is given a container for each range of them."""
    profile = Profile(
        key=f"profile-of-{job_id}",
        queue_arn=queue,
        definition_arn="arn:jd/nodes:1",
        platform=Platform.EC2,
        containers=containers or (container(vcpus=vcpus, last_node=nodes - 1),),
        retry=retry or RetryStrategy(),
        timeout_seconds=timeout_seconds,
        share_identifier=share,
        num_nodes=nodes,
        main_node=main,
    )
    entries = tuple(Dependency(entry) for entry in depends_on)
    return Submission(JobSpec(job_id=job_id, name=job_id, profile=profile.key, depends_on=entries), profile)


def container(
    *, vcpus: float = 1, gpus: int = 0, memory_mib: int = 1024, first_node: int = 0, last_node: int = 0
) -> Container:
    """A container, of a job or of a range of nodes."""
    return Container(
        demand=Demand(vcpus=vcpus, memory_mib=memory_mib, gpus=gpus),
        log_group="/aws/batch/job",
        log_stream_prefix="shell/default/",
        detail={"image": "shell:1"},
        first_node=first_node,
        last_node=last_node,
    )


def n_to_n(job_id: str) -> Dependency:
    """Child by child on this array."""
    return Dependency(job_id, DependencyType.N_TO_N)


SEQUENTIAL = Dependency(None, DependencyType.SEQUENTIAL)


@dataclass
class Cloud:
    """An engine with two environments and three queues; `high` and `normal` share the Fargate environment."""

    fargate_vcpus: int = 4
    host: HostCapacity = AMPLE_HOST
    now_ms: int = 1_000_000
    history: list[tuple[int, events.Event]] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Deploy."""
        self.engine = Engine(host=self.host)
        self.happen(
            events.ComputeEnvironmentSaved(ComputeEnvironment(FARGATE, "f", Platform.FARGATE, self.fargate_vcpus))
        )
        sizes = (InstanceSize("m6i.large", 2, 7600), InstanceSize("m6i.2xlarge", 8, 31000))
        self.happen(
            events.ComputeEnvironmentSaved(ComputeEnvironment(EC2, "e", Platform.EC2, 16, instance_sizes=sizes))
        )
        self.happen(events.JobQueueSaved(JobQueue(NORMAL, "normal", 10, (FARGATE,))))
        self.happen(events.JobQueueSaved(JobQueue(HIGH, "high", 100, (FARGATE,))))
        self.happen(events.JobQueueSaved(JobQueue(ON_EC2, "ec2", 10, (EC2,))))

    def happen(self, event: events.Event) -> list[Action]:
        """One event, a millisecond after the last."""
        self.now_ms += 1
        actions = self.engine.handle(event, self.now_ms)
        self.history.append((self.now_ms, event))
        self.actions += actions
        return actions

    def submit(self, submission: Submission, failure: str | None = None) -> list[Action]:
        """SubmitJob."""
        if submission.profile.key not in self.engine.profiles:
            self.happen(events.ProfileKept(submission.profile))
        return self.happen(events.JobSubmitted(submission.spec, failure))

    def share_out(self, *weights: tuple[str, float], decay_seconds: int = 600, reservation_percent: int = 0) -> None:
        """Make the queue `shared`, with a fair-share policy, on the Fargate environment."""
        policy = SchedulingPolicy(POLICY, "fair", decay_seconds, reservation_percent, tuple(weights))
        self.happen(events.SchedulingPolicySaved(policy))
        self.happen(events.JobQueueSaved(JobQueue(SHARED, "shared", 10, (FARGATE,), policy_arn=POLICY)))

    def larger_fargate(self, vcpus: int) -> ComputeEnvironment:
        """The Fargate environment with another maximum."""
        return ComputeEnvironment(FARGATE, "f", Platform.FARGATE, vcpus)

    def start(self, job_id: str) -> list[Action]:
        """The container of the job's latest attempt runs."""
        return self.happen(events.ContainerStarted(job_id, self.job(job_id).attempt.number))

    def exit(self, job_id: str, exit_code: int | None = 0, reason: str | None = None) -> list[Action]:
        """The container of the job's latest attempt ended."""
        return self.happen(events.ContainerExited(job_id, self.job(job_id).attempt.number, exit_code, reason))

    def run(self, job_id: str, exit_code: int = 0) -> list[Action]:
        """Start and exit."""
        return self.start(job_id) + self.exit(job_id, exit_code)

    def job(self, job_id: str) -> Job:
        """The record of a job, a child or a node."""
        job = self.engine.find(job_id)
        assert job is not None, f"no job {job_id}"
        return job

    def status(self, job_id: str) -> JobStatus:
        """The state."""
        return self.job(job_id).status

    def statuses(self, job_id: str) -> list[JobStatus]:
        """The states of an array's children, or of nodes, by index."""
        return [child.status for _, child in sorted((self.job(job_id).children or {}).items())]


def started(actions: list[Action]) -> list[str]:
    """Ids of the jobs whose attempts these actions start, in order."""
    return [action.job.job_id for action in actions if isinstance(action, StartAttempt)]


def stopped(actions: list[Action]) -> list[str]:
    """Ids of the jobs whose attempts these actions stop."""
    return [action.job.job_id for action in actions if isinstance(action, StopAttempt)]


def published(actions: list[Action], job_id: str) -> list[JobStatus]:
    """States of the job that these actions publish, in order."""
    return [action.status for action in actions if isinstance(action, PublishState) and action.job.job_id == job_id]


def timers(actions: list[Action]) -> list[tuple[str, int]]:
    """Timers that these actions set: job id, epoch milliseconds."""
    return [(action.event.job_id, action.at_ms) for action in actions if isinstance(action, SetTimer)]


def records(engine: Engine) -> list[tuple[object, ...]]:
    """Everything that is known of every job, in a form that can be compared."""
    jobs = [part for job in engine.jobs.values() for part in (job, *(job.children or {}).values())]
    return [_record(job) for job in jobs]


def _record(job: Job) -> tuple[object, ...]:
    plain = [name for name in Job.__slots__ if name not in ("parent", "children")]
    return (job.job_id, *(getattr(job, name) for name in plain))
