"""Job definitions: revisions, what is kept of them, what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from local_batch.api.errors import ApiError
from tests.local_batch.api.front import ARN, Front, definition, ec2_definition, size

CDK_FARGATE = {
    "environment": [],
    "fargatePlatformConfiguration": {},
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
GPU = {"resourceRequirements": [*size("1", "1024"), {"type": "GPU", "value": "1"}]}


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
    """Empty structures say nothing and are not shown."""
    front.call("RegisterJobDefinition", **definition("cdk", container=CDK_FARGATE, retryStrategy={}, timeout={}))
    (shown,) = front.call("DescribeJobDefinitions", jobDefinitionName="cdk")["jobDefinitions"]
    assert shown["status"] == "ACTIVE"
    assert shown["containerProperties"]["networkConfiguration"] == {"assignPublicIp": "ENABLED"}
    assert shown["containerProperties"]["jobRoleArn"] == "arn:aws:iam::123456789012:role/job"
    assert not {"retryStrategy", "timeout"} & shown.keys()
    (tool,) = front.call("DescribeJobDefinitions", jobDefinitionName="tool")["jobDefinitions"]
    assert tool["platformCapabilities"] == ["EC2"]


@pytest.mark.parametrize(
    ("container", "text"),
    [
        ({"image": ""}, "Container image must be specified."),
        ({"resourceRequirements": size("3", "8192")}, r"Fargate runs 0\.25, 0\.5, 1, .* vCPUs, got 3"),
        ({"resourceRequirements": size("1", "1024")}, "Fargate with 1 vCPUs runs 2048 to 8192 MiB"),
        ({"resourceRequirements": size("0.25", "512.5")}, "Memory must be a whole number of MiB, got 512.5"),
        ({"resourceRequirements": size("nan", "512")}, "vCPU must be a number, got 'nan'"),
        ({"resourceRequirements": size("1", "-1")}, "Memory must be a number, got '-1'"),
        ({"resourceRequirements": size("1", "2048")[:1]}, "Memory is required."),
        ({"resourceRequirements": []}, "vCPU is required."),
        ({"resourceRequirements": size("1", "2048") * 2}, "Cannot provide duplicates in resourceRequirements."),
        (GPU, "GPU is not applicable for Fargate."),
        ({"vcpus": 1}, "vcpus and memory are not applicable for Fargate"),
        ({"executionRoleArn": None}, "executionRoleArn is required for Fargate."),
        ({"ulimits": [{"name": "core", "hardLimit": 1, "softLimit": 1}]}, "ulimits is not applicable for Fargate."),
        ({"linuxParameters": {"maxSwap": 1}}, "linuxParameter.maxSwap is not allowed for Fargate."),
        ({"volumes": [{"name": "v", "host": {"sourcePath": "/x"}}]}, "host.sourcePath should not be set for volumes"),
        ({"logConfiguration": {"logDriver": "journald"}}, "Log driver for Fargate is not valid: journald"),
        ({"logConfiguration": {"logDriver": "splunk"}}, 'logDriver: is not played by the local cloud .*"splunk"'),
        ({"ephemeralStorage": {"sizeInGiB": 20}}, "can be only between range 21 GiB to 200 GiB"),
        ({"user": "Root User"}, "User 'Root User' does not match regex"),
        ({"environment": [{"value": "x"}]}, "Environment variable name is required."),
        ({"environment": [{"name": "AWS_BATCH_X", "value": "x"}]}, "must not start with AWS_BATCH, got AWS_BATCH_X"),
        ({"environment": [{"name": "A=B", "value": "x"}]}, "names no '=', got 'A=B'"),
        ({"environment": [{"name": "A", "value": "x\0"}]}, "hold no NUL"),
        ({"command": ["a\0"]}, "must not contain NUL characters"),
        ({"secrets": [{"name": "s", "valueFrom": "arn"}]}, "containerProperties.secrets: is not played by the local"),
        ({"privileged": True}, "containerProperties.privileged: is not played by the local cloud .*got true"),
        ({"linuxParameters": {"initProcessEnabled": True}}, "containerProperties.linuxParameters: is not played"),
        ({"volumes": [{"name": "v"}]}, "containerProperties.volumes: is not played"),
        ({"repositoryCredentials": {"credentialsParameter": "a"}}, "repositoryCredentials: is not played"),
        ({"enableExecuteCommand": True}, "enableExecuteCommand: is not played"),
        ({"user": "nobody"}, "containerProperties.user: is not played"),
        ({"readonlyRootFilesystem": True}, "readonlyRootFilesystem: is not played"),
    ],
)
def test_fargate_containers_that_would_not_run_so_are_refused(
    front: Front, container: dict[str, Any], text: str
) -> None:
    """AWS's rules in its words, what the local cloud does not play by name."""
    with pytest.raises(ApiError, match=text):
        front.call("RegisterJobDefinition", **definition("bad", container=container))
    assert front.call("DescribeJobDefinitions", jobDefinitionName="bad")["jobDefinitions"] == []


