"""The few calls of AWS that the runner makes, played in memory. Every request is held against the service's model."""

# ruff: noqa: D102 - the methods are AWS's own

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import deployment_outputs
from launcher_contract import LAUNCHER_VARIABLE, LAUNCHER_VERSION
from tests.runner.fake_batch import REGION, FakeBatch, arn, client_error
from tests.runner.fake_codebuild import FakeCodeBuild
from tests.runner.service_model import check_request


class FakeEc2:
    """Instance types: vCPUs, MiB, architecture, GPUs."""

    SIZES = MappingProxyType(
        {
            "c6i.large": (2, 4096, "x86_64", 0),
            "m6i.4xlarge": (16, 65536, "x86_64", 0),
            "m6g.large": (2, 8192, "arm64", 0),
            "g5.12xlarge": (48, 196608, "x86_64", 4),
        }
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


def _size(name: str, vcpus: int, memory_mib: int, architecture: str, gpus: int) -> dict[str, Any]:
    return {
        "InstanceType": name,
        "VCpuInfo": {"DefaultVCpus": vcpus},
        "MemoryInfo": {"SizeInMiB": memory_mib},
        "ProcessorInfo": {"SupportedArchitectures": [architecture]},
        **({"GpuInfo": {"Gpus": [{"Count": gpus}]}} if gpus else {}),
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
        token = request.get("nextToken")
        if not request["startFromHead"]:
            end = int(token[2:]) if token else len(lines)
            start = max(end - min(request["limit"], 2), 0)
        else:
            start = int(token[2:]) if token else 0
            end = min(start + 2, len(lines))
        events = [{"timestamp": 1000 + index, "message": lines[index]} for index in range(start, end)]
        return {"events": events, "nextForwardToken": f"f/{end}", "nextBackwardToken": f"b/{start}"}


class _Body(io.BytesIO):
    def iter_chunks(self, size: int) -> Iterable[bytes]:
        while chunk := self.read(size):
            yield chunk


class FakeS3:
    """Objects of one bucket, two keys a page. What is put is written at `now`."""

    def __init__(self, objects: Mapping[str, bytes] | None = None) -> None:
        self.objects = dict(objects or {})
        self.now = dt.datetime.now(dt.UTC)
        self.written: dict[str, dt.datetime] = {}
        self.metadata: dict[str, dict[str, str]] = {}
        self.puts: list[str] = []
        self.refuses: Exception | None = None
        """What every writing fails with."""

    def list_objects_v2(self, **request: Any) -> dict[str, Any]:
        check_request("s3", "ListObjectsV2", request)
        keys = sorted(key for key in self.objects if key.startswith(request["Prefix"]))
        start = int(request.get("ContinuationToken", "0"))
        page = [{"Key": key, "Size": len(self.objects[key])} for key in keys[start : start + 2]]
        more = start + 2 < len(keys)
        return {"Contents": page, "IsTruncated": more, **({"NextContinuationToken": str(start + 2)} if more else {})}

    def get_object(self, **request: Any) -> dict[str, Any]:
        check_request("s3", "GetObject", request)
        if request["Key"] not in self.objects:
            raise client_error("NoSuchKey", "The specified key does not exist.", "GetObject", 404)
        return {"Body": _Body(self.objects[request["Key"]])}

    def head_object(self, **request: Any) -> dict[str, Any]:
        check_request("s3", "HeadObject", request)
        if request["Key"] not in self.objects:
            raise client_error("404", "Not Found", "HeadObject", 404)
        tag = hashlib.sha256(self.objects[request["Key"]]).hexdigest()[:32]
        return {
            "LastModified": self.written.get(request["Key"], self.now),
            "ETag": f'"{tag}"',
            "Metadata": self.metadata.get(request["Key"], {}),
        }

    def put_object(self, **request: Any) -> dict[str, Any]:
        check_request("s3", "PutObject", request)
        if self.refuses is not None:
            raise self.refuses
        content = request["Body"] if isinstance(request["Body"], bytes) else request["Body"].read()
        if "ChecksumSHA256" in request:
            assert base64.b64decode(request["ChecksumSHA256"]) == hashlib.sha256(content).digest()
        self.objects[request["Key"]] = content
        self.written[request["Key"]] = self.now
        self.metadata[request["Key"]] = request.get("Metadata", {})
        self.puts.append(request["Key"])
        return {}


class FakeCloudFormation:
    """One stack, or none."""

    def __init__(self, outputs: Mapping[str, str] | None) -> None:
        self.outputs = outputs
        self.resources: dict[str, tuple[str, str, str | None]] = {}
        """By logical id: type, physical id and deletion policy."""
        self.is_text = False
        """Whether a template comes as text, as for one that is not JSON to the SDK."""

    def get_template(self, **request: Any) -> dict[str, Any]:
        check_request("cloudformation", "GetTemplate", request)
        self._refuse_if_absent(request, "GetTemplate")
        body = {
            "Resources": {
                name: {"Type": kind, **({"DeletionPolicy": policy} if policy else {})}
                for name, (kind, _, policy) in self.resources.items()
            }
        }
        return {"TemplateBody": json.dumps(body) if self.is_text else body}

    def list_stack_resources(self, **request: Any) -> dict[str, Any]:
        """One resource a page."""
        check_request("cloudformation", "ListStackResources", request)
        self._refuse_if_absent(request, "ListStackResources")
        number = int(request.get("NextToken", 0))
        rows = [
            {"LogicalResourceId": name, "ResourceType": kind, "PhysicalResourceId": physical_id}
            for name, (kind, physical_id, _) in self.resources.items()
        ]
        return {
            "StackResourceSummaries": rows[number : number + 1],
            **({"NextToken": str(number + 1)} if number + 1 < len(rows) else {}),
        }

    def _refuse_if_absent(self, request: Mapping[str, Any], operation: str) -> None:
        if self.outputs is None:
            raise client_error("ValidationError", f"Stack with id {request['StackName']} does not exist", operation)

    def describe_stacks(self, **request: Any) -> dict[str, Any]:
        check_request("cloudformation", "DescribeStacks", request)
        self._refuse_if_absent(request, "DescribeStacks")
        outputs = [{"OutputKey": key, "OutputValue": value} for key, value in (self.outputs or {}).items()]
        return {"Stacks": [{"StackStatus": "CREATE_COMPLETE", "Outputs": outputs}]}


class FakeEcs:
    """Container instances by the cluster's ARN, one a page; `error` is what every call is refused with."""

    def __init__(self, instances: Mapping[str, list[dict[str, Any]]] | None = None, error: str | None = None) -> None:
        self.instances = dict(instances or {})
        self.error = error

    def list_container_instances(self, **request: Any) -> dict[str, Any]:
        check_request("ecs", "ListContainerInstances", request)
        if self.error:
            raise client_error(self.error, "no", "ListContainerInstances")
        found = self.instances.get(request["cluster"], [])
        start = int(request.get("nextToken", 0))
        more = {"nextToken": str(start + 1)} if start + 1 < len(found) else {}
        return {"containerInstanceArns": [one["containerInstanceArn"] for one in found[start : start + 1]], **more}

    def describe_container_instances(self, **request: Any) -> dict[str, Any]:
        check_request("ecs", "DescribeContainerInstances", request)
        assert 1 <= len(request["containerInstances"]) <= 100
        found = self.instances[request["cluster"]]
        return {
            "containerInstances": [one for one in found if one["containerInstanceArn"] in request["containerInstances"]]
        }


class FakeEcr:
    """Tags by repository, each of an image whose digest is made of its name; scans by repository, a page an answer."""

    def __init__(self, tags: Mapping[str, set[str]], *, empty_for_absent: bool = False) -> None:
        self.tags = {repository: set(there) for repository, there in tags.items()}
        self.empty_for_absent = empty_for_absent
        self.scans: dict[str, list[dict[str, Any]]] = {}
        self.scanned: list[dict[str, Any]] = []
        self.refuses_scans: str | None = None
        """The error code of every question for a scan."""

    @staticmethod
    def digest(tag: str) -> str:
        return f"sha256:{hashlib.sha256(tag.encode()).hexdigest()}"

    def _tag(self, request: Mapping[str, Any], image_id: Mapping[str, str]) -> str | None:
        there = self.tags.get(request["repositoryName"], set())
        return next(
            (
                tag
                for tag in there
                if tag == image_id.get("imageTag") or self.digest(tag) == image_id.get("imageDigest")
            ),
            None,
        )

    def describe_image_scan_findings(self, **request: Any) -> dict[str, Any]:
        check_request("ecr", "DescribeImageScanFindings", request)
        self.scanned.append(request)
        if self.refuses_scans:
            raise client_error(self.refuses_scans, "no", "DescribeImageScanFindings")
        if self._tag(request, request["imageId"]) is None:
            raise client_error("ImageNotFoundException", "The image does not exist", "DescribeImageScanFindings")
        pages = self.scans.get(request["repositoryName"])
        if pages is None:
            raise client_error("ScanNotFoundException", "Image scan does not exist", "DescribeImageScanFindings")
        page = int(request.get("nextToken", "0"))
        more = {"nextToken": str(page + 1)} if page + 1 < len(pages) else {}
        return {**pages[page], **more}

    def describe_images(self, **request: Any) -> dict[str, Any]:
        check_request("ecr", "DescribeImages", request)
        tag = self._tag(request, request["imageIds"][0])
        if tag is not None:
            return {"imageDetails": [{"imageTags": [tag], "imageDigest": self.digest(tag)}]}
        if self.empty_for_absent:
            return {"imageDetails": []}
        raise client_error("ImageNotFoundException", "The image does not exist", "DescribeImages")

    def get_authorization_token(self, **request: Any) -> dict[str, Any]:
        check_request("ecr", "GetAuthorizationToken", request)
        token = base64.b64encode(b"AWS:registry-password").decode()
        return {"authorizationData": [{"authorizationToken": token}]}


QUEUES: Final[Mapping[str, str]] = MappingProxyType(
    {"high": "fargate", "normal": "fargate", "ec2": "machines", "mpi": "cluster"}
)
"""Of the deployment, with the compute environment of each; the others are not there."""


def outputs() -> dict[str, str]:
    """What a deployment's entry stack says."""
    values = {key: f"value-of-{key}" for key in deployment_outputs.all_keys()}
    values |= {
        key: arn("job-queue", f"{name}-queue") if name in QUEUES else deployment_outputs.NONE
        for name, key in deployment_outputs.JOB_QUEUES.items()
    }
    values |= {key: arn("job-definition", f"{name}:1") for name, key in deployment_outputs.JOB_DEFINITIONS.items()}
    values[deployment_outputs.BUCKET_NAME] = "bucket"
    values[deployment_outputs.RESULTS_PREFIX] = "results/"
    values[deployment_outputs.PROGRAMS_PREFIX] = "programs/"
    values[deployment_outputs.RUNS_PREFIX] = "runs/"
    values[deployment_outputs.JOB_EVENTS_QUEUE_URL] = deployment_outputs.NONE
    values[deployment_outputs.IMAGE_BUILD_PROJECT] = deployment_outputs.NONE
    values[deployment_outputs.BUILDS_PREFIX] = "builds/"
    values[deployment_outputs.CPU_ARCHITECTURE] = "x86_64"
    values[deployment_outputs.HEAD_NODE_INSTANCE_ID] = deployment_outputs.NONE
    return values


def deployed_batch(exit_codes: Mapping[str, list[int]] | None = None) -> FakeBatch:
    """Batch with what `outputs` names: Fargate for high and normal, EC2 for ec2 and mpi."""
    batch = FakeBatch(exit_codes)
    for name, resources in {
        "fargate": {"type": "FARGATE", "maxvCpus": 32},
        "machines": {"type": "EC2", "maxvCpus": 64, "instanceTypes": ["c6i.large", "m6i.4xlarge"]},
        "cluster": {"type": "EC2", "maxvCpus": 8, "instanceTypes": ["c6i.large"]},
    }.items():
        environment = arn("compute-environment", name)
        batch.environments[environment] = {
            "computeEnvironmentName": name,
            "computeEnvironmentArn": environment,
            "state": "ENABLED",
            "status": "VALID",
            "ecsClusterArn": f"arn:aws:ecs:{REGION}:111122223333:cluster/AWSBatch-{name}",
            "computeResources": resources,
        }
    for name, environment in QUEUES.items():
        batch.queues[name] = {
            "jobQueueName": f"{name}-queue",
            "jobQueueArn": arn("job-queue", f"{name}-queue"),
            "state": "ENABLED",
            "status": "VALID",
            "computeEnvironmentOrder": [
                {"order": 1, "computeEnvironment": arn("compute-environment", environment)},
            ],
        }
    names = [name for name in deployment_outputs.JOB_DEFINITIONS if name != "mpi"]
    batch.definitions = [*map(definition, names), multinode_definition("mpi", "0:")]
    for made in batch.definitions:
        if made["jobDefinitionName"] not in {"barrier", "mpi"}:
            # As the stacks have it: the image can be told by index what a child is to do.
            made["containerProperties"]["environment"] = [{"name": LAUNCHER_VARIABLE, "value": LAUNCHER_VERSION}]
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


def multinode_definition(name: str, *ranges: str, nodes: int = 2, main: int = 0, **container: Any) -> dict[str, Any]:
    """A job definition for EC2 with these node ranges, each of 2 vCPUs and 2,048 MiB, or as changed."""
    needs = [{"type": "VCPU", "value": "2"}, {"type": "MEMORY", "value": "2048"}]
    properties = {
        "numNodes": nodes,
        "mainNode": main,
        "nodeRangeProperties": [
            {"targetNodes": text, "container": {"resourceRequirements": needs, **container}} for text in ranges
        ],
    }
    made = definition(name, type="multinode", platformCapabilities=["EC2"], nodeProperties=properties)
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
    ecs: FakeEcs = field(default_factory=FakeEcs)
    ecr: FakeEcr = field(default_factory=lambda: FakeEcr({}))
    codebuild: FakeCodeBuild = field(default_factory=FakeCodeBuild)
    pricing: Any = None
    """A price list, for those who ask one."""
    is_local: bool = True
    region: str = REGION
    endpoint_url: str | None = "http://127.0.0.1:1"

    @property
    def submitter(self) -> FakeBatch:
        return self.batch

    def renew(self) -> None:
        """These credentials never expire."""
