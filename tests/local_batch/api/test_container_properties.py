"""Containers of job definitions: what one may ask for on EC2 and on Fargate, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from local_batch.api.errors import ApiError
from tests.local_batch.api.front import Front, definition, ec2_definition, size

EXECUTION = {"executionRoleArn": "arn:aws:iam::123456789012:role/execution"}
GPU = {"resourceRequirements": [*size("1", "2048"), {"type": "GPU", "value": "1"}]}
SECRET = "arn:aws:secretsmanager:here-1:123456789012:secret:db/password-AbCdEf"
PARAMETER = "arn:aws:ssm:here-1:123456789012:parameter/db/password"
EFS = {"fileSystemId": "fs-0123456789abcdef0"}
POINT = {"fileSystemId": "fs-01234567", "authorizationConfig": {"accessPointId": "fsap-1"}}
ON_DISK = {"name": "data", "host": {"sourcePath": "/data"}}

ANYWHERE: list[dict[str, Any]] = [
    {"image": "123456789012.dkr.ecr.here-1.amazonaws.com/dopi:0f3a"},
    {"image": "public.ecr.aws/docker/library/busybox@sha256:0123456789abcdef"},
    {"command": ["sh", "-c", ""], "environment": [{"name": "A", "value": ""}, {"name": "B"}]},
    {"user": "nobody", "readonlyRootFilesystem": True},
    {"user": "1000"},
    {"linuxParameters": {"initProcessEnabled": True, "devices": [], "tmpfs": []}},
    {"secrets": [{"name": "A", "valueFrom": SECRET}, {"name": "B", "valueFrom": f"{SECRET}:key:AWSCURRENT:"}]},
    {"secrets": [{"name": "A", "valueFrom": PARAMETER}, {"name": "B", "valueFrom": "/db/password"}]},
    {"secrets": [{"name": "A", "valueFrom": "password:3"}]},
    {"volumes": [{"name": "scratch"}], "mountPoints": [{"sourceVolume": "scratch", "containerPath": "/scratch"}]},
    {
        "volumes": [{"name": "scratch", "host": {}}],
        "mountPoints": [
            {"sourceVolume": "scratch", "containerPath": "/one", "readOnly": True},
            {"sourceVolume": "scratch", "containerPath": "/two", "readOnly": False},
        ],
    },
    {"volumes": [{"name": "shared", "efsVolumeConfiguration": {**EFS, "rootDirectory": "/data"}}]},
    {
        "jobRoleArn": "arn:aws:iam::123456789012:role/job",
        "volumes": [
            {
                "name": "shared",
                "efsVolumeConfiguration": {
                    **POINT,
                    "rootDirectory": "/",
                    "transitEncryption": "ENABLED",
                    "transitEncryptionPort": 2049,
                    "authorizationConfig": {"accessPointId": "fsap-1", "iam": "ENABLED"},
                },
            }
        ],
    },
    {"logConfiguration": {"logDriver": "awslogs"}},
    {"logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-create-group": "true"}, "secretOptions": []}},
]
ON_EC2: list[dict[str, Any]] = [
    {"privileged": True},
    {"volumes": [ON_DISK], "mountPoints": [{"sourceVolume": "data", "containerPath": "/data"}]},
    {"ulimits": [{"name": "nofile", "softLimit": 1024, "hardLimit": 65535}]},
    {"ulimits": [{"name": "memlock", "softLimit": -1, "hardLimit": -1}]},
    {"linuxParameters": {"sharedMemorySize": 512, "maxSwap": 0, "swappiness": 60}},
    {"linuxParameters": {"tmpfs": [{"containerPath": "/t", "size": 64, "mountOptions": ["noexec", "mode=1777"]}]}},
    {
        "linuxParameters": {
            "devices": [
                {"hostPath": "/dev/fuse"},
                {"hostPath": "/dev/null", "containerPath": "/dev/nothing", "permissions": ["READ", "WRITE"]},
            ]
        }
    },
    GPU,
    {"resourceRequirements": [], "vcpus": 1, "memory": 4},
    {"resourceRequirements": [{"type": "MEMORY", "value": "128"}], "vcpus": 1},
]
ON_FARGATE: list[dict[str, Any]] = [
    {"ephemeralStorage": {"sizeInGiB": 21}},
    {"runtimePlatform": {"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"}},
    {"fargatePlatformConfiguration": {"platformVersion": "1.4.0"}, "volumes": [{"name": "e", "host": {}}]},
    {"networkConfiguration": {"assignPublicIp": "DISABLED"}},
]

REFUSED_ANYWHERE: list[tuple[dict[str, Any], str]] = [
    ({"image": ""}, "Container image must be specified."),
    ({"image": "two words"}, "Image names have 1 to 255 letters, digits .* got 'two words'"),
    ({"image": "a" * 256}, "Image names have 1 to 255 letters"),
    ({"image": "tool:1\n"}, "Image names have 1 to 255 letters"),
    ({"resourceRequirements": size("nan", "512")}, "vCPU must be a number, got 'nan'"),
    ({"resourceRequirements": size("1", "-1")}, "Memory must be a number, got '-1'"),
    ({"resourceRequirements": size("1", "512.5")}, "Memory must be a whole number of MiB, got 512.5"),
    ({"resourceRequirements": size("1", "2048")[:1]}, "Memory is required."),
    ({"resourceRequirements": []}, "vCPU is required."),
    ({"resourceRequirements": size("1", "2048") * 2}, "Cannot provide duplicates in resourceRequirements."),
    ({"instanceType": "m6i.large"}, "instanceType is only applicable to multi-node parallel jobs."),
    ({"user": "Root User"}, "User 'Root User' does not match regex"),
    ({"user": "1000:1000"}, "User '1000:1000' does not match regex"),
    ({"environment": [{"value": "x"}]}, "Environment variable name is required."),
    ({"environment": [{"name": "AWS_BATCH_X", "value": "x"}]}, "must not start with AWS_BATCH, got AWS_BATCH_X"),
    ({"environment": [{"name": "A=B", "value": "x"}]}, "names no '=', got 'A=B'"),
    ({"environment": [{"name": "A", "value": "x\0"}]}, "hold no NUL"),
    ({"command": ["a\0"]}, "must not contain NUL characters"),
    (
        {"secrets": [{"name": "S", "valueFrom": SECRET}], "executionRoleArn": None},
        "executionRoleArn cannot be empty when using secrets or secretOptions|executionRoleArn is required for Fargate",
    ),
    ({"secrets": [{"name": "S", "valueFrom": "arn:aws:s3:::bucket/key"}]}, "valueFrom of secret S must be the ARN of"),
    ({"secrets": [{"name": "", "valueFrom": SECRET}]}, "Environment variable name is required."),
    ({"secrets": [{"name": "AWS_BATCH_S", "valueFrom": SECRET}]}, "must not start with AWS_BATCH"),
    ({"secrets": [{"name": "S", "valueFrom": SECRET}] * 2}, "The secret name must be unique .* such as 'S'"),
    (
        {"secrets": [{"name": "S", "valueFrom": SECRET}], "environment": [{"name": "S", "value": "x"}]},
        "The secret name must be unique .* such as 'S'",
    ),
    ({"logConfiguration": {"logDriver": "splunk"}}, 'logDriver: is not played by the local cloud .*"splunk"'),
    (
        {"logConfiguration": {"logDriver": "awslogs", "secretOptions": [{"name": "n", "valueFrom": SECRET}]}},
        "logConfiguration.secretOptions: is not played",
    ),
    (
        {"logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-made-up": "x"}}},
        "Log driver awslogs disallows options: awslogs-made-up",
    ),
    (
        {"logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-datetime-format": "%H"}}},
        "options.awslogs-datetime-format: is not played",
    ),
    (
        {"logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-region": "there-1"}}},
        'options.awslogs-region: is not played .*got "there-1"',
    ),
    ({"volumes": [{"name": "a b"}]}, "Volume names have 1 to 255 letters"),
    ({"volumes": [{}]}, "Volume names have 1 to 255 letters"),
    ({"volumes": [{"name": "v"}, {"name": "v"}]}, "Volume names must be unique, got 'v' twice"),
    ({"mountPoints": [{"sourceVolume": "v", "containerPath": "/v"}]}, "Unknown volume 'v'."),
    (
        {"volumes": [{"name": "v"}], "mountPoints": [{"sourceVolume": "v", "containerPath": "v"}]},
        "containerPath of a mount point must be an absolute path, got 'v'",
    ),
    (
        {"volumes": [{"name": "v"}], "mountPoints": [{"sourceVolume": "v", "containerPath": "/v"}] * 2},
        "Each containerPath can be mounted once, got '/v' twice",
    ),
    (
        {"volumes": [{**ON_DISK, "efsVolumeConfiguration": EFS}]},
        "When the volume parameter is specified, only one volume configuration type is supported",
    ),
    (
        {"volumes": [{"name": "v", "s3filesVolumeConfiguration": {"fileSystemArn": "arn"}}]},
        "volumes.s3filesVolumeConfiguration: is not played",
    ),
    (
        {"volumes": [{"name": "v", "efsVolumeConfiguration": {"fileSystemId": "my-file-system"}}]},
        "EFS configuration fileSystemId is not valid: my-file-system.",
    ),
    (
        {"volumes": [{"name": "v", "efsVolumeConfiguration": {**POINT, "rootDirectory": "/data"}}]},
        'When using an EFS access point, the root directory must either be set to "/" or omitted',
    ),
    (
        {"volumes": [{"name": "v", "efsVolumeConfiguration": POINT}]},
        "EFS IAM access point requires TransitEncryption to be enabled.",
    ),
    (
        {"volumes": [{"name": "v", "efsVolumeConfiguration": {**EFS, "authorizationConfig": {"iam": "ENABLED"}}}]},
        "EFS IAM authorization requires TransitEncryption to be enabled.",
    ),
    (
        {
            "volumes": [
                {
                    "name": "v",
                    "efsVolumeConfiguration": {
                        **EFS,
                        "transitEncryption": "ENABLED",
                        "authorizationConfig": {"iam": "ENABLED"},
                    },
                }
            ]
        },
        "EFS IAM authorization requires jobRoleArn to be specified.",
    ),
    (
        {"volumes": [{"name": "v", "efsVolumeConfiguration": {**EFS, "transitEncryptionPort": 65_536}}]},
        "TransitEncryptionPort must be a valid port number.",
    ),
    (
        {"volumes": [{"name": "v", "efsVolumeConfiguration": {**EFS, "rootDirectory": "/../etc"}}]},
        "EFS configuration rootDirectory must be an absolute path",
    ),
]
REFUSED_ON_FARGATE: list[tuple[dict[str, Any], str]] = [
    ({"resourceRequirements": size("3", "8192")}, r"Fargate runs 0\.25, 0\.5, 1, .* vCPUs, got 3"),
    ({"resourceRequirements": size("1", "1024")}, "Fargate with 1 vCPUs runs 2048 to 8192 MiB"),
    (GPU, "GPU is not applicable for Fargate."),
    ({"vcpus": 1}, "vcpus and memory are not applicable for Fargate"),
    ({"executionRoleArn": None}, "executionRoleArn is required for Fargate jobs."),
    ({"privileged": True}, "Fargate requires that the .privileged. setting be .false. at the container level."),
    ({"ulimits": [{"name": "core", "hardLimit": 1, "softLimit": 1}]}, "ulimits is not applicable for Fargate."),
    ({"linuxParameters": {"maxSwap": 0}}, "linuxParameter.maxSwap is not allowed for Fargate."),
    ({"linuxParameters": {"swappiness": 1}}, "linuxParameter.swappiness is not allowed for Fargate."),
    ({"linuxParameters": {"sharedMemorySize": 1}}, "linuxParameter.sharedMemorySize is not allowed for Fargate."),
    ({"linuxParameters": {"devices": [{"hostPath": "/d"}]}}, "linuxParameter.devices is not allowed for Fargate."),
    (
        {"linuxParameters": {"tmpfs": [{"containerPath": "/t", "size": 1}]}},
        "linuxParameter.tmpfs is not allowed for Fargate.",
    ),
    ({"volumes": [ON_DISK]}, "host.sourcePath should not be set for volumes in Fargate."),
    (
        {
            "fargatePlatformConfiguration": {"platformVersion": "1.3.0"},
            "volumes": [{"name": "v", "efsVolumeConfiguration": EFS}],
        },
        "EFS is supported for Fargate platform versions 1.4.0 or later, provided 1.3.0",
    ),
    ({"logConfiguration": {"logDriver": "journald"}}, "Log driver for Fargate is not valid: journald"),
    ({"ephemeralStorage": {"sizeInGiB": 20}}, "can be only between range 21 GiB to 200 GiB"),
    (
        {"runtimePlatform": {"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"}},
        "runtimePlatform.operatingSystemFamily: is not played",
    ),
    ({"runtimePlatform": {"cpuArchitecture": "RISCV"}}, "cpuArchitecture is one of X86_64, ARM64, got 'RISCV'"),
]
REFUSED_ON_EC2: list[tuple[dict[str, Any], str]] = [
    ({"networkConfiguration": {"assignPublicIp": "ENABLED"}}, "networkConfiguration not applicable for EC2."),
    ({"fargatePlatformConfiguration": {"platformVersion": "LATEST"}}, "fargatePlatformConfiguration not applicable"),
    ({"runtimePlatform": {"cpuArchitecture": "ARM64"}}, "runtimePlatform is not applicable for EC2."),
    ({"ephemeralStorage": {"sizeInGiB": 30}}, "ephemeralStorage is not applicable for EC2."),
    ({"resourceRequirements": size("0.5", "512")}, "vCPU must be at least 1, got 0.5."),
    ({"resourceRequirements": size("1.5", "512")}, "vCPU must be at least 1, got 1.5."),
    ({"resourceRequirements": size("1", "3")}, "Memory must be at least 4 Mib, got 3 Mib."),
    (
        {"resourceRequirements": [*size("1", "64"), {"type": "GPU", "value": "1.5"}]},
        "Value 1.5 for type GPU in resourceRequirement is not valid. Please provide a whole number.",
    ),
    ({"vcpus": 1}, "Cannot use both ECS containerProperties vcpus and resourceRequirement VCPU."),
    ({"memory": 64}, "Cannot use both ECS containerProperties memory and resourceRequirement MEMORY."),
    ({"logConfiguration": {"logDriver": "journald"}}, "logDriver: is not played by the local cloud"),
    ({"volumes": [{"name": "v", "host": {"sourcePath": "data"}}]}, "host.sourcePath of a volume must be an absolute"),
    ({"volumes": [{"name": "v", "host": {"sourcePath": "/a/../b"}}]}, "host.sourcePath of a volume must be an absol"),
    ({"ulimits": [{"name": "files", "softLimit": 1, "hardLimit": 1}]}, "Ulimit names are core, cpu, .*got 'files'"),
    (
        {"ulimits": [{"name": "core", "softLimit": 1, "hardLimit": 1}] * 2},
        "Each ulimit can be set once, got core twice",
    ),
    ({"ulimits": [{"name": "core", "softLimit": 2, "hardLimit": 1}]}, "must not exceed its hard limit, got 2 and 1"),
    ({"ulimits": [{"name": "core", "softLimit": -1, "hardLimit": 1}]}, "must not exceed its hard limit, got -1 and 1"),
    ({"ulimits": [{"name": "core", "softLimit": -2, "hardLimit": 1}]}, r"must be -1 \(unlimited\) or more, got -2"),
    ({"linuxParameters": {"maxSwap": -1, "swappiness": 1}}, "Invalid swap memory size: -1, must be non-negative."),
    ({"linuxParameters": {"maxSwap": 1, "swappiness": 101}}, "Invalid swappiness: 101, must be between 0 and 100."),
    ({"linuxParameters": {"maxSwap": 1}}, "When container specified swap memory, swappiness value is required."),
    ({"linuxParameters": {"sharedMemorySize": -1}}, "sharedMemorySize must be a positive number of MiB, got -1"),
    ({"linuxParameters": {"tmpfs": [{"containerPath": "/t", "size": 0}]}}, "Size of a tmpfs is invalid."),
    ({"linuxParameters": {"tmpfs": [{"containerPath": "t", "size": 1}]}}, "paths of a tmpfs must be absolute, got 't'"),
    (
        {"linuxParameters": {"tmpfs": [{"containerPath": "/t", "size": 1, "mountOptions": ["fast"]}]}},
        "Mount options of a tmpfs are those of API_Tmpfs, got 'fast'",
    ),
    ({"linuxParameters": {"devices": [{"hostPath": "fuse"}]}}, "paths of a device must be absolute, got 'fuse'"),
    (
        {"linuxParameters": {"devices": [{"hostPath": "/dev/null", "permissions": ["EXECUTE"]}]}},
        "is one of READ, WRITE, MKNOD, got 'EXECUTE'",
    ),
]


@pytest.mark.parametrize("container", [*ANYWHERE, *ON_EC2])
def test_what_a_container_may_ask_for_on_ec2_is_taken_and_shown(front: Front, container: dict[str, Any]) -> None:
    """In the definition and in its jobs: what was given is there again."""
    front.call("RegisterJobDefinition", **ec2_definition("good", container={**EXECUTION, **container}))
    assert_shown(front, container, jobQueue="ec2")


@pytest.mark.parametrize("container", [*ANYWHERE, *ON_FARGATE])
def test_what_a_container_may_ask_for_on_fargate_is_taken_and_shown(front: Front, container: dict[str, Any]) -> None:
    """In the definition and in its jobs: what was given is there again."""
    front.call("RegisterJobDefinition", **definition("good", container=container))
    assert_shown(front, container, jobQueue="normal")


def assert_shown(front: Front, container: dict[str, Any], **more: Any) -> None:
    """Members and their members, but for those that the service fills in."""
    (described,) = front.call("DescribeJobDefinitions", jobDefinitionName="good")["jobDefinitions"]
    job = front.job(front.submit(jobDefinition="good", **more))
    environment = [{"value": "", **entry} for entry in container.get("environment", ())]
    for shown, given in (
        (described["containerProperties"], container),
        (job["container"], {**container, **({"environment": environment} if environment else {})}),
    ):
        for name, value in given.items():
            assert shown[name] == ({**shown[name], **value} if isinstance(value, dict) else value)


@pytest.mark.parametrize(("container", "text"), [*REFUSED_ANYWHERE, *REFUSED_ON_FARGATE])
def test_fargate_containers_that_would_not_run_so_are_refused(
    front: Front, container: dict[str, Any], text: str
) -> None:
    """AWS's rules in its words, what the local cloud does not play by name."""
    with pytest.raises(ApiError, match=text):
        front.call("RegisterJobDefinition", **definition("bad", container=container))
    assert front.call("DescribeJobDefinitions", jobDefinitionName="bad")["jobDefinitions"] == []


@pytest.mark.parametrize(("container", "text"), [*REFUSED_ANYWHERE, *REFUSED_ON_EC2])
def test_ec2_containers_that_would_not_run_so_are_refused(front: Front, container: dict[str, Any], text: str) -> None:
    """AWS's rules in its words, what the local cloud does not play by name."""
    with pytest.raises(ApiError, match=text):
        front.call("RegisterJobDefinition", **ec2_definition("bad", container={**EXECUTION, **container}))
