"""Job definitions: revisions, what is kept of them, what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from local_batch.api.errors import ApiError
from tests.local_batch.api.front import ARN, Front, definition, ec2_definition, multinode_definition

CDK_FARGATE = {
    "environment": [],
    "fargatePlatformConfiguration": {},
    "linuxParameters": {},
    "networkConfiguration": {"assignPublicIp": "ENABLED"},
    "readonlyRootFilesystem": False,
    "privileged": False,
    "runtimePlatform": {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"},
    "logConfiguration": {
        "logDriver": "awslogs",
        "options": {"awslogs-group": "/aws/batch/job", "awslogs-region": "here-1", "awslogs-stream-prefix": "dopi"},
    },
    "jobRoleArn": "arn:aws:iam::123456789012:role/job",
}


def described(front: Front, name: str) -> dict[str, Any]:
    """The one revision of a definition."""
    (shown,) = front.call("DescribeJobDefinitions", jobDefinitionName=name)["jobDefinitions"]
    return dict(shown)


def test_revisions_count_up_and_stay(front: Front) -> None:
    """From 1; a deregistered one is INACTIVE and its number is not given again."""
    assert front.call("RegisterJobDefinition", **definition("d")) == {
        "jobDefinitionName": "d",
        "jobDefinitionArn": f"{ARN}job-definition/d:1",
        "revision": 1,
    }
    front.call("RegisterJobDefinition", **definition("d"))
    front.call("DeregisterJobDefinition", jobDefinition="d:2")
    assert front.call("RegisterJobDefinition", **definition("d"))["revision"] == 3

    def revisions(**request: Any) -> list[int]:
        return [item["revision"] for item in front.call("DescribeJobDefinitions", **request)["jobDefinitions"]]

    assert revisions(jobDefinitionName="d") == [3, 2, 1]
    assert revisions(jobDefinitionName="d", status="ACTIVE") == [3, 1]
    assert revisions(jobDefinitions=["d:2", f"{ARN}job-definition/d:1", "d:9"]) == [2, 1]


@pytest.mark.parametrize("reference", ["d", "d:7", f"{ARN}job-definition/d", f"{ARN}job-definition/e:1"])
def test_deregistering_takes_one_revision_that_is_there(front: Front, reference: str) -> None:
    """A name alone could mean any."""
    front.call("RegisterJobDefinition", **definition("d"))
    with pytest.raises(ApiError, match=r"does not exist|must be name:revision"):
        front.call("DeregisterJobDefinition", jobDefinition=reference)


def test_what_cdk_writes_is_taken_and_described(front: Front) -> None:
    """Empty structures say nothing and are not shown; what they leave open is shown as the service fills it in."""
    front.call("RegisterJobDefinition", **definition("cdk", container=CDK_FARGATE, retryStrategy={}, timeout={}))
    shown = described(front, "cdk")
    container = shown["containerProperties"]
    assert shown["status"] == "ACTIVE"
    assert container["networkConfiguration"] == {"assignPublicIp": "ENABLED"}
    assert container["jobRoleArn"] == "arn:aws:iam::123456789012:role/job"
    assert container["fargatePlatformConfiguration"] == {"platformVersion": "LATEST"}
    assert container["linuxParameters"] == {"devices": [], "tmpfs": []}
    assert container["logConfiguration"]["secretOptions"] == []
    assert (container["privileged"], container["readonlyRootFilesystem"]) == (False, False)
    assert not {"retryStrategy", "timeout", "propagateTags", "schedulingPriority"} & shown.keys()
    assert "platformCapabilities" not in described(front, "tool")


def test_a_definition_is_described_as_it_was_registered(front: Front) -> None:
    """Empty lists included: clients compare member by member and register anew what differs."""
    container = {
        "image": "tool:1",
        "command": [],
        "jobRoleArn": "arn:aws:iam::123456789012:role/job",
        "environment": [],
        "mountPoints": [],
        "volumes": [],
        "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "1024"}],
        "ulimits": [],
        "privileged": False,
    }
    request = ec2_definition("redun", container=container, parameters={"a": "b"}, schedulingPriority=0)
    front.call("RegisterJobDefinition", **request)
    shown = described(front, "redun")
    assert shown["containerProperties"] == {**container, "secrets": []}
    assert (shown["parameters"], shown["schedulingPriority"], shown["tags"]) == ({"a": "b"}, 0, {})


def test_nodes_are_described_as_they_were_registered(front: Front) -> None:
    """Ranges as they were written, each container as that of a single job."""
    ulimits = [{"name": "nofile", "softLimit": 65535, "hardLimit": 65535}]
    ranges: dict[str, dict[str, Any]] = {
        "0": {"ulimits": ulimits, "environment": []},
        "1:": {"command": ["x"], "instanceType": "m6i.large"},
    }
    front.call("RegisterJobDefinition", **multinode_definition("nodes", ranges, num_nodes=3))
    shown = described(front, "nodes")
    assert shown["type"] == "multinode"
    assert "containerProperties" not in shown
    properties = shown["nodeProperties"]
    assert (properties["numNodes"], properties["mainNode"]) == (3, 0)
    assert [item["targetNodes"] for item in properties["nodeRangeProperties"]] == ["0", "1:"]
    first, second = (item["container"] for item in properties["nodeRangeProperties"])
    assert (first["ulimits"], first["command"], first["mountPoints"]) == (ulimits, [], [])
    assert (second["command"], second["instanceType"]) == (["x"], "m6i.large")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"jobDefinitionName": "a b"}, "Job Definition name should match a valid pattern."),
        ({"eksProperties": {"podProperties": {"hostNetwork": True}}}, "eksProperties: is not played"),
        (
            {"ecsProperties": {"taskProperties": [{"containers": [{"image": "i"}]}]}},
            "Cannot use both ECS containerProperties and ecsProperties",
        ),
        (
            {
                "containerProperties": None,
                "ecsProperties": {"taskProperties": [{"containers": [{"image": "i"}]}]},
            },
            "ecsProperties: is not played",
        ),
        (
            {"consumableResourceProperties": {"consumableResourceList": [{"consumableResource": "r"}]}},
            "consumableResourceProperties: is not played",
        ),
        ({"schedulingPriority": -1}, "Scheduling priority must be between 0 and 9999."),
        ({"schedulingPriority": 10_000}, "Scheduling priority must be between 0 and 9999."),
        ({"platformCapabilities": ["EC2", "FARGATE"]}, "Exactly 1 capability must be provided."),
        ({"platformCapabilities": ["MANAGED_INSTANCES"]}, "platformCapabilities: is not played"),
        (
            {"containerProperties": None},
            "ECS ContainerProperties, ecsProperties, or eksProperties is required when using type container.",
        ),
        (
            {"nodeProperties": multinode_definition("n", {"0:": {}}, num_nodes=1)["nodeProperties"]},
            "nodeProperties must not be specified for a job definition of type container.",
        ),
        ({"timeout": {"attemptDurationSeconds": 59}}, "AttemptDurationSeconds in Timeout must be at least 60 seconds."),
        ({"retryStrategy": {"attempts": 0}}, "RetryAttempts must be between 1 and 10."),
        ({"parameters": {"a": "x" * 25_000}}, "Job definition size must be less than 24 KiB, got 25 KiB"),
        ({"tags": {f"k{number}": "v" for number in range(51)}}, "tags: has at most 50 entries, got '51 of them'"),
    ],
)
def test_definitions_that_aws_would_refuse_are_refused(front: Front, change: dict[str, Any], text: str) -> None:
    """Limits, names, and kinds of jobs that are not played."""
    with pytest.raises(ApiError, match=text):
        front.call("RegisterJobDefinition", **{**definition("bad"), **change})
    assert front.call("DescribeJobDefinitions", jobDefinitionName="bad")["jobDefinitions"] == []


def rule(**patterns: str) -> dict[str, Any]:
    """A retry strategy with one condition."""
    return {"attempts": 2, "evaluateOnExit": [{"action": "RETRY", **patterns}]}


@pytest.mark.parametrize(
    ("strategy", "text"),
    [
        (
            {"evaluateOnExit": [{"action": "EXIT", "onReason": "*"}]},
            "RetryAttempts must be provided with retry strategy",
        ),
        (
            {"attempts": 2, "evaluateOnExit": [{"action": "EXIT", "onReason": "*"}] * 6},
            "Up to 5 evaluateOnExit condition",
        ),
        (rule(), "EvaluateOnExit should contain at least one of onExitCode, onReason or onStatusReason"),
        (rule(onExitCode=""), "EvaluateOnExit should contain at least one of onExitCode, onReason or onStatusReason"),
        (rule(onReason="Host EC2 (*"), "Evaluate on exit condition contains restricted characters."),
        (rule(onStatusReason="a*b"), "Evaluate on exit condition contains restricted characters."),
        (rule(onExitCode="1-3"), "Evaluate on exit condition contains restricted characters."),
        (rule(onReason="a" * 513), "Evaluate on exit condition cannot exceed 512 characters."),
    ],
)
def test_retry_strategies_that_aws_would_refuse_are_refused(front: Front, strategy: dict[str, Any], text: str) -> None:
    """The characters that Batch matches, and how many conditions."""
    with pytest.raises(ApiError, match=text):
        front.call("RegisterJobDefinition", **definition("bad", retryStrategy=strategy))


def test_aws_own_patterns_are_taken(front: Front) -> None:
    """The usual list for Spot, pulls and the rest; actions are shown in lower case."""
    rules = [
        {"action": "retry", "onStatusReason": "Host EC2*"},
        {"action": "RETRY", "onReason": "CannotPullContainerError:*"},
        {"action": "exit", "onExitCode": "13*"},
        {"action": "EXIT", "onReason": "*"},
    ]
    front.call("RegisterJobDefinition", **definition("d", retryStrategy={"attempts": 10, "evaluateOnExit": rules}))
    shown = described(front, "d")["retryStrategy"]["evaluateOnExit"]
    assert [item["action"] for item in shown] == ["retry", "retry", "exit", "exit"]
