"""A small cloud for engine tests: a virtual clock, counted ids, and words for what the world does."""

from __future__ import annotations

from dataclasses import dataclass, field

from local_batch.engine import events
from local_batch.engine.actions import Action, PublishState, SetTimer, StartAttempt, StopAttempt
from local_batch.engine.capacity import HostCapacity
from local_batch.engine.core import Engine
from local_batch.engine.jobs import Demand, Job, JobSpec, RetryStrategy
from local_batch.engine.resources import ComputeEnvironment, InstanceSize, JobQueue, Platform
from local_batch.engine.states import JobStatus

FARGATE, EC2 = "arn:ce/fargate", "arn:ce/ec2"
HIGH, NORMAL, ON_EC2 = "arn:jq/high", "arn:jq/normal", "arn:jq/ec2"

AMPLE_HOST = HostCapacity(vcpus=64, memory_mib=256 * 1024)


def job_spec(
    job_id: str,
    *,
    queue: str = NORMAL,
    vcpus: float = 1,
    depends_on: tuple[str, ...] = (),
    retry: RetryStrategy | None = None,
    timeout_seconds: int | None = None,
) -> JobSpec:
    """A submission with the fields that scheduling reads; 1024 MiB of memory."""
    return JobSpec(
        job_id=job_id,
        arn=f"arn:job/{job_id}",
        name=job_id,
        queue_arn=queue,
        definition_arn="arn:jd/shell:1",
        platform=Platform.FARGATE,
        demand=Demand(vcpus=vcpus, memory_mib=1024),
        log_group="/aws/batch/job",
        log_stream_prefix="shell/default/",
        container={"image": "shell:1"},
        depends_on=depends_on,
        retry=retry or RetryStrategy(),
        timeout_seconds=timeout_seconds,
    )


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

    def submit(self, spec: JobSpec) -> list[Action]:
        """SubmitJob."""
        return self.happen(events.JobSubmitted(spec))

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
        """The record."""
        return self.engine.jobs[job_id]

    def status(self, job_id: str) -> JobStatus:
        """The state."""
        return self.job(job_id).status


def started(actions: list[Action]) -> list[str]:
    """Ids of the jobs whose attempts these actions start, in order."""
    return [action.job_id for action in actions if isinstance(action, StartAttempt)]


def stopped(actions: list[Action]) -> list[str]:
    """Ids of the jobs whose attempts these actions stop."""
    return [action.job_id for action in actions if isinstance(action, StopAttempt)]


def published(actions: list[Action], job_id: str) -> list[JobStatus]:
    """States of the job that these actions publish, in order."""
    return [action.status for action in actions if isinstance(action, PublishState) and action.job_id == job_id]


def timers(actions: list[Action]) -> list[tuple[str, int]]:
    """Timers that these actions set: job id, epoch milliseconds."""
    return [(action.job_id, action.at_ms) for action in actions if isinstance(action, SetTimer)]
