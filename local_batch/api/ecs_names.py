"""Names of the ECS things that Batch makes behind the scenes: derived, so that every reply gives the same ones.

The forms are those of replies of the live service: `AWSBatch-<compute environment>-<uuid>` is the cluster, and tasks
and container instances have it in their ARNs.
"""

from __future__ import annotations

import uuid
from typing import Final

LOOPBACK: Final = "127.0.0.1"


def cluster_arn(compute_environment_arn: str) -> str:
    """The ECS cluster of a compute environment."""
    return f"{_prefix(compute_environment_arn)}:cluster/{_cluster(compute_environment_arn)}"


def task_arn(compute_environment_arn: str, task_id: str) -> str:
    """The ECS task of an attempt."""
    return f"{_prefix(compute_environment_arn)}:task/{_cluster(compute_environment_arn)}/{task_id}"


def container_instance_arn(compute_environment_arn: str, address: int | None = None) -> str:
    """The container instance on which a compute environment's EC2 jobs run: this machine, seen as one.

    Each node of a multi-node parallel job has an instance of its own; `address` is that of its attempt.
    """
    kind = "container-instance" if address is None else f"container-instance/{address}"
    instance_id = uuid.uuid5(uuid.NAMESPACE_URL, f"{compute_environment_arn}/{kind}").hex
    return f"{_prefix(compute_environment_arn)}:container-instance/{_cluster(compute_environment_arn)}/{instance_id}"


def network_interface(task_id: str, address: str = LOOPBACK) -> dict[str, str]:
    """The network interface of a task that has one of its own: of Fargate's, and of nodes'."""
    attachment_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{task_id}/network-interface"))
    return {"attachmentId": attachment_id, "privateIpv4Address": address}


def _prefix(compute_environment_arn: str) -> str:
    _, partition, _, region, account, _ = compute_environment_arn.split(":", 5)
    return f"arn:{partition}:ecs:{region}:{account}"


def _cluster(compute_environment_arn: str) -> str:
    name = compute_environment_arn.rpartition("/")[2]
    return f"AWSBatch-{name}-{uuid.uuid5(uuid.NAMESPACE_URL, compute_environment_arn)}"