@pytest.mark.parametrize(
    ("container", "text"),
    [
        ({"networkConfiguration": {"assignPublicIp": "ENABLED"}}, "networkConfiguration not applicable for EC2."),
        ({"fargatePlatformConfiguration": {"platformVersion": "LATEST"}}, "fargatePlatformConfiguration not applicabl"),
        ({"runtimePlatform": {"cpuArchitecture": "ARM64"}}, "runtimePlatform is not applicable for EC2."),
        ({"ephemeralStorage": {"sizeInGiB": 30}}, "ephemeralStorage is not applicable for EC2."),
        ({"resourceRequirements": size("0.5", "512")}, "vCPU must be at least 1, got 0.5."),
        ({"resourceRequirements": size("1", "3")}, "Memory must be at least 4 Mib, got 3 Mib."),
        (GPU, "resourceRequirements GPU: is not played by the local cloud"),
        ({"instanceType": "m6i.large"}, "containerProperties.instanceType: is not played"),
    ],
)
def test_ec2_containers_that_would_not_run_so_are_refused(front: Front, container: dict[str, Any], text: str) -> None:
    """AWS's rules in its words, what the local cloud does not play by name."""
    with pytest.raises(ApiError, match=text):
        front.call("RegisterJobDefinition", **ec2_definition("bad", container=container))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"jobDefinitionName": "a b"}, "Job Definition name should match a valid pattern."),
        ({"type": "multinode"}, 'type: is not played by the local cloud .*got "multinode"'),
        ({"eksProperties": {"podProperties": {"hostNetwork": True}}}, "eksProperties: is not played"),
        ({"ecsProperties": {"taskProperties": [{"containers": [{"image": "i"}]}]}}, "ecsProperties: is not played"),
        ({"schedulingPriority": 5}, "schedulingPriority: is not played"),
        ({"platformCapabilities": ["EC2", "FARGATE"]}, "platformCapabilities: is not played"),
        ({"platformCapabilities": ["MANAGED_INSTANCES"]}, "platformCapabilities: is not played"),
        ({"containerProperties": None}, "Container properties must be provided"),
        ({"timeout": {"attemptDurationSeconds": 59}}, "must be at least 60, got 59"),
        ({"retryStrategy": {"attempts": 0}}, "RetryAttempts must be between 1 and 10, got 0."),
        ({"parameters": {"a": "x" * 25_000}}, "Job definition size must be at most 24 KiB."),
        ({"tags": {f"k{number}": "v" for number in range(51)}}, "tags: has at most 50 entries, got '51 of them'"),
    ],
)
def test_definitions_that_aws_would_refuse_are_refused(front: Front, change: dict[str, Any], text: str) -> None:
    """Limits, names, and types of jobs that are not played yet."""
    with pytest.raises(ApiError, match=text):
        front.call("RegisterJobDefinition", **{**definition("bad"), **change})


def rule(**patterns: str) -> dict[str, Any]:
    """A retry strategy with one condition."""
    return {"attempts": 2, "evaluateOnExit": [{"action": "RETRY", **patterns}]}


@pytest.mark.parametrize(
    ("strategy", "text"),
    [
        ({"evaluateOnExit": [{"action": "EXIT"}]}, "RetryAttempts must be provided with retry strategy"),
        ({"attempts": 2, "evaluateOnExit": [{"action": "EXIT"}] * 6}, "Up to 5 evaluateOnExit condition"),
        (rule(onReason="Host EC2 (*"), "Evaluate on exit condition contains restricted characters."),
        (rule(onStatusReason="a*b"), "Evaluate on exit condition contains restricted characters."),
        (rule(onExitCode="1-3"), "Evaluate on exit condition contains restricted characters."),
        (rule(onReason="a" * 513), "Evaluate on exit conditions have 1 to 512 characters, got 513."),
        (rule(onExitCode=""), "Evaluate on exit conditions have 1 to 512 characters, got 0."),
    ],
)
def test_retry_strategies_that_aws_would_refuse_are_refused(front: Front, strategy: dict[str, Any], text: str) -> None:
    """The characters that Batch matches, and how many conditions."""
    with pytest.raises(ApiError, match=text):
        front.call("RegisterJobDefinition", **definition("bad", retryStrategy=strategy))


def test_aws_own_patterns_are_taken(front: Front) -> None:
    """The usual list for Spot, pulls and the rest."""
    rules = [
        {"action": "retry", "onStatusReason": "Host EC2*"},
        {"action": "RETRY", "onReason": "CannotPullContainerError:*"},
        {"action": "exit", "onExitCode": "13*"},
        {"action": "EXIT", "onReason": "*"},
    ]
    front.call("RegisterJobDefinition", **definition("d", retryStrategy={"attempts": 10, "evaluateOnExit": rules}))
    (shown,) = front.call("DescribeJobDefinitions", jobDefinitionName="d")["jobDefinitions"]
    assert [item["action"] for item in shown["retryStrategy"]["evaluateOnExit"]] == ["RETRY", "RETRY", "EXIT", "EXIT"]
