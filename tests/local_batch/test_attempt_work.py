"""What an attempt's container is given: Batch's variables, its own, and everything that its definition asks for."""

from __future__ import annotations

from typing import Any

import pytest

from local_batch.attempt_work import attempt_work, batch_variables, node_address
from local_batch.engine.resources import Platform
from local_batch.executors.work import (
    PLAIN,
    ContainerOptions,
    Device,
    Mount,
    NodeAddress,
    SecretReference,
    Tmpfs,
    Ulimit,
)
from tests.local_batch.placed import BarePlatform, PlacedJobs

COMMON = {"AWS_BATCH_JOB_ATTEMPT": "1", "AWS_BATCH_JQ_NAME": "jq", "AWS_BATCH_CE_NAME": "ce"}


def test_single_job_has_the_four_variables_of_every_job() -> None:
    """And none of those of arrays and nodes."""
    jobs = PlacedJobs()
    job = jobs.submit()
    assert batch_variables(job, jobs.engine) == {**COMMON, "AWS_BATCH_JOB_ID": job.job_id}


def test_child_knows_its_index_and_how_many_there_are() -> None:
    """Its id is the child's."""
    jobs = PlacedJobs()
    array = jobs.submit(array_size=3)
    assert batch_variables(jobs.find(f"{array.job_id}:2"), jobs.engine) == {
        **COMMON,
        "AWS_BATCH_JOB_ID": f"{array.job_id}:2",
        "AWS_BATCH_JOB_ARRAY_INDEX": "2",
        "AWS_BATCH_JOB_ARRAY_SIZE": "3",
    }


def test_nodes_know_each_other_and_only_the_others_are_told_the_main_nodes_address() -> None:
    """The main node, here the second, finds no address of itself, as on AWS."""
    jobs = PlacedJobs(Platform.EC2)
    job = jobs.submit_nodes({}, {}, {}, main_node=1)
    common = {**COMMON, "AWS_BATCH_JOB_NUM_NODES": "3", "AWS_BATCH_JOB_MAIN_NODE_INDEX": "1"}
    seen = [batch_variables(jobs.find(f"{job.job_id}#{index}"), jobs.engine) for index in range(3)]
    main = attempt_work(jobs.find(f"{job.job_id}#1"), jobs.engine, BarePlatform()).node
    assert main is not None
    assert seen == [
        {
            **common,
            "AWS_BATCH_JOB_ID": f"{job.job_id}#{index}",
            "AWS_BATCH_JOB_NODE_INDEX": str(index),
            **({} if index == 1 else {"AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS": main.address}),
        }
        for index in range(3)
    ]


def test_nodes_have_addresses_and_host_names_of_their_own() -> None:
    """On loopback addresses that nobody else has."""
    jobs = PlacedJobs(Platform.EC2)
    job = jobs.submit_nodes({}, {})
    works = [attempt_work(jobs.find(f"{job.job_id}#{index}"), jobs.engine, BarePlatform()).node for index in range(2)]
    assert sorted(work.address for work in works if work) == ["127.0.0.2", "127.0.0.3"]
    assert attempt_work(jobs.submit(), jobs.engine, BarePlatform()).node is None


@pytest.mark.parametrize(
    ("number", "address"), [(0, "127.0.0.2"), (253, "127.0.0.255"), (254, "127.0.1.0"), (1000, "127.0.3.234")]
)
def test_addresses_go_on_beyond_one_block(number: int, address: str) -> None:
    """A job has up to 1,000 nodes."""
    assert node_address(number) == NodeAddress(address, f"ip-{address.replace('.', '-')}")


def test_jobs_own_variables_win_over_the_platforms_and_batchs_over_both() -> None:
    """Whatever a definition says, a job knows who it is."""
    jobs = PlacedJobs()
    job = jobs.submit()
    platform = BarePlatform({"OWN": "platform", "AWS_BATCH_JOB_ID": "x", "AWS_REGION": "r"})
    environment = attempt_work(job, jobs.engine, platform).environment
    assert environment["OWN"] == "job"
    assert environment["AWS_REGION"] == "r"
    assert environment["AWS_BATCH_JOB_ID"] == job.job_id
    assert platform.variables["OWN"] == "platform"


