"""The few calls of AWS that the runner makes, played in memory. Every request is held against the service's model."""

# ruff: noqa: D102 - the methods are AWS's own

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import deployment_outputs
from tests.runner.fake_batch import REGION, FakeBatch, arn, client_error
from tests.runner.service_model import check_request


class FakeEc2:
    """Instance types: vCPUs, MiB, architecture."""

    SIZES = MappingProxyType(
        {"c6i.large": (2, 4096, "x86_64"), "m6i.4xlarge": (16, 65536, "x86_64"), "m6g.large": (2, 8192, "arm64")}
    )

    def describe_instance_types(self, **request: Any) -> dict[str, Any]:
        check_request("ec2", "DescribeInstanceTypes", request)
        names = request.get("InstanceTypes")
        if names is None:
            families = tuple(value.removesuffix("*") for value in request["Filters"][0]["Values"])
            names = [name for name in self.SIZES if name.startswith(families)]
        if any(name not in self.SIZES for name in names):
            raise client_error("InvalidInstanceType", "do not exist", "DescribeInstanceTypes")
        return {"InstanceTypes": [_size(name, *self.SIZES[name]) for name in names]}


def _size(name: str, vcpus: int, memory_mib: int, architecture: str) -> dict[str, Any]:
    return {
        "InstanceType": name,
        "VCpuInfo": {"DefaultVCpus": vcpus},
        "MemoryInfo": {"SizeInMiB": memory_mib},
        "ProcessorInfo": {"SupportedArchitectures": [architecture]},
    }


class FakeLogs:
    """Streams of lines, two events a page, ending as CloudWatch's do: with the token that was sent."""

    def __init__(self, streams: Mapping[str, list[str]] | None = None) -> None:
        self.streams = dict(streams or {})

    def get_log_events(self, **request: Any) -> dict[str, Any]:
        check_request("logs", "GetLogEvents", request)
        lines = self.streams.get(request["logStreamName"])
        if lines is None:
            raise client_error("ResourceNotFoundException", "The specified log stream does not exist.", "GetLogEvents")
        if not request["startFromHead"]:
            chosen, start = lines[-request["limit"] :], len(lines)
        else:
            start = int(request.get("nextToken", "f/0")[2:])
            chosen = lines[start : start + 2]
        events = [{"timestamp": 1000 + index, "message": line} for index, line in enumerate(chosen)]
        return {"events": events, "nextForwardToken": f"f/{start + len(chosen)}", "nextBackwardToken": "b/0"}


class _Body(io.BytesIO):
    def iter_chunks(self, size: int) -> Iterable[bytes]:
        while chunk := self.read(size):
            yield chunk


class FakeS3:
    """Objects of one bucket, two keys a page."""

    def __init__(self, objects: Mapping[str, bytes] | None = None) -> None:
        self.objects = dict(objects or {})

    def list_objects_v2(self, **request: Any) -> dict[str, Any]:
        check_request("s3", "ListObjectsV2", request)
        keys = sorted(key for key in self.objects if key.startswith(request["Prefix"]))
        start = int(request.get("ContinuationToken", "0"))
        page = [{"Key": key, "Size": len(self.objects[key])} for key in keys[start : start + 2]]
        more = start + 2 < len(keys)
        return {"Contents": page, "IsTruncated": more, **({"NextContinuationToken": str(start + 2)} if more else {})}

    def get_object(self, **request: Any) -> dict[str, Any]:
        check_request("s3", "GetObject", request)
        return {"Body": _Body(self.objects[request["Key"]])}


class FakeCloudFormation:
    """One stack, or none."""

    def __init__(self, outputs: Mapping[str, str] | None) -> None:
        self.outputs = outputs

    def describe_stacks(self, **request: Any) -> dict[str, Any]:
        check_request("cloudformation", "DescribeStacks", request)
        if self.outputs is None:
            name = request["StackName"]
            raise client_error("ValidationError", f"Stack with id {name} does not exist", "DescribeStacks")
        outputs = [{"OutputKey": key, "OutputValue": value} for key, value in self.outputs.items()]
        return {"Stacks": [{"StackStatus": "CREATE_COMPLETE", "Outputs": outputs}]}


