"""Placeability: what can run passes, what cannot is named with its numbers."""

from __future__ import annotations

from typing import Any

import pytest

from runner import batch_facts, placement
from runner.errors import InputError
from runner.places import Places
from tests.runner.fake_aws import FakeEc2, definition, deployed_batch
from tests.runner.fake_batch import FakeBatch, arn
from tests.runner.planned import planned

ON_EC2 = {"platformCapabilities": ["EC2"]}


def batch_with(**changes: dict[str, Any]) -> FakeBatch:
    """Batch with changed `queue`, `environment` (those of the high queue) or `definition` (an extra one, `mine`)."""
    batch = deployed_batch()
    batch.queues["high"] |= changes.get("queue", {})
    batch.environments[arn("compute-environment", "fargate")] |= changes.get("environment", {})
    batch.environments[arn("compute-environment", "machines")] |= changes.get("machines", {})
    batch.definitions.append(definition("mine", **{**ON_EC2, **changes.get("definition", {})}))
    return batch


def problem(batch: FakeBatch, **task: Any) -> str | None:
    """What is said of a task; None where it can be placed."""
    jobs = planned({"t": {"queue": "high", **task}}).jobs
    facts = batch_facts.fetch(
        batch, FakeEc2(), [job.request["jobQueue"] for job in jobs], [job.request["jobDefinition"] for job in jobs]
    )
    try:
        placement.check(jobs, facts, Places("w.yaml"))
    except InputError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    "task",
    [
        {},
        {"vcpus": 32, "memory_mib": 61440},
        {"queue": "high-queue"},
        {"queue": "ec2", "job_definition": "mine", "vcpus": 16, "memory_mib": 62000},
        {"queue": "ec2", "job_definition": "mine:1", "vcpus": 1, "memory_mib": 4},
        {"queue": "ec2", "job_definition": arn("job-definition", "mine")},
    ],
)
def test_what_some_environment_can_hold_passes(task: dict[str, Any]) -> None:
    """Up to the very limits, by any of Batch's ways to name things."""
    assert problem(batch_with(), **task) is None


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ({"vcpus": 3, "memory_mib": 4096}, "fargate cannot: Fargate runs 0.25, 0.5, 1, 2, 4, 8, 16, 32 vCPUs, got 3"),
        ({"memory_mib": 2100}, "Fargate with 1 vCPUs runs 2048 to 8192 MiB in its own steps, got 2100 MiB, use 3072"),
        ({"vcpus": 64}, "a job of 64 vCPUs and 2048 MiB, got none: fargate has at most 32 vCPUs in all"),
        ({"queue": "ec2"}, "machines runs jobs on EC2, and dopi:1 is for Fargate"),
        ({"job_definition": "mine"}, "fargate runs jobs on Fargate, and mine:1 is for EC2"),
        (
            {"queue": "ec2", "job_definition": "mine", "vcpus": 17},
            "machines has nothing larger than m6i.4xlarge with 16 vCPUs and about 62259 MiB for jobs",
        ),
        ({"queue": "ec2", "job_definition": "mine", "memory_mib": 65536}, "about 62259 MiB for jobs"),
        ({"queue": "ec2", "job_definition": "mine", "vcpus": 1.5}, "is EC2, which gives whole vCPUs, not 1.5"),
        ({"queue": "nowhere"}, "names a job queue of the deployment or of Batch, got 'nowhere'; correct 'queue'"),
        ({"job_definition": "no:1"}, "names a job definition of the deployment or of Batch, got 'no:1'"),
        ({"job_definition": "no"}, "names a job definition of the deployment or of Batch, got 'no'"),
    ],
)
def test_what_none_can_hold_is_named_with_its_numbers(task: dict[str, Any], expected: str) -> None:
    """The task, what it asks for, what there is, what to change."""
    said = problem(batch_with(), **task)
    assert said is not None
    assert said.startswith("w.yaml: tasks.t: ")
    assert expected in said


@pytest.mark.parametrize(
    ("changes", "task", "expected"),
    [
        ({"queue": {"state": "DISABLED"}}, {}, "got 'high' in DISABLED and VALID; enable it, or use another queue"),
        ({"queue": {"status": "INVALID", "statusReason": "why"}}, {}, "in ENABLED and INVALID (why)"),
        ({"queue": {"computeEnvironmentOrder": []}}, {}, "the queue has no compute environment"),
        ({"environment": {"state": "DISABLED"}}, {}, "fargate is DISABLED and VALID"),
        ({"environment": {"status": "INVALID", "statusReason": "no role"}}, {}, "is ENABLED and INVALID (no role)"),
        (
            {"definition": {"status": "INACTIVE"}},
            {"job_definition": "mine:1"},
            "is ACTIVE, got 'mine:1' (mine:1) INACT",
        ),
        ({"definition": {"status": "INACTIVE"}}, {"job_definition": "mine"}, "names a job definition"),
        (
            {"definition": {"type": "multinode"}},
            {"job_definition": "mine"},
            "got 'mine' of type multinode; use",
        ),
        (
            {"machines": {"computeResources": {"type": "EC2", "maxvCpus": 8, "instanceTypes": ["x1.32xlarge"]}}},
            {"queue": "ec2", "job_definition": "mine"},
            "machines has instance types that EC2 does not know (x1.32xlarge)",
        ),
        (
            {
                "definition": {
                    "containerProperties": {"vcpus": 1, "memory": 64, "runtimePlatform": {"cpuArchitecture": "ARM64"}}
                }
            },
            {"queue": "ec2", "job_definition": "mine"},
            "machines has no instance type of architecture ARM64",
        ),
        (
            {"definition": {"containerProperties": {"resourceRequirements": [{"type": "GPU", "value": "1"}]}}},
            {"queue": "ec2", "job_definition": "mine", "vcpus": 1, "memory_mib": 64},
            "can hold a job of 1 vCPU and 64 MiB, 1 GPU, got none",
        ),
    ],
)
def test_states_kinds_and_architectures_are_looked_at(
    changes: dict[str, dict[str, Any]], task: dict[str, Any], expected: str
) -> None:
    """Capacity that is switched off, broken or of the wrong kind is none."""
    said = problem(batch_with(**changes), **task)
    assert said is not None
    assert expected in said


