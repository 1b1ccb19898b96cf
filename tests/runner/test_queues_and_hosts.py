"""`hpc queues` and `hpc hosts`: where jobs may run, and where they do."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.runner.fake_aws import FakeEcs
from tests.runner.fake_batch import REGION, arn
from tests.runner.shell import Shell
from tests.runner.told_jobs import container, described, hello, id_of, sweep

CHECKOUT = Path(__file__).resolve().parents[2]
CLUSTER = f"arn:aws:ecs:{REGION}:111122223333:cluster/AWSBatch-machines"


def instance(number: int, tasks: int = 1) -> dict[str, Any]:
    """What ECS describes: two vCPUs and 3,800 MiB, of which each task takes one and 1,900."""

    def resources(cpu: int, memory: int) -> list[dict[str, Any]]:
        ports = {"name": "PORTS", "type": "STRINGSET", "stringSetValue": ["22"]}
        numbers = {"CPU": cpu, "MEMORY": memory}
        return [ports, *({"name": name, "type": "INTEGER", "integerValue": value} for name, value in numbers.items())]

    return {
        "containerInstanceArn": f"arn:aws:ecs:r:a:container-instance/AWSBatch-machines/i{number}",
        "ec2InstanceId": f"i-{number:04d}",
        "status": "ACTIVE",
        "registeredResources": resources(2048, 3800),
        "remainingResources": resources(2048 - 1024 * tasks, 3800 - 1900 * tasks),
        "runningTasksCount": tasks,
        "pendingTasksCount": 0,
        "attributes": [
            {"name": "ecs.instance-type", "value": "c6i.large"},
            {"name": "ecs.availability-zone", "value": "eu-central-1a"},
            {"name": "ecs.capability.privileged-container"},
        ],
    }


def test_queues_are_listed_with_what_is_behind_them(shell: Shell) -> None:
    """And with why one of them does not work."""
    batch = shell.clients.batch
    for queue in batch.queues.values():
        queue["priority"] = 10
    environment = batch.environments[arn("compute-environment", "machines")]
    environment |= {"status": "INVALID", "statusReason": "no instances joined"}
    assert shell("queues", "high", "ec2").stdout == (
        "queue  state    status  priority  compute environments\n"
        "high   ENABLED  VALID   10        FARGATE up to 32 vCPUs\n"
        "ec2    ENABLED  VALID   10        EC2 up to 64 vCPUs      EC2 INVALID: no instances joined\n"
    )
    assert {"high", "normal", "ec2"} <= {queue["queue"] for queue in shell.document("queues")["queues"]}


def test_one_queue_is_shown_in_detail(shell: Shell) -> None:
    """By the deployment's name, by Batch's, by its ARN."""
    expected = (
        "queue        {0}\n"
        "name         ec2-queue\n"
        "ARN          arn:aws:batch:eu-central-1:111122223333:job-queue/ec2-queue\n"
        "state        ENABLED\n"
        "status       VALID\n"
        "priority     0\n"
        "policy       first in, first out\n"
        "environment  machines\n"
        "             EC2, up to 64 vCPUs, c6i.large, m6i.4xlarge\n"
        "             ENABLED, VALID\n"
        f"             {CLUSTER}\n"
    )
    assert shell("queues", "ec2").stdout == expected.format("ec2")
    assert shell("queues", "ec2-queue").stdout == expected.format("ec2")
    assert shell("queues", arn("job-queue", "ec2-queue")).stdout == expected.format("ec2-queue")
    assert shell("queues", "-d", "ec2", "high").stdout.count("policy ") == 2


def test_a_queue_that_is_not_there_is_refused_and_one_that_is_gone_is_told(shell: Shell) -> None:
    """The first is the user's mistake, the second the deployment's."""
    result = shell("queues", "ec2", "fast", code=2)
    assert (
        "QUEUE: is a queue of the deployment CloudHpc, a queue's name in Batch or its ARN, got 'fast'" in result.stderr
    )
    del shell.clients.batch.queues["normal"]
    assert "normal" not in (result := shell("queues")).stdout
    assert "that Batch does not know are left out: " in result.stderr
    assert "job-queue/normal-queue" in result.stderr


def test_hosts_are_instances_with_their_jobs_and_what_is_free(shell: Shell) -> None:
    """Of ECS over all pages, joined with what Batch says of running jobs, nodes and children."""
    batch = shell.clients.batch
    shell.clients.ecs = FakeEcs({CLUSTER: [instance(number, tasks) for number, tasks in ((0, 1), (1, 2), (2, 0))]})
    hello(batch)
    child = f"{sweep(batch)}:2"
    batch.jobs[child].detail["container"] |= {
        "containerInstanceArn": "arn:aws:ecs:r:a:container-instance/AWSBatch-machines/i1",
    }
    assert shell("hosts").stdout == (
        "host    type       zone           status  tasks  vCPUs used  MiB used      jobs\n"
        "i-0000  c6i.large  eu-central-1a  ACTIVE  1      1 of 2      1900 of 3800  hello#0 (10.0.0.0)\n"
        "i-0001  c6i.large  eu-central-1a  ACTIVE  2      2 of 2      3800 of 3800  sweep:2, hello#1 (10.0.0.1)\n"
        "i-0002  c6i.large  eu-central-1a  ACTIVE  0      0 of 2      0 of 3800\n"
    )
    assert shell("hosts", "i-0001").stdout == (
        "host         i-0001\n"
        "type         c6i.large\n"
        "zone         eu-central-1a\n"
        "status       ACTIVE\n"
        "environment  machines\n"
        "instance     i1\n"
        "used         2 of 2 vCPUs, 3800 of 3800 MiB\n"
        "tasks        2\n"
        f"jobs         {child} sweep: RUNNING, 1 vCPU, 2048 MiB\n"
        f"             {id_of(0x3E110)}#1 hello: RUNNING, 1 vCPU, 2048 MiB, address 10.0.0.1\n"
    )
    document = shell.document("hosts", "i-0000")["hosts"][0]
    assert document["capacity"] == {"vcpus": 2, "free_vcpus": 1, "memory_mib": 3800, "free_memory_mib": 1900}
    assert [job["job_id"] for job in document["jobs"]] == [f"{id_of(0x3E110)}#0"]


def test_without_ecs_hosts_are_where_batch_says_that_jobs_run(shell: Shell) -> None:
    """As on the local cloud: what is not known is not shown; a Fargate task is a host of its own."""
    batch = shell.clients.batch
    hello(batch)
    described(
        batch,
        id_of(1),
        "RUNNING",
        jobName="pi",
        jobQueue=arn("job-queue", "high-queue"),
        container=container(
            taskArn="arn:aws:ecs:r:a:task/AWSBatch-fargate/t9", networkInterfaces=[{"privateIpv4Address": "10.0.0.9"}]
        ),
    )
    described(batch, id_of(2), "STARTING", jobName="early", container=container())
    nowhere = container(taskArn="arn:aws:ecs:r:a:task/AWSBatch-machines/t8")
    described(batch, id_of(3), "STARTING", jobName="unplaced", container=nowhere)
    expected = (
        "host  type     tasks  vCPUs used  MiB used  jobs\n"
        "t9    FARGATE  1      1           2048      pi (10.0.0.9)\n"
        "i0    EC2      1      1           2048      hello#0 (10.0.0.0)\n"
        "i1    EC2      1      1           2048      hello#1 (10.0.0.1)\n"
    )
    assert shell("hosts").stdout == expected
    shell.clients.ecs = FakeEcs(error="AccessDeniedException")
    result = shell("hosts")
    assert result.stdout == expected
    assert result.stderr == (
        "shown are hosts of running jobs alone: ecs:ListContainerInstances is not allowed to you\n"
    )
    assert "environment  machines\nused         1 vCPU, 2048 MiB\n" in shell("hosts", "i0", "--details").stdout


def test_no_host_is_said_to_be_none(shell: Shell) -> None:
    """And a host that is not there is refused; another error of ECS is AWS's refusal."""
    result = shell("hosts")
    assert (result.stdout, result.stderr) == ("", "no host is up: the compute environments start them when jobs wait\n")
    refused = shell("hosts", "i-1", code=2).stderr
    assert "INSTANCE: is a host of the deployment CloudHpc, as hpc hosts lists them, got 'i-1'" in refused
    shell.clients.ecs = FakeEcs(error="ServerException")
    assert shell("hosts", code=1).stderr == "hpc: ListContainerInstances: ServerException: no\n"


OLD_NAMES = {"awsbstat": "stat", "awsbout": "out", "awsbkill": "kill", "awsbqueues": "queues", "awsbhosts": "hosts"}


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """An installed command, as pip would make it of the project's metadata."""
    scripts = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["scripts"]
    module, _, function = scripts[script].partition(":")
    code = f"import sys; from {module} import {function}; sys.argv[0] = {script!r}; sys.exit({function}())"
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "HPC_HOME": "none"}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("old", OLD_NAMES)
def test_an_old_name_is_the_new_command(old: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its options and its errors: one line, exit code 2, no traceback."""
    monkeypatch.chdir(tmp_path)
    told = run(old, "--help")
    assert told.returncode == 0
    assert told.stdout.startswith(f"Usage: hpc {OLD_NAMES[old]} ")
    arguments = ["x"] if old in {"awsbout", "awsbkill"} else []
    refused = run(old, "--local", *arguments)
    assert refused.returncode == 2
    assert refused.stderr.startswith("hpc: --local: a local cloud says in none/local/endpoint.json where it answers")
    assert len(refused.stderr.splitlines()) == 1