class FakeEcr:
    """Tags by repository."""

    def __init__(self, tags: Mapping[str, set[str]], *, empty_for_absent: bool = False) -> None:
        self.tags = tags
        self.empty_for_absent = empty_for_absent

    def describe_images(self, **request: Any) -> dict[str, Any]:
        check_request("ecr", "DescribeImages", request)
        tag = request["imageIds"][0]["imageTag"]
        if tag in self.tags.get(request["repositoryName"], ()):
            return {"imageDetails": [{"imageTags": [tag]}]}
        if self.empty_for_absent:
            return {"imageDetails": []}
        raise client_error("ImageNotFoundException", "The image does not exist", "DescribeImages")

    def get_authorization_token(self, **request: Any) -> dict[str, Any]:
        check_request("ecr", "GetAuthorizationToken", request)
        token = base64.b64encode(b"AWS:registry-password").decode()
        return {"authorizationData": [{"authorizationToken": token}]}


def outputs() -> dict[str, str]:
    """What a deployment's entry stack says."""
    values = {key: f"value-of-{key}" for key in deployment_outputs.all_keys()}
    values |= {key: arn("job-queue", f"{name}-queue") for name, key in deployment_outputs.JOB_QUEUES.items()}
    values |= {key: arn("job-definition", f"{name}:1") for name, key in deployment_outputs.JOB_DEFINITIONS.items()}
    values[deployment_outputs.BUCKET_NAME] = "bucket"
    values[deployment_outputs.RESULTS_PREFIX] = "results/"
    values[deployment_outputs.PROGRAMS_PREFIX] = "programs/"
    return values


def deployed_batch(exit_codes: Mapping[str, list[int]] | None = None) -> FakeBatch:
    """Batch with what `outputs` names: Fargate for high and normal, EC2 for ec2 and mpi."""
    batch = FakeBatch(exit_codes)
    for name, resources in {
        "fargate": {"type": "FARGATE", "maxvCpus": 32},
        "machines": {"type": "EC2", "maxvCpus": 64, "instanceTypes": ["c6i.large", "m6i.4xlarge"]},
    }.items():
        environment = arn("compute-environment", name)
        batch.environments[environment] = {
            "computeEnvironmentName": name,
            "computeEnvironmentArn": environment,
            "state": "ENABLED",
            "status": "VALID",
            "computeResources": resources,
        }
    for name, environment in {"high": "fargate", "normal": "fargate", "ec2": "machines", "mpi": "machines"}.items():
        batch.queues[name] = {
            "jobQueueName": f"{name}-queue",
            "jobQueueArn": arn("job-queue", f"{name}-queue"),
            "state": "ENABLED",
            "status": "VALID",
            "computeEnvironmentOrder": [
                {"order": 1, "computeEnvironment": arn("compute-environment", environment)},
            ],
        }
    batch.definitions = [
        multinode_definition(name) if name == "mpi" else definition(name) for name in deployment_outputs.JOB_DEFINITIONS
    ]
    return batch


def definition(name: str, revision: int = 1, **changes: Any) -> dict[str, Any]:
    """A job definition for Fargate with 1 vCPU and 2,048 MiB, or as changed."""
    needs = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "2048"}]
    return {
        "jobDefinitionName": name,
        "jobDefinitionArn": arn("job-definition", f"{name}:{revision}"),
        "revision": revision,
        "status": "ACTIVE",
        "type": "container",
        "platformCapabilities": ["FARGATE"],
        "containerProperties": {"resourceRequirements": needs},
        **changes,
    }


def multinode_definition(name: str, *ranges: str) -> dict[str, Any]:
    """A job definition of two nodes with 2 vCPUs and 2,048 MiB each; left out, `ranges` is one that is open."""
    needs = [{"type": "VCPU", "value": "2"}, {"type": "MEMORY", "value": "2048"}]
    groups = [{"targetNodes": nodes, "container": {"resourceRequirements": needs}} for nodes in ranges or ("0:",)]
    made = definition(
        name,
        type="multinode",
        platformCapabilities=["EC2"],
        nodeProperties={"numNodes": 2, "mainNode": 0, "nodeRangeProperties": groups},
    )
    del made["containerProperties"]
    return made


@dataclass
class FakeClients:
    """All clients of a deployment."""

    batch: FakeBatch = field(default_factory=deployed_batch)
    logs: FakeLogs = field(default_factory=FakeLogs)
    s3: FakeS3 = field(default_factory=FakeS3)
    cloudformation: FakeCloudFormation = field(default_factory=lambda: FakeCloudFormation(outputs()))
    ec2: FakeEc2 = field(default_factory=FakeEc2)
    ecr: FakeEcr = field(default_factory=lambda: FakeEcr({}))
    is_local: bool = True
    region: str = REGION

    @property
    def submitter(self) -> FakeBatch:
        return self.batch