def test_nodes_run_what_their_range_says() -> None:
    """Command, environment and image of a node are its container's."""
    jobs = PlacedJobs(Platform.EC2)
    ranges: list[dict[str, Any]] = [
        {"image": f"node:{name}", "command": [name], "environment": [{"name": "WHO", "value": name}, {"name": "EMPTY"}]}
        for name in ("main", "other")
    ]
    job = jobs.submit_nodes(*ranges)
    works = [attempt_work(jobs.find(f"{job.job_id}#{index}"), jobs.engine, BarePlatform()) for index in range(2)]
    assert [(work.image, work.command, work.environment["WHO"]) for work in works] == [
        ("node:main", ("main",), "main"),
        ("node:other", ("other",), "other"),
    ]
    assert works[0].environment["EMPTY"] == ""


def test_size_and_secrets_are_handed_on() -> None:
    """The values of secrets are not looked for here."""
    jobs = PlacedJobs(Platform.EC2)
    secrets = [{"name": "PASSWORD", "valueFrom": "/db/password"}]
    work = attempt_work(jobs.submit({"secrets": secrets}, gpus=1), jobs.engine, BarePlatform())
    assert (work.vcpus, work.memory_mib, work.gpus) == (2, 4096, 1)
    assert work.secrets == (SecretReference("PASSWORD", "/db/password"),)
    assert "PASSWORD" not in work.environment


@pytest.mark.parametrize(("platform", "expected"), [(Platform.FARGATE, True), (Platform.EC2, False)])
def test_vcpus_are_a_ceiling_on_fargate(platform: Platform, expected: bool) -> None:
    """On EC2 they are a share of the instance."""
    jobs = PlacedJobs(platform)
    assert attempt_work(jobs.submit(), jobs.engine, BarePlatform()).hard_vcpus is expected


def test_plain_container_asks_for_nothing() -> None:
    """Members that the API shows empty ask for nothing either."""
    jobs = PlacedJobs()
    empty = {"volumes": [], "mountPoints": [], "ulimits": [], "secrets": [], "privileged": False}
    assert attempt_work(jobs.submit(empty), jobs.engine, BarePlatform()).options == PLAIN


def test_container_gets_all_that_it_asks_for() -> None:
    """Every option of the definition arrives at the executor."""
    jobs = PlacedJobs(Platform.EC2)
    detail = {
        "user": "1000",
        "privileged": True,
        "readonlyRootFilesystem": True,
        "ulimits": [{"name": "nofile", "softLimit": 1024, "hardLimit": 2048}],
        "linuxParameters": {
            "initProcessEnabled": True,
            "sharedMemorySize": 64,
            "maxSwap": 128,
            "swappiness": 10,
            "tmpfs": [{"containerPath": "/scratch", "size": 16, "mountOptions": ["noexec"]}],
            "devices": [
                {"hostPath": "/dev/fuse", "containerPath": "/dev/fuse0", "permissions": ["READ", "WRITE"]},
                {"hostPath": "/dev/null"},
            ],
        },
        "volumes": [
            {"name": "data", "host": {"sourcePath": "/srv/data"}},
            {"name": "scratch", "host": {}},
            {"name": "shared", "efsVolumeConfiguration": {"fileSystemId": "fs-12345678"}},
        ],
        "mountPoints": [
            {"sourceVolume": "data", "containerPath": "/data", "readOnly": True},
            {"sourceVolume": "scratch", "containerPath": "/tmp/scratch"},
            {"sourceVolume": "shared", "containerPath": "/shared"},
        ],
    }
    assert attempt_work(jobs.submit(detail), jobs.engine, BarePlatform()).options == ContainerOptions(
        user="1000",
        privileged=True,
        read_only_root=True,
        init=True,
        mounts=(
            Mount("/data", "/srv/data", "data", read_only=True),
            Mount("/tmp/scratch", None, "scratch"),
            Mount("/shared", "/efs/fs-12345678", "shared"),
        ),
        tmpfs=(Tmpfs("/scratch", 16, ("noexec",)),),
        devices=(Device("/dev/fuse", "/dev/fuse0", "rw"), Device("/dev/null", "/dev/null", "rwm")),
        ulimits=(Ulimit("nofile", 1024, 2048),),
        shared_memory_mib=64,
        max_swap_mib=128,
        swappiness=10,
    )
