"""Where jobs run now: container instances of compute environments as ECS tells of them, and what Batch says of jobs.

Neither knows everything. ECS describes instances, also those without a job, and nothing of Fargate, whose tasks have a
host each; Batch tells of running jobs on which container instance they are. So a host is known from both, or from one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from runner.aws_clients import Answer, BatchClient, EcsClient
from runner.described_job import from_detail
from runner.describer import describe
from runner.job_listing import jobs_of_queue, parts_of
from runner.job_queues import Environment, Queue

_PAGE: Final = 100
"""Container instances that ECS describes, and lists, a call.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeContainerInstances.html
"""
_CPU_UNITS: Final = 1024
"""Of one vCPU."""

_PLACED: Final = ("STARTING", "RUNNING")


@dataclass(frozen=True, kw_only=True)
class PlacedJob:
    """A job, a node or a child that is on a host."""

    job_id: str
    name: str
    status: str
    vcpus: float | None
    memory_mib: int | None
    address: str | None
    """Of its own network interface, which nodes and Fargate tasks have."""


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """What an instance has for jobs, and what of it no task has taken, as ECS counts."""

    vcpus: float
    free_vcpus: float
    memory_mib: int
    free_memory_mib: int


@dataclass(frozen=True, kw_only=True)
class Host:
    """A machine, or a Fargate task, which is one of its own. What is not known is None."""

    name: str
    """The EC2 instance's id; without ECS's word the container instance's; of Fargate the task's."""
    kind: str
    """The instance type, or FARGATE."""
    environment: str | None
    """The compute environment's name."""
    zone: str | None = None
    status: str | None = None
    """Of the container instance: ACTIVE, DRAINING, REGISTERING, ..."""
    container_instance: str | None = None
    capacity: Capacity | None = None
    tasks: int | None = None
    """Running and pending ones, as ECS counts: other deployments' jobs on shared environments are among them."""
    jobs: tuple[PlacedJob, ...] = ()

    @property
    def used_vcpus(self) -> float:
        """What is taken: by all tasks where ECS says it, else by the jobs that are known."""
        if self.capacity:
            return self.capacity.vcpus - self.capacity.free_vcpus
        return sum(job.vcpus or 0 for job in self.jobs)

    @property
    def used_memory_mib(self) -> int:
        """As `used_vcpus`."""
        if self.capacity:
            return self.capacity.memory_mib - self.capacity.free_memory_mib
        return sum(job.memory_mib or 0 for job in self.jobs)

    def document(self) -> dict[str, Any]:
        """For --json."""
        told = dataclasses.asdict(self)
        return {**told, "used_vcpus": self.used_vcpus, "used_memory_mib": self.used_memory_mib}


def hosts_of(batch: BatchClient, ecs: EcsClient | None, queues: Sequence[Queue]) -> list[Host]:
    """Every host of the queues' compute environments; without `ecs`, those on which a job is."""
    environments = {one.arn: one for queue in queues for one in queue.environments}.values()
    instances = [host for one in environments for host in _instances(ecs, one)] if ecs else []
    found = {host.container_instance: host for host in instances}
    for detail in _placed(batch, queues):
        host = _host(detail, environments)
        if host is None:
            continue
        key = host.container_instance or host.name
        known = found.get(key, host)
        found[key] = dataclasses.replace(known, jobs=(*known.jobs, _job(detail)))
    return sorted(found.values(), key=lambda host: (host.environment or "", host.name))


def _instances(ecs: EcsClient, environment: Environment) -> Iterator[Host]:
    """What ECS says; Fargate has a cluster, too, but no instances in it."""
    if not environment.cluster or environment.kind.startswith("FARGATE"):
        return
    token: dict[str, str] = {}
    while True:
        page = ecs.list_container_instances(cluster=environment.cluster, maxResults=_PAGE, **token)
        arns = page["containerInstanceArns"]
        if arns:
            answer = ecs.describe_container_instances(cluster=environment.cluster, containerInstances=arns)
            for instance in answer["containerInstances"]:
                yield _instance(instance, environment)
        if not page.get("nextToken"):
            return
        token = {"nextToken": page["nextToken"]}


def _instance(answer: Answer, environment: Environment) -> Host:
    attributes = {entry["name"]: entry.get("value") for entry in answer.get("attributes", ())}
    registered, remaining = _resources(answer["registeredResources"]), _resources(answer["remainingResources"])
    container_instance = _last(answer["containerInstanceArn"])
    return Host(
        name=answer.get("ec2InstanceId") or container_instance,
        kind=attributes.get("ecs.instance-type") or "EC2",
        environment=environment.name,
        zone=attributes.get("ecs.availability-zone"),
        status=answer.get("status"),
        container_instance=container_instance,
        capacity=Capacity(
            vcpus=registered.get("CPU", 0) / _CPU_UNITS,
            free_vcpus=remaining.get("CPU", 0) / _CPU_UNITS,
            memory_mib=registered.get("MEMORY", 0),
            free_memory_mib=remaining.get("MEMORY", 0),
        ),
        tasks=answer.get("runningTasksCount", 0) + answer.get("pendingTasksCount", 0),
    )


def _placed(batch: BatchClient, queues: Iterable[Queue]) -> list[Answer]:
    """JobDetail of everything that has a container: jobs, children, nodes."""
    ids = []
    for queue in queues:
        # An array is PENDING while its children run.
        for job in jobs_of_queue(batch, queue.arn, ("PENDING", *_PLACED)):
            if job.array or job.nodes:
                ids += [part.job_id for part in parts_of(batch, job, _PLACED)]
            elif job.status in _PLACED:
                ids.append(job.job_id)
    return [detail for detail in describe(batch, ids).values() if detail["status"] in _PLACED]


def _host(detail: Answer, environments: Iterable[Environment]) -> Host | None:
    """The host of one job; None where Batch does not say (yet) where it is."""
    container = detail.get("container", {})
    instance, task = container.get("containerInstanceArn"), container.get("taskArn")
    if not instance and not task:
        return None
    clusters = {_last(one.cluster): one for one in environments if one.cluster}
    # `task/CLUSTER/ID`; ARNs of the old form have no cluster in them.
    environment = clusters.get((task or instance).split("/")[-2])
    if instance:
        return Host(
            name=_last(instance),
            kind="EC2",
            environment=environment.name if environment else None,
            container_instance=_last(instance),
        )
    if environment is not None and not environment.kind.startswith("FARGATE"):
        return None
    kind, name = (environment.kind, environment.name) if environment else ("FARGATE", None)
    return Host(name=_last(task), kind=kind, environment=name)


def _job(detail: Answer) -> PlacedJob:
    job = from_detail(detail)
    interfaces = detail.get("container", {}).get("networkInterfaces", ())
    return PlacedJob(
        job_id=job.job_id,
        name=job.name,
        status=job.status,
        vcpus=job.vcpus,
        memory_mib=job.memory_mib,
        address=next((entry["privateIpv4Address"] for entry in interfaces if "privateIpv4Address" in entry), None),
    )


def _resources(entries: Iterable[Answer]) -> dict[str, int]:
    return {entry["name"]: entry["integerValue"] for entry in entries if entry.get("type") == "INTEGER"}


def _last(arn: str) -> str:
    return arn.rpartition("/")[2]
