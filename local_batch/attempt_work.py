"""From a job's record to the work of one attempt: what its container sees.

Sources: https://docs.aws.amazon.com/batch/latest/userguide/job_env_vars.html for the variables,
https://docs.aws.amazon.com/batch/latest/APIReference/API_ContainerProperties.html for the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address
from typing import Any, Final

from local_batch.engine.core import Engine
from local_batch.engine.jobs import Job
from local_batch.engine.resources import Platform
from local_batch.executors.work import (
    PLAIN,
    AttemptWork,
    ContainerOptions,
    Device,
    Mount,
    NodeAddress,
    SecretReference,
    Tmpfs,
    Ulimit,
)
from local_batch.publisher import ContainerPlatform

FIRST_NODE_ADDRESS: Final = IPv4Address("127.0.0.2")
"""All of 127/8 is this machine on Linux; 127.0.0.1 is everybody's."""

_OPTIONS: Final = ("user", "privileged", "readonlyRootFilesystem", "mountPoints", "ulimits", "linuxParameters")
_PERMISSION_LETTERS: Final = {"READ": "r", "WRITE": "w", "MKNOD": "m"}


def attempt_work(job: Job, engine: Engine, platform: ContainerPlatform) -> AttemptWork:
    """The latest attempt of `job`, a single job, child or node, as work.

    The job's own variables win over the platform's, Batch's over both. Raises PlatformError.
    """
    container, attempt = job.container, job.attempt
    detail = container.detail
    environment = dict(platform.environment(job))
    environment.update(job.spec.environment)
    for entry in detail.get("environment", ()):
        environment[entry["name"]] = entry.get("value", "")
    environment.update(batch_variables(job, engine))
    return AttemptWork(
        job_id=job.job_id,
        attempt=attempt.number,
        image=detail["image"],
        command=job.spec.command or tuple(detail.get("command", ())),
        environment=environment,
        vcpus=container.demand.vcpus,
        memory_mib=container.demand.memory_mib,
        gpus=container.demand.gpus,
        hard_vcpus=job.profile.platform is Platform.FARGATE,
        options=container_options(detail, platform),
        node=None if attempt.address is None else node_address(attempt.address),
        secrets=tuple(SecretReference(entry["name"], entry["valueFrom"]) for entry in detail.get("secrets", ())),
    )


def batch_variables(job: Job, engine: Engine) -> dict[str, str]:
    """The variables that Batch itself sets, none of which a job may set."""
    attempt, index = job.attempt, str(job.index)
    # A node may start when its environment has been deleted: the ARN keeps the name.
    environment_name = attempt.compute_environment_arn.rpartition("/")[2]
    variables = {
        "AWS_BATCH_JOB_ID": job.job_id,
        "AWS_BATCH_JOB_ATTEMPT": str(attempt.number),
        "AWS_BATCH_JQ_NAME": engine.queues[job.profile.queue_arn].name,
        "AWS_BATCH_CE_NAME": environment_name,
    }
    if job.is_child:
        variables["AWS_BATCH_JOB_ARRAY_INDEX"] = index
        variables["AWS_BATCH_JOB_ARRAY_SIZE"] = str(job.spec.array_size)
    elif job.is_node:
        variables["AWS_BATCH_JOB_NODE_INDEX"] = index
        variables["AWS_BATCH_JOB_NUM_NODES"] = str(job.profile.num_nodes)
        variables["AWS_BATCH_JOB_MAIN_NODE_INDEX"] = str(job.profile.main_node)
        if not job.is_main_node:
            variables["AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS"] = _main_node_address(job)
    return variables


def node_address(number: int) -> NodeAddress:
    """Where the node with this address number (from 0) is; its host name has the form that EC2 gives."""
    address = str(FIRST_NODE_ADDRESS + number)
    return NodeAddress(address, f"ip-{address.replace('.', '-')}")


def container_options(detail: Mapping[str, Any], platform: ContainerPlatform) -> ContainerOptions:
    """What a ContainerDetail of the API asks for beyond image, command and size. Raises PlatformError."""
    if not any(detail.get(name) for name in _OPTIONS):
        return PLAIN
    linux = detail.get("linuxParameters") or {}
    return ContainerOptions(
        user=detail.get("user") or None,
        privileged=detail.get("privileged", False),
        read_only_root=detail.get("readonlyRootFilesystem", False),
        init=linux.get("initProcessEnabled", False),
        mounts=tuple(_mounts(detail, platform)),
        tmpfs=tuple(
            Tmpfs(entry["containerPath"], entry["size"], tuple(entry.get("mountOptions") or ()))
            for entry in linux.get("tmpfs") or ()
        ),
        devices=tuple(_device(entry) for entry in linux.get("devices") or ()),
        ulimits=tuple(
            Ulimit(entry["name"], entry["softLimit"], entry["hardLimit"]) for entry in detail.get("ulimits") or ()
        ),
        shared_memory_mib=linux.get("sharedMemorySize"),
        max_swap_mib=linux.get("maxSwap"),
        swappiness=linux.get("swappiness"),
    )


def _main_node_address(node: Job) -> str:
    assert node.parent is not None
    assert node.parent.children is not None
    main = node.parent.children[node.profile.main_node].attempt
    assert main.address is not None
    return node_address(main.address).address


def _mounts(detail: Mapping[str, Any], platform: ContainerPlatform) -> Iterable[Mount]:
    volumes = {volume.get("name"): volume for volume in detail.get("volumes") or ()}
    for point in detail.get("mountPoints") or ():
        name = point.get("sourceVolume")
        volume = volumes.get(name, {})
        source: str | None = (volume.get("host") or {}).get("sourcePath") or None
        if volume.get("efsVolumeConfiguration"):
            source = platform.file_system(volume["efsVolumeConfiguration"])
        yield Mount(point["containerPath"], source, volume=name or "", read_only=point.get("readOnly", False))


def _device(entry: Mapping[str, Any]) -> Device:
    """Without permissions it has all three; without a path of its own the host's."""
    asked = entry.get("permissions") or _PERMISSION_LETTERS
    letters = "".join(_PERMISSION_LETTERS[name.upper()] for name in asked)
    return Device(entry["hostPath"], entry.get("containerPath") or entry["hostPath"], letters)
