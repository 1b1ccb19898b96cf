"""Jobs whose attempts are under way, as the engine makes them, and a platform that gives containers next to nothing."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local_batch.engine import events
from local_batch.engine.capacity import HostCapacity
from local_batch.engine.core import Engine
from local_batch.engine.jobs import Container, Demand, Job, JobSpec, Profile
from local_batch.engine.resources import ComputeEnvironment, InstanceSize, JobQueue, Platform

ARN = "arn:aws:batch:us-east-1:123456789012"
DEMAND = Demand(vcpus=2, memory_mib=4096)


@dataclass
class BarePlatform:
    """A ContainerPlatform with one variable; file systems are named by their ids."""

    variables: dict[str, str] = field(default_factory=lambda: {"FROM": "platform"})

    def environment(self, job: Job) -> Mapping[str, str]:
        """See ContainerPlatform."""
        return self.variables

    def file_system(self, configuration: Mapping[str, Any]) -> str:
        """See ContainerPlatform."""
        return f"/efs/{configuration['fileSystemId']}"


@dataclass
class PlacedJobs:
    """An engine with one queue and room for everything; what is submitted is placed at once."""

    platform: Platform = Platform.FARGATE
    ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        """Deploy."""
        self.engine = Engine(host=HostCapacity(vcpus=64, memory_mib=256 * 1024, gpus=4))
        sizes = (InstanceSize("g5.2xlarge", 8, 31000, gpus=1),) if self.platform is Platform.EC2 else ()
        environment = ComputeEnvironment(f"{ARN}:compute-environment/ce", "ce", self.platform, 64, instance_sizes=sizes)
        self.happen(events.ComputeEnvironmentSaved(environment))
        self.happen(events.JobQueueSaved(JobQueue(f"{ARN}:job-queue/jq", "jq", 1, (environment.arn,))))

    def happen(self, event: events.Event) -> None:
        """At one and the same time."""
        self.engine.handle(event, 1_700_000_000_000)

    def submit(self, detail: dict[str, Any] | None = None, *, array_size: int | None = None, gpus: int = 0) -> Job:
        """A single job or an array, with this container beside its image; its record."""
        demand = Demand(DEMAND.vcpus, DEMAND.memory_mib, gpus)
        container = Container(demand, "/aws/batch/job", "shell/default/", {"image": "shell:1", **(detail or {})})
        spec = {"command": ("run", "it"), "environment": (("OWN", "job"),), "array_size": array_size}
        return self._submit((container,), spec)

    def submit_nodes(self, *details: dict[str, Any], main_node: int = 0) -> Job:
        """A multi-node parallel job with a node for each of the containers, of which the main one runs."""
        containers = tuple(
            Container(
                DEMAND,
                "/aws/batch/job",
                "nodes/default/",
                {"image": "node:1", **detail},
                first_node=number,
                last_node=number,
            )
            for number, detail in enumerate(details)
        )
        job = self._submit(containers, {}, num_nodes=len(containers), main_node=main_node)
        self.happen(events.ContainerStarted(f"{job.job_id}#{main_node}", 1))
        return job

    def find(self, job_id: str) -> Job:
        """The record of a job, child or node."""
        job = self.engine.find(job_id)
        assert job is not None
        return job

    def _submit(self, containers: tuple[Container, ...], spec: dict[str, Any], **profile: Any) -> Job:
        number = next(self.ids)
        kept = Profile(
            key=f"p{number}",
            queue_arn=f"{ARN}:job-queue/jq",
            definition_arn=f"{ARN}:job-definition/shell:3",
            platform=self.platform,
            containers=containers,
            **profile,
        )
        self.happen(events.ProfileKept(kept))
        self.happen(events.JobSubmitted(JobSpec(f"j-{number}", "job", kept.key, **spec)))
        return self.find(f"j-{number}")