@pytest.mark.parametrize(
    ("instance_types", "architecture", "fits"),
    [
        (["m6i"], "X86_64", True),
        (["optimal"], "X86_64", True),
        (["default_arm64"], "ARM64", True),
        (["default_arm64"], "X86_64", False),
        (["c6i"], "X86_64", False),
    ],
)
def test_families_and_batchs_words_for_them_are_understood(
    instance_types: list[str], architecture: str, *, fits: bool
) -> None:
    """By EC2's own list of their sizes: 7,000 MiB fit none of the c6i that there are."""
    resources = {"type": "EC2", "maxvCpus": 64, "instanceTypes": instance_types}
    container = {"vcpus": 1, "memory": 7000, "runtimePlatform": {"cpuArchitecture": architecture}}
    batch = batch_with(machines={"computeResources": resources}, definition={"containerProperties": container})
    assert (problem(batch, queue="ec2", job_definition="mine") is None) == fits


def test_gpus_are_a_size_too() -> None:
    """As many as the largest instance has pass; what is asked for beats what the definition says."""
    resources = {"type": "EC2", "maxvCpus": 64, "instanceTypes": ["m6i.4xlarge", "g5.12xlarge"]}
    batch = batch_with(machines={"computeResources": resources})
    assert problem(batch, queue="ec2", job_definition="mine", vcpus=1, memory_mib=64, gpus=4) is None
    assert problem(batch, queue="ec2", job_definition="mine", vcpus=1, memory_mib=64, gpus=5) == (
        "w.yaml: tasks.t: some compute environment of queue 'ec2' can hold a job of 1 vCPU and 64 MiB, 5 GPUs, "
        "got none: machines has nothing larger than g5.12xlarge with 48 vCPUs and about 186777 MiB for jobs, 4 GPUs; "
        "change queue or job_definition, or vcpus, memory_mib and gpus"
    )
    assert problem(batch_with(), queue="ec2", job_definition="mine", vcpus=1, memory_mib=64, gpus=1) is not None


def test_fargate_gives_no_gpus() -> None:
    """Whatever the queue: the definition decides where a job may run, and Batch refuses the request."""
    assert problem(batch_with(), gpus=2) == (
        "w.yaml: tasks.t: gpus are given on EC2, never on Fargate (API_ResourceRequirement), got 2 with 'dopi' for "
        "Fargate; use a job definition for EC2, such as dopi-ec2, on queue gpu, or leave gpus out"
    )


def test_a_later_environment_of_the_queue_counts_too() -> None:
    """Batch tries them in order."""
    batch = batch_with(environment={"state": "DISABLED"})
    other = arn("compute-environment", "other")
    fargate = batch.environments[arn("compute-environment", "fargate")]
    batch.environments[other] = {**fargate, "state": "ENABLED", "computeEnvironmentArn": other}
    batch.queues["high"]["computeEnvironmentOrder"].append({"order": 2, "computeEnvironment": other})
    assert problem(batch) is None


def test_the_latest_active_revision_decides_for_a_bare_name() -> None:
    """As it will when the job is submitted."""
    batch = batch_with()
    batch.definitions.append(definition("mine", 2, containerProperties={"vcpus": 99, "memory": 64}, **ON_EC2))
    said = problem(batch, queue="ec2", job_definition="mine")
    assert said is not None
    assert "a job of 99 vCPUs" in said


def test_every_task_is_reported_but_a_group_only_once() -> None:
    """A hundred tasks of one foreach have one mistake."""
    jobs = planned({"t": {"vcpus": 64, "foreach": {"n": list(range(9))}}, "u": {"vcpus": 3}}).jobs
    batch = deployed_batch()
    facts = batch_facts.fetch(
        batch, FakeEc2(), [job.request["jobQueue"] for job in jobs], [job.request["jobDefinition"] for job in jobs]
    )
    with pytest.raises(InputError) as caught:
        placement.check(jobs, facts, Places("w.yaml"))
    assert [finding.split(":")[1] for finding in caught.value.findings] == [" tasks.t", " tasks.u"]
