"""Which overrides SubmitJob takes for which jobs, row by row of the service's own documents.

Sources: https://docs.aws.amazon.com/batch/latest/APIReference/API_SubmitJob.html, API_ContainerOverrides.html and
API_NodeOverrides.html there, and "Can't override job definition resource requirements" of the user guide.
"""

from __future__ import annotations

from typing import Any

import pytest

from local_batch.api.errors import ApiError
from local_batch.engine.jobs import Demand
from tests.local_batch.api.front import Front, definition, ec2_definition, multinode_definition, size

ENVIRONMENT = [{"name": "A", "value": "1"}]
GPU = [{"type": "GPU", "value": "1"}]
DEPRECATED = "This value was submitted in a deprecated key and may conflict"
SIZE_OF = {"fargate": size("2", "4096"), "ec2": size("2", "4096"), "node": size("2", "4096"), "old": size("2", "4096")}


@pytest.fixture
def jobs(front: Front) -> Front:
    """A definition of each kind: on Fargate, on EC2, of one node, and with the deprecated members on EC2."""
    front.call("RegisterJobDefinition", **definition("fargate"))
    front.call("RegisterJobDefinition", **ec2_definition("ec2"))
    old = {"vcpus": 1, "memory": 512, "resourceRequirements": []}
    front.call("RegisterJobDefinition", **ec2_definition("old", container=old))
    front.call("RegisterJobDefinition", **multinode_definition("node", {"0:": {}}, num_nodes=1))
    return front


def submit(front: Front, kind: str, overrides: dict[str, Any], **more: Any) -> str:
    """A job of that kind with container overrides, where that kind has them."""
    if kind == "node":
        entry = {"targetNodes": "0:", "containerOverrides": overrides}
        request: dict[str, Any] = {"nodeOverrides": {"nodePropertyOverrides": [entry]}}
    else:
        request = {"containerOverrides": overrides}
    queue = "normal" if kind == "fargate" else "ec2"
    return front.submit(jobQueue=queue, jobDefinition=kind, **request, **more)


@pytest.mark.parametrize("kind", SIZE_OF)
def test_command_environment_and_size_are_overridden_everywhere(jobs: Front, kind: str) -> None:
    """The three that every kind of job takes."""
    overrides = {"command": ["a"], "environment": ENVIRONMENT, "resourceRequirements": SIZE_OF[kind]}
    job_id = submit(jobs, kind, overrides)
    container = jobs.record(job_id).container
    assert container.demand == Demand(vcpus=2, memory_mib=4096)
    if kind == "node":
        (shown,) = jobs.job(job_id)["nodeProperties"]["nodeRangeProperties"]
        shown = shown["container"]
    else:
        shown = jobs.job(job_id)["container"]
    assert (shown["command"], shown["environment"]) == (["a"], ENVIRONMENT)


@pytest.mark.parametrize("kind", ["ec2", "node"])
def test_gpus_are_overridden_on_ec2(jobs: Front, kind: str) -> None:
    """Added to the definition's size."""
    job_id = submit(jobs, kind, {"resourceRequirements": GPU})
    assert jobs.record(job_id).container.demand == Demand(vcpus=1, memory_mib=1024, gpus=1)


def test_deprecated_members_override_only_deprecated_members(jobs: Front) -> None:
    """On EC2, where the definition has them too."""
    job_id = submit(jobs, "old", {"vcpus": 2, "memory": 1024})
    assert jobs.record(job_id).container.demand == Demand(vcpus=2, memory_mib=1024)


def test_the_instance_type_is_overridden_on_nodes(jobs: Front) -> None:
    """There it is part of the container; elsewhere it is not applicable."""
    job_id = submit(jobs, "node", {"instanceType": "m6i.large"})
    assert jobs.record(job_id).container.instance_type == "m6i.large"
    (shown,) = jobs.job(job_id)["nodeProperties"]["nodeRangeProperties"]
    assert shown["container"]["instanceType"] == "m6i.large"


@pytest.mark.parametrize("kind", SIZE_OF)
def test_what_is_not_of_the_container_is_overridden_everywhere(jobs: Front, kind: str) -> None:
    """Parameters, retry strategy, timeout, tags and their propagation, and a priority, which means nothing here."""
    job = jobs.job(
        submit(
            jobs,
            kind,
            {},
            parameters={"a": "b"},
            retryStrategy={"attempts": 2},
            timeout={"attemptDurationSeconds": 60},
            tags={"k": "v"},
            propagateTags=True,
            schedulingPriorityOverride=5,
        )
    )
    assert (job["parameters"], job["tags"], job["propagateTags"]) == ({"a": "b"}, {"k": "v"}, True)
    assert (job["retryStrategy"]["attempts"], job["timeout"]["attemptDurationSeconds"]) == (2, 60)
    assert "schedulingPriority" not in job


