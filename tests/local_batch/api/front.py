"""The API over a real dispatcher and engine, without a server and without processes: the test is the executor."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_batch.api.service import BatchApi
from local_batch.dispatcher import Dispatcher
from local_batch.engine import events
from local_batch.engine.capacity import HostCapacity
from local_batch.engine.core import Engine
from local_batch.engine.jobs import Job
from local_batch.engine.resources import InstanceSize, JobQueue
from local_batch.engine.states import JobStatus
from local_batch.executors.work import AttemptWork, LogLine
from local_batch.journal import Journal
from tests.contract.model_check import findings

ARN = "arn:aws:batch:here-1:123456789012:"
SIZES = {
    "m6i.large": InstanceSize("m6i.large", 2, 8192),
    "optimal": InstanceSize("c6i.xlarge", 4, 8192),
    "m6g.large": InstanceSize("m6g.large", 2, 8192, architecture="arm64"),
    "g5.xlarge": InstanceSize("g5.xlarge", 4, 16384, gpus=1),
}


class IdleExecutor:
    """Runs nothing."""

    def start(self, works: Sequence[AttemptWork]) -> None:
        """The test reports in its place."""

    def stop(self, job_id: str, attempt: int, grace_seconds: float) -> None:
        """The test reports in its place."""

    def close(self) -> None:
        """Nothing to release."""


class DeafPublisher:
    """Nobody listens."""

    is_listening = False

    def job_changed(self, job: Job, status: JobStatus) -> None:
        """Ignore it."""

    def wait_for_room(self) -> None:
        """There always is some."""

    def queue_blocked(self, job: Job, queue: JobQueue) -> None:
        """Ignore it."""

    def log(self, group: str, stream: str, lines: Sequence[LogLine]) -> None:
        """Ignore them."""


class BarePlatform:
    """The platform adds nothing."""

    def environment(self, job: Job) -> Mapping[str, str]:
        """No variable."""
        return {}

    def file_system(self, configuration: Mapping[str, Any]) -> str:
        """One place for all."""
        return "/file-system"


@dataclass
class Front:
    """A Batch with one Fargate environment and queue, one of EC2 each, and a definition for each of them."""

    path: Path
    now_ms: int = 1_000_000
    ids: int = 0
    dispatcher: Dispatcher = field(init=False)
    api: BatchApi = field(init=False)

    def __post_init__(self) -> None:
        """Start."""
        self._start()

    def _start(self) -> None:
        self.dispatcher = Dispatcher(
            engine=Engine(host=HostCapacity(vcpus=64, memory_mib=256 * 1024)),
            journal=Journal(self.path),
            publisher=DeafPublisher(),
            platform=BarePlatform(),
            clock=self._tick,
        )
        self.dispatcher.attach(IdleExecutor())
        self.api = BatchApi(
            dispatcher=self.dispatcher,
            account_id="123456789012",
            region="here-1",
            instance_sizes=_sizes,
            new_id=self._new_id,
        )

    def restart(self) -> None:
        """Another process takes over, from what is on disk."""
        self.dispatcher.close()
        self._start()

    def _tick(self) -> int:
        self.now_ms += 1
        return self.now_ms

    def _new_id(self) -> str:
        self.ids += 1
        return f"{self.ids:08d}-0000-4000-8000-000000000000"

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        """One operation; the reply agrees with the service model, and so it does after JSON."""
        reply = json.loads(json.dumps(self.api.call(operation, request)))
        assert findings(operation, reply) == []
        return dict(reply)

    def deploy(self) -> None:
        """What jobs are submitted against."""
        self.call("CreateComputeEnvironment", **fargate("fargate"))
        self.call("CreateComputeEnvironment", **ec2("machines"))
        self.queue("normal", "fargate")
        self.queue("ec2", "machines")
        self.call("RegisterJobDefinition", **definition("shell"))
        self.call("RegisterJobDefinition", **ec2_definition("tool"))

    def queue(self, name: str, environment: str, **more: Any) -> None:
        """CreateJobQueue on one environment."""
        order = [{"order": 1, "computeEnvironment": environment}]
        self.call("CreateJobQueue", jobQueueName=name, priority=1, computeEnvironmentOrder=order, **more)

    def shared_queue(self, name: str) -> None:
        """An EC2 queue with a fair-share policy."""
        policy = self.call("CreateSchedulingPolicy", name=f"{name}-policy", fairsharePolicy={})
        self.queue(name, "machines", schedulingPolicyArn=policy["arn"])

    def record(self, job_id: str) -> Job:
        """The engine's own record of a job, child or node."""
        job = self.dispatcher.engine.find(job_id)
        assert job is not None
        return job

    def submit(self, **more: Any) -> str:
        """SubmitJob on Fargate unless told otherwise; the id."""
        request = {"jobName": "job", "jobQueue": "normal", "jobDefinition": "shell", **more}
        return str(self.call("SubmitJob", **request)["jobId"])

    def job(self, job_id: str) -> dict[str, Any]:
        """DescribeJobs of one."""
        (job,) = self.call("DescribeJobs", jobs=[job_id])["jobs"]
        return dict(job)

    def start(self, job_id: str) -> None:
        """Its container runs."""
        self.dispatcher.dispatch(events.ContainerStarted(job_id, self._attempt(job_id)))

    def exit(self, job_id: str, exit_code: int | None = 0, reason: str | None = None) -> None:
        """Its container ended."""
        self.dispatcher.dispatch(events.ContainerExited(job_id, self._attempt(job_id), exit_code, reason))

    def fail_to_start(self, job_id: str, reason: str) -> None:
        """Its container never ran."""
        self.dispatcher.dispatch(events.StartFailed(job_id, self._attempt(job_id), reason))

    def _attempt(self, job_id: str) -> int:
        return self.record(job_id).attempt.number


