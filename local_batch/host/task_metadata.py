"""What ECS tells a container about itself: task metadata, version 4.

Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-response.html
"""

from __future__ import annotations

import hashlib
import uuid
from datetime import UTC, datetime
from typing import Any, Final

from local_batch.api.ecs_names import cluster_arn, task_arn
from local_batch.attempt_work import node_address
from local_batch.engine.jobs import Attempt, Job
from local_batch.engine.resources import Platform
from local_batch.host.account import REGION

CONTAINER_NAME: Final = "default"
"""Of the one container of a Batch job's task; it is in the log stream's name too."""

CPU_UNITS_PER_VCPU: Final = 1024


def container_metadata(job: Job) -> dict[str, Any]:
    """The answer at the address itself, for the job's latest attempt.

    What only a container engine knows (image digest, ports, volumes) is left out.
    """
    attempt, container = job.attempt, job.container
    family, _, revision = job.profile.definition_arn.rpartition("/")[2].partition(":")
    arn = _task_arn(job, attempt)
    document: dict[str, Any] = {
        "DockerId": _docker_id(job, arn),
        "Name": CONTAINER_NAME,
        "DockerName": f"ecs-{family}-{revision}-{CONTAINER_NAME}-{job.task_id(attempt)[:20]}",
        "Image": container.detail["image"],
        "Labels": {
            "com.amazonaws.ecs.cluster": cluster_arn(attempt.compute_environment_arn),
            "com.amazonaws.ecs.container-name": CONTAINER_NAME,
            "com.amazonaws.ecs.task-arn": arn,
            "com.amazonaws.ecs.task-definition-family": family,
            "com.amazonaws.ecs.task-definition-version": revision,
        },
        "DesiredStatus": "RUNNING",
        # Who asks runs, whatever the engine has heard of it so far.
        "KnownStatus": "RUNNING",
        "Limits": {
            "CPU": int(container.demand.vcpus * CPU_UNITS_PER_VCPU),
            "Memory": container.demand.memory_mib,
        },
        "Type": "NORMAL",
        "ContainerARN": f"{arn.replace(':task/', ':container/')}/{uuid.uuid5(uuid.NAMESPACE_URL, arn)}",
        "LogDriver": "awslogs",
        "LogOptions": {
            "awslogs-group": container.log_group,
            "awslogs-region": REGION,
            "awslogs-stream": job.log_stream(attempt),
        },
        "Networks": [_network(job, attempt)],
    }
    if attempt.started_at is not None:
        document["CreatedAt"] = document["StartedAt"] = _rfc3339(attempt.started_at)
    return document


def task_metadata(job: Job) -> dict[str, Any]:
    """The answer at `…/task`. On EC2 a Batch job's limits are its container's, and the task has none."""
    attempt = job.attempt
    family, _, revision = job.profile.definition_arn.rpartition("/")[2].partition(":")
    document: dict[str, Any] = {
        "Cluster": cluster_arn(attempt.compute_environment_arn),
        "TaskARN": _task_arn(job, attempt),
        "Family": family,
        "Revision": revision,
        "DesiredStatus": "RUNNING",
        "KnownStatus": "RUNNING",
        "LaunchType": str(job.profile.platform),
        "Containers": [container_metadata(job)],
    }
    if job.profile.platform is Platform.FARGATE:
        demand = job.container.demand
        document["AvailabilityZone"] = f"{REGION}a"
        document["Limits"] = {"CPU": demand.vcpus, "Memory": demand.memory_mib}
    return document


def _task_arn(job: Job, attempt: Attempt) -> str:
    return task_arn(attempt.compute_environment_arn, job.task_id(attempt))


def _docker_id(job: Job, arn: str) -> str:
    """Derived, of the form that each platform gives."""
    digest = hashlib.sha256(arn.encode())
    if job.profile.platform is Platform.FARGATE:
        return f"{job.task_id(job.attempt)}-{int.from_bytes(digest.digest()[:4], 'big'):010d}"
    return digest.hexdigest()


def _network(job: Job, attempt: Attempt) -> dict[str, Any]:
    """Nodes and Fargate tasks have an interface of their own, other EC2 jobs the host's, and no address to tell."""
    if attempt.address is not None:
        node = node_address(attempt.address)
        return _own_interface(node.address, node.host_name)
    if job.profile.platform is Platform.FARGATE:
        return _own_interface("127.0.0.1", "localhost")
    return {"NetworkMode": "host", "IPv4Addresses": [""]}


def _own_interface(address: str, host_name: str) -> dict[str, Any]:
    return {
        "NetworkMode": "awsvpc",
        "IPv4Addresses": [address],
        "AttachmentIndex": 0,
        "IPv4SubnetCIDRBlock": "127.0.0.0/8",
        "PrivateDNSName": host_name,
    }


def _rfc3339(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