@pytest.mark.parametrize(
    ("kind", "overrides", "text"),
    [
        ("fargate", {"resourceRequirements": size("1", "3000")}, "Fargate with 1 vCPUs runs 2048 to 8192 MiB"),
        ("fargate", {"resourceRequirements": size("2", "2048")}, "Fargate with 2 vCPUs runs 4096 to 16384 MiB"),
        ("fargate", {"resourceRequirements": GPU}, "GPU is not applicable for Fargate."),
        ("fargate", {"memory": 4096}, DEPRECATED),
        ("fargate", {"vcpus": 2}, DEPRECATED),
        ("fargate", {"instanceType": "m6i.large"}, "instanceType is only applicable to multi-node parallel jobs."),
        ("ec2", {"instanceType": "m6i.large"}, "instanceType is only applicable to multi-node parallel jobs."),
        ("ec2", {"vcpus": 2}, DEPRECATED),
        ("ec2", {"memory": 2048}, DEPRECATED),
        ("node", {"vcpus": 2}, DEPRECATED),
        ("ec2", {"resourceRequirements": size("0.5", "512")}, "vCPU must be at least 1, got 0.5."),
        ("ec2", {"resourceRequirements": size("1", "3")}, "Memory must be at least 4 Mib, got 3 Mib."),
        (
            "ec2",
            {"resourceRequirements": [{"type": "GPU", "value": "0.5"}]},
            r"Value 0\.5 for type GPU .* whole number",
        ),
        ("node", {"resourceRequirements": [{"type": "VCPU", "value": "1e3"}]}, "vCPU must be a number, got '1e3'"),
        ("ec2", {"resourceRequirements": size("1", "2048") * 2}, "Cannot provide duplicates in resourceRequirements."),
        (
            "old",
            {"vcpus": 1, "resourceRequirements": size("1", "512")},
            "Cannot use both ECS containerProperties vcpus",
        ),
        ("old", {"vcpus": -1}, "vCPU must be a number, got '-1'"),
        ("ec2", {"command": ["a", ""]}, "Container command must not contain empty strings."),
        ("node", {"command": ["a", ""]}, "Container command must not contain empty strings."),
        ("ec2", {"command": ["\0"]}, "must not contain NUL characters"),
        ("ec2", {"environment": [{"value": "x"}]}, "Environment variable name is required."),
        ("node", {"environment": [{"name": "AWS_BATCH_JOB_ID"}]}, "must not start with AWS_BATCH"),
    ],
)
def test_overrides_that_do_not_go_with_the_job_are_refused(
    jobs: Front, kind: str, overrides: dict[str, Any], text: str
) -> None:
    """In AWS's words where they are known."""
    with pytest.raises(ApiError, match=text):
        submit(jobs, kind, overrides)
    assert jobs.dispatcher.engine.jobs == {}


@pytest.mark.parametrize("kind", ["fargate", "ec2"])
def test_node_overrides_are_for_nodes(jobs: Front, kind: str) -> None:
    """And container overrides for what has one container."""
    queue = "normal" if kind == "fargate" else "ec2"
    with pytest.raises(ApiError, match="nodeOverrides is only applicable to multi-node parallel jobs"):
        jobs.submit(jobQueue=queue, jobDefinition=kind, nodeOverrides={"numNodes": 2})
    with pytest.raises(ApiError, match="containerOverrides is not applicable to multi-node parallel jobs"):
        jobs.submit(jobQueue="ec2", jobDefinition="node", containerOverrides={"command": ["a"]})


def test_a_variable_cannot_take_a_secrets_name(jobs: Front) -> None:
    """ECS takes a name once, and refuses the task otherwise."""
    container = {
        "executionRoleArn": "arn:aws:iam::123456789012:role/execution",
        "secrets": [{"name": "TOKEN", "valueFrom": "/tokens/mine"}],
    }
    jobs.call("RegisterJobDefinition", **ec2_definition("secretive", container=container))
    with pytest.raises(ApiError, match=r"The secret name must be unique .* such as 'TOKEN'"):
        jobs.submit(
            jobQueue="ec2",
            jobDefinition="secretive",
            containerOverrides={"environment": [{"name": "TOKEN", "value": "open"}]},
        )


@pytest.mark.parametrize(
    "member",
    [
        "image",
        "jobRoleArn",
        "volumes",
        "ulimits",
        "linuxParameters",
        "logConfiguration",
        "user",
        "privileged",
        "secrets",
    ],
)
def test_the_rest_of_a_container_cannot_be_overridden(jobs: Front, member: str) -> None:
    """The service has no such member: a new revision of the definition is what it takes."""
    with pytest.raises(ApiError, match="containerOverrides: has only the members command, environment, instanceType"):
        submit(jobs, "ec2", {member: "x"})