@contextmanager
def opened(path: Path) -> Iterator[Front]:
    """A deployed front that is closed at the end."""
    front = Front(path)
    try:
        front.deploy()
        yield front
    finally:
        front.dispatcher.close()


def fargate(name: str, **more: Any) -> dict[str, Any]:
    """CreateComputeEnvironment of 4 Fargate vCPUs."""
    resources = {"type": "FARGATE", "maxvCpus": 4, "subnets": ["subnet-1"], "securityGroupIds": ["sg-1"], **more}
    return {"computeEnvironmentName": name, "type": "MANAGED", "computeResources": resources}


def ec2(name: str, **more: Any) -> dict[str, Any]:
    """CreateComputeEnvironment of up to 8 EC2 vCPUs."""
    resources = {
        "type": "EC2",
        "maxvCpus": 8,
        "instanceTypes": ["m6i.large"],
        "instanceRole": "arn:aws:iam::123456789012:instance-profile/nodes",
        "allocationStrategy": "BEST_FIT_PROGRESSIVE",
        "subnets": ["subnet-1"],
        "securityGroupIds": ["sg-1"],
        **more,
    }
    return {"computeEnvironmentName": name, "type": "MANAGED", "computeResources": resources}


def size(vcpus: str, memory_mib: str) -> list[dict[str, str]]:
    """resourceRequirements."""
    return [{"type": "VCPU", "value": vcpus}, {"type": "MEMORY", "value": memory_mib}]


def definition(name: str, *, container: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """RegisterJobDefinition for Fargate; `container` adds to its container properties."""
    properties = {
        "image": "shell:1",
        "executionRoleArn": "arn:aws:iam::123456789012:role/execution",
        "resourceRequirements": size("1", "2048"),
        **(container or {}),
    }
    return {
        "jobDefinitionName": name,
        "type": "container",
        "platformCapabilities": ["FARGATE"],
        "containerProperties": properties,
        **more,
    }


def ec2_definition(name: str, *, container: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """RegisterJobDefinition for EC2, the default platform."""
    properties = {"image": "tool:1", "resourceRequirements": size("1", "1024"), **(container or {})}
    return {"jobDefinitionName": name, "type": "container", "containerProperties": properties, **more}


def multinode_definition(
    name: str, ranges: Mapping[str, Mapping[str, Any]], *, num_nodes: int, main_node: int = 0, **more: Any
) -> dict[str, Any]:
    """RegisterJobDefinition of a multi-node parallel job; `ranges` say what they add to a small container."""
    properties = {
        "numNodes": num_nodes,
        "mainNode": main_node,
        "nodeRangeProperties": [
            {
                "targetNodes": target,
                "container": {"image": "mpi:1", "resourceRequirements": size("1", "1024"), **container},
            }
            for target, container in ranges.items()
        ],
    }
    return {"jobDefinitionName": name, "type": "multinode", "nodeProperties": properties, **more}


def _sizes(names: Sequence[str]) -> tuple[InstanceSize, ...]:
    unknown = [name for name in names if name not in SIZES]
    if unknown:
        raise ValueError(f"instanceTypes: no such type, got {unknown[0]!r}")
    return tuple(SIZES[name] for name in names)
