"""From the work of an attempt to what an engine is asked for. Pure.

Reference: https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerCreate
"""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

from local_batch.executors.container_engine import EngineTraits
from local_batch.executors.errors import CannotCreateContainerError
from local_batch.executors.work import AttemptWork, Mount, Tmpfs, Ulimit

STATE_LABEL = "local-batch.state"
"""Carries the token of the local cloud's state directory (marker.py)."""

JOB_LABEL = "local-batch.job"
ATTEMPT_LABEL = "local-batch.attempt"

_MIB = 1 << 20

_CPU_SHARES = 1024
"""Of one vCPU. https://docs.aws.amazon.com/batch/latest/APIReference/API_ContainerProperties.html"""

_LEAST_CPU_SHARES = 2
"""What the kernel takes."""

_FIRST_PODMAN_WITH_GPUS = (5, 4)
"""Earlier ones take a device request over this API and do nothing. https://github.com/containers/podman/pull/25171"""

_PODMAN_WRITABLE = ("/tmp", "/run", "/var/tmp")  # noqa: S108 - places that podman overlays, nothing is written to them
"""On a read-only root podman mounts a writable tmpfs at each of these; Docker, and so AWS, does not."""


def container_name(work: AttemptWork, token: str) -> str:
    """Unique among the containers of all local clouds of this machine; colon and hash may not be in a name."""
    job = re.sub(r"[^a-zA-Z0-9_.-]", "_", work.job_id.replace(":", "."))
    return f"local-batch-{token[:8]}-{job}-{work.attempt}"


def volume_name(work: AttemptWork, token: str, volume: str) -> str:
    """The engine's name for a volume that lasts as long as the attempt."""
    return f"{container_name(work, token)}-{re.sub(r'[^a-zA-Z0-9_.-]', '_', volume)}"


def attempt_volumes(work: AttemptWork, token: str) -> list[str]:
    """The volumes to be made for the attempt."""
    return sorted({volume_name(work, token, mount.volume) for mount in work.options.mounts if mount.source is None})


def labels(work: AttemptWork, token: str) -> dict[str, str]:
    """By which the container of an attempt is found again."""
    return {STATE_LABEL: token, JOB_LABEL: work.job_id, ATTEMPT_LABEL: str(work.attempt)}


def container_request(work: AttemptWork, *, token: str, gpus: tuple[int, ...], traits: EngineTraits) -> dict[str, Any]:
    """The body of the request that creates the attempt's container.

    Raises CannotCreateContainerError where the engine cannot give what is asked for.
    """
    request: dict[str, Any] = {
        "Image": work.image,
        "Env": [f"{name}={value}" for name, value in work.environment.items()],
        "Labels": labels(work, token),
        "HostConfig": _host_config(work, token, gpus, traits),
    }
    if work.command:
        request["Cmd"] = list(work.command)
    if work.options.user is not None:
        request["User"] = work.options.user
    if work.node is not None:
        request["Hostname"] = work.node.host_name
    return request


def _host_config(work: AttemptWork, token: str, gpus: tuple[int, ...], traits: EngineTraits) -> dict[str, Any]:
    options = work.options
    config: dict[str, Any] = {
        # Jobs reach the local cloud at 127.0.0.1, and nodes have addresses of 127/8: both are the host's.
        "NetworkMode": "host",
        # Lines are taken from the attached streams; a second copy in the engine would only grow.
        "LogConfig": {"Type": "none"},
        "Memory": work.memory_mib * _MIB,
        "CpuShares": max(_LEAST_CPU_SHARES, int(work.vcpus * _CPU_SHARES)),
        "Privileged": options.privileged,
        "ReadonlyRootfs": options.read_only_root,
        "Init": options.init,
        "Mounts": [_mount(work, token, mount) for mount in options.mounts],
        "Tmpfs": _tmpfs(work, traits),
        "Devices": [
            {
                "PathOnHost": device.host_path,
                "PathInContainer": device.container_path,
                "CgroupPermissions": device.permissions,
            }
            for device in options.devices
        ],
        "Ulimits": [_ulimit(limit) for limit in _ulimits(options.ulimits, traits)],
        "DeviceRequests": _gpu_requests(gpus, traits),
    }
    if work.hard_vcpus:
        config["NanoCpus"] = int(work.vcpus * 1_000_000_000)
    if traits.can_limit_swap:
        # Memory and swap together: without room for swap there is none.
        config["MemorySwap"] = (work.memory_mib + (options.max_swap_mib or 0)) * _MIB
    if options.swappiness is not None and traits.cgroup_version == 1:
        config["MemorySwappiness"] = options.swappiness
    if options.shared_memory_mib is not None:
        config["ShmSize"] = options.shared_memory_mib * _MIB
    if work.node is not None:
        config["ExtraHosts"] = [f"{work.node.host_name}:{work.node.address}"]
    return config


def _mount(work: AttemptWork, token: str, mount: Mount) -> dict[str, Any]:
    if mount.source is None:
        kind, source = "volume", volume_name(work, token, mount.volume)
    else:
        kind, source = "bind", mount.source
    return {"Type": kind, "Source": source, "Target": mount.container_path, "ReadOnly": mount.read_only}


def _tmpfs(work: AttemptWork, traits: EngineTraits) -> dict[str, str]:
    options = work.options
    own = {tmpfs.container_path: _tmpfs_options(tmpfs) for tmpfs in options.tmpfs}
    if not (traits.is_podman and options.read_only_root):
        return own
    taken = {*own, *(mount.container_path for mount in options.mounts)}
    return {**{path: "ro" for path in _PODMAN_WRITABLE if path not in taken}, **own}


def _tmpfs_options(tmpfs: Tmpfs) -> str:
    # Docker's default, which podman does not share: https://docs.docker.com/engine/storage/tmpfs/
    execution = () if {"exec", "noexec"} & set(tmpfs.options) else ("noexec",)
    return ",".join((*execution, *tmpfs.options, f"size={tmpfs.size_mib}m"))


def _ulimits(wanted: tuple[Ulimit, ...], traits: EngineTraits) -> list[Ulimit]:
    named = {limit.name for limit in wanted}
    return [*wanted, *(limit for limit in traits.ulimits if limit.name not in named)]


def _ulimit(limit: Ulimit) -> dict[str, Any]:
    return {name.capitalize(): value for name, value in asdict(limit).items()}


def _gpu_requests(gpus: tuple[int, ...], traits: EngineTraits) -> list[dict[str, Any]]:
    if not gpus:
        return []
    if not traits.is_podman:
        return [{"Driver": "nvidia", "DeviceIDs": [str(gpu) for gpu in gpus], "Capabilities": [["gpu"]]}]
    if traits.version < _FIRST_PODMAN_WITH_GPUS:
        wanted = ".".join(map(str, _FIRST_PODMAN_WITH_GPUS))
        raise CannotCreateContainerError(
            f"GPUs: podman gives them to containers from version {wanted} on, got "
            f"{'.'.join(map(str, traits.version))}; use a newer one, or Docker"
        )
    return [{"Driver": "cdi", "DeviceIDs": [f"nvidia.com/gpu={gpu}" for gpu in gpus]}]
