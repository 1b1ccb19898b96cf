"""What an engine is asked for. That it does it, test_container_executor.py shows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from local_batch.executors.container_engine import EngineTraits
from local_batch.executors.container_request import attempt_volumes, container_name, container_request
from local_batch.executors.errors import CannotCreateContainerError
from local_batch.executors.gpu_pool import GpuPool
from local_batch.executors.work import AttemptWork, ContainerOptions, Mount, Tmpfs, Ulimit

DOCKER = EngineTraits(is_podman=False, version=(28, 1, 1), can_limit_swap=True, cgroup_version=2)
PODMAN = EngineTraits(is_podman=True, version=(5, 4, 0), can_limit_swap=True, cgroup_version=1)
WORK = AttemptWork("job:3", 2, "repository:tag", (), {"A": "b"}, vcpus=0.25, memory_mib=100)
TOKEN = "0123456789abcdef"


def host_config(options: ContainerOptions, traits: EngineTraits = DOCKER) -> dict[str, object]:
    """The part of the request that is about the host."""
    request = container_request(replace(WORK, options=options), token=TOKEN, gpus=(), traits=traits)
    config: dict[str, object] = request["HostConfig"]
    return config


def test_what_is_not_asked_for_is_the_images() -> None:
    """Command, user and host name are not sent."""
    request = container_request(WORK, token=TOKEN, gpus=(), traits=DOCKER)
    assert request.keys() == {"Image", "Env", "Labels", "HostConfig"}
    assert request["Labels"] == {"local-batch.state": TOKEN, "local-batch.job": "job:3", "local-batch.attempt": "2"}


@pytest.mark.parametrize(
    ("job_id", "name"),
    [
        ("a-1", "local-batch-01234567-a-1-2"),
        ("a:1", "local-batch-01234567-a.1-2"),
        ("a#1", "local-batch-01234567-a_1-2"),
    ],
)
def test_a_job_a_child_and_a_node_have_names_of_their_own(job_id: str, name: str) -> None:
    """An engine takes neither colon nor hash."""
    assert container_name(replace(WORK, job_id=job_id), TOKEN) == name


@pytest.mark.parametrize(("vcpus", "shares"), [(0.25, 256), (1, 1024), (64, 65536), (0.001, 2)])
def test_shares_go_by_vcpus(vcpus: float, shares: int) -> None:
    """1,024 each; the kernel takes no less than two."""
    request = container_request(replace(WORK, vcpus=vcpus), token=TOKEN, gpus=(), traits=DOCKER)
    assert request["HostConfig"]["CpuShares"] == shares


def test_memory_and_swap_are_limited_together() -> None:
    """Without a word about swap there is none; an engine that cannot limit it is not asked to."""
    assert host_config(ContainerOptions())["MemorySwap"] == 100 << 20
    assert host_config(ContainerOptions(max_swap_mib=20))["MemorySwap"] == 120 << 20
    assert "MemorySwap" not in host_config(ContainerOptions(), replace(DOCKER, can_limit_swap=False))


def test_swappiness_is_asked_of_cgroups_that_have_it() -> None:
    """Version 2 has none, on AWS either."""
    options = ContainerOptions(swappiness=10)
    assert host_config(options, PODMAN)["MemorySwappiness"] == 10
    assert "MemorySwappiness" not in host_config(options, DOCKER)


def test_only_podman_is_kept_from_laying_something_writable_over_a_read_only_root() -> None:
    """What the job itself wants there stays as it wants it."""
    options = ContainerOptions(
        read_only_root=True, tmpfs=(Tmpfs("/tmp", 5),), mounts=(Mount("/run", "/somewhere", "run"),)
    )
    assert host_config(options, DOCKER)["Tmpfs"] == {"/tmp": "noexec,size=5m"}
    assert host_config(options, PODMAN)["Tmpfs"] == {"/tmp": "noexec,size=5m", "/var/tmp": "ro"}


def test_limits_that_the_engine_cannot_give_by_itself_are_named() -> None:
    """Unless the job names its own."""
    traits = replace(PODMAN, ulimits=(Ulimit("nofile", 20, 20), Ulimit("nproc", 30, 30)))
    assert host_config(ContainerOptions(ulimits=(Ulimit("nofile", 5, 6),)), traits)["Ulimits"] == [
        {"Name": "nofile", "Soft": 5, "Hard": 6},
        {"Name": "nproc", "Soft": 30, "Hard": 30},
    ]


def test_volumes_without_a_source_are_the_attempts_own() -> None:
    """One for each name, however many mounts it has."""
    mounts = (Mount("/a", None, "v/1"), Mount("/b", None, "v/1"), Mount("/c", "/host", "w"))
    assert attempt_volumes(replace(WORK, options=ContainerOptions(mounts=mounts)), TOKEN) == [
        "local-batch-01234567-job.3-2-v_1"
    ]


def test_gpus_are_asked_for_as_each_engine_documents() -> None:
    """Docker by NVIDIA's driver, podman by CDI names."""
    docker = container_request(WORK, token=TOKEN, gpus=(0, 2), traits=DOCKER)["HostConfig"]["DeviceRequests"]
    assert docker == [{"Driver": "nvidia", "DeviceIDs": ["0", "2"], "Capabilities": [["gpu"]]}]
    podman = container_request(WORK, token=TOKEN, gpus=(0, 2), traits=PODMAN)["HostConfig"]["DeviceRequests"]
    assert podman == [{"Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu=0", "nvidia.com/gpu=2"]}]


def test_a_podman_that_would_give_no_gpus_is_refused() -> None:
    """It would start the container without them and say nothing."""
    with pytest.raises(CannotCreateContainerError, match=r"from version 5\.4 on, got 4\.3\.1"):
        container_request(WORK, token=TOKEN, gpus=(0,), traits=replace(PODMAN, version=(4, 3, 1)))


def test_gpus_are_nobody_elses_until_given_back() -> None:
    """Lowest numbers first."""
    pool = GpuPool()
    first, second = pool.take(2), pool.take(1)
    assert (first, second) == ((0, 1), (2,))
    pool.give_back(first)
    assert pool.take(3) == (0, 1, 3)
