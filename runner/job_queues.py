"""Job queues with the compute environments behind them, as Batch describes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runner.aws_clients import Answer, BatchClient
from runner.batch_facts import MAX_NAMES_PER_DESCRIBE


@dataclass(frozen=True, kw_only=True)
class Environment:
    """A compute environment."""

    arn: str
    name: str
    state: str
    status: str
    status_reason: str
    kind: str
    """EC2, SPOT, FARGATE, FARGATE_SPOT; UNMANAGED for one whose machines Batch does not choose."""
    max_vcpus: int | None
    instance_types: tuple[str, ...]
    cluster: str | None
    """The ARN of its ECS cluster."""


@dataclass(frozen=True, kw_only=True)
class Queue:
    """A job queue."""

    label: str
    """What the deployment calls it; Batch's name for a queue of another."""
    arn: str
    name: str
    state: str
    status: str
    status_reason: str
    priority: int
    scheduling_policy: str | None
    environments: tuple[Environment, ...]
    """In the order in which Batch tries them."""

    def document(self) -> dict[str, Any]:
        """For --json."""
        return {
            "queue": self.label,
            "name": self.name,
            "arn": self.arn,
            "state": self.state,
            "status": self.status,
            "status_reason": self.status_reason or None,
            "priority": self.priority,
            "scheduling_policy": self.scheduling_policy,
            "compute_environments": [
                {
                    "name": environment.name,
                    "arn": environment.arn,
                    "state": environment.state,
                    "status": environment.status,
                    "status_reason": environment.status_reason or None,
                    "type": environment.kind,
                    "max_vcpus": environment.max_vcpus,
                    "instance_types": list(environment.instance_types),
                    "ecs_cluster": environment.cluster,
                }
                for environment in self.environments
            ],
        }


def describe_queues(batch: BatchClient, references: Iterable[str], labels: Mapping[str, str]) -> list[Queue]:
    """The queues of these names or ARNs, in their order; unknown ones are left out. `labels` are names by ARN."""
    wanted = list(dict.fromkeys(references))
    described = {
        reference: queue
        for names in _hundreds(wanted)
        for queue in batch.describe_job_queues(jobQueues=names)["jobQueues"]
        for reference in (queue["jobQueueArn"], queue["jobQueueName"])
    }
    found = list({described[name]["jobQueueArn"]: described[name] for name in wanted if name in described}.values())
    environments = _environments(batch, found)
    return [_queue(queue, labels, environments) for queue in found]


def _queue(queue: Answer, labels: Mapping[str, str], environments: Mapping[str, Environment]) -> Queue:
    order = sorted(queue.get("computeEnvironmentOrder", ()), key=lambda entry: entry["order"])
    return Queue(
        label=labels.get(queue["jobQueueArn"], queue["jobQueueName"]),
        arn=queue["jobQueueArn"],
        name=queue["jobQueueName"],
        state=queue["state"],
        status=queue.get("status", ""),
        status_reason=queue.get("statusReason", ""),
        priority=queue.get("priority", 0),
        scheduling_policy=queue.get("schedulingPolicyArn"),
        environments=tuple(
            environments[entry["computeEnvironment"]] for entry in order if entry["computeEnvironment"] in environments
        ),
    )


def _environments(batch: BatchClient, queues: Iterable[Answer]) -> dict[str, Environment]:
    """By ARN, and by name as well: a queue may say either."""
    named = dict.fromkeys(
        entry["computeEnvironment"] for queue in queues for entry in queue.get("computeEnvironmentOrder", ())
    )
    found: dict[str, Environment] = {}
    for names in _hundreds(list(named)):
        for answer in batch.describe_compute_environments(computeEnvironments=names)["computeEnvironments"]:
            environment = _environment(answer)
            found |= {environment.arn: environment, environment.name: environment}
    return found


def _environment(answer: Answer) -> Environment:
    resources = answer.get("computeResources", {})
    return Environment(
        arn=answer["computeEnvironmentArn"],
        name=answer["computeEnvironmentName"],
        state=answer.get("state", ""),
        status=answer.get("status", ""),
        status_reason=answer.get("statusReason", ""),
        kind=resources.get("type", "UNMANAGED"),
        max_vcpus=resources.get("maxvCpus"),
        instance_types=tuple(resources.get("instanceTypes", ())),
        cluster=answer.get("ecsClusterArn"),
    )


def _hundreds(names: Sequence[str]) -> Iterable[list[str]]:
    for start in range(0, len(names), MAX_NAMES_PER_DESCRIBE):
        yield list(names[start : start + MAX_NAMES_PER_DESCRIBE])
