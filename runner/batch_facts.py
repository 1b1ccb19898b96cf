"""What a set of queues and job definitions can do, as Batch and EC2 describe it at this moment."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from launcher_contract import LAUNCHER_VARIABLE
from runner.aws_clients import Answer, BatchClient, Ec2Client

MAX_NAMES_PER_DESCRIBE: Final = 100
"""Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_DescribeJobQueues.html and its like."""

SHORTHANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "optimal": ("m6i", "c6i", "r6i", "c7i"),
    "default_x86_64": ("m6i", "c6i", "r6i", "c7i"),
    "default_arm64": ("m6g", "c6g", "r6g", "c7g"),
}
"""Families that Batch's own words stand for.

Source: https://docs.aws.amazon.com/batch/latest/userguide/instance-type-compute-table.html
"""


@dataclass(frozen=True, kw_only=True)
class QueueFacts:
    """A job queue."""

    name: str
    state: str
    status: str
    status_reason: str
    environments: tuple[str, ...]
    """ARNs of its compute environments, in the order in which Batch tries them."""
    shares_fairly: bool = False
    """Whether every job names the group that it counts for: there is a scheduling policy."""


@dataclass(frozen=True, kw_only=True)
class EnvironmentFacts:
    """A compute environment."""

    name: str
    state: str
    status: str
    status_reason: str
    kind: str
    """EC2, SPOT, FARGATE, FARGATE_SPOT; UNMANAGED for one whose machines Batch does not choose."""
    max_vcpus: float
    instance_types: tuple[str, ...]

    @property
    def is_fargate(self) -> bool:
        """Whether jobs run without machines to choose."""
        return self.kind.startswith("FARGATE")


@dataclass(frozen=True, kw_only=True)
class NodeRangeFacts:
    """Nodes of a multi-node job definition that share a container."""

    target_nodes: str
    """As the definition spells it."""
    vcpus: float
    memory_mib: int
    gpus: int
    architecture: str | None
    instance_type: str | None
    """The only type that the nodes may run on; None for any."""


@dataclass(frozen=True, kw_only=True)
class DefinitionFacts:
    """A job definition, as far as it decides where a job can run."""

    name: str
    status: str
    kind: str
    """container or multinode."""
    is_fargate: bool
    vcpus: float
    memory_mib: int
    gpus: int
    architecture: str | None
    """X86_64 or ARM64, None where it does not say."""
    node_ranges: tuple[NodeRangeFacts, ...] = ()
    """Of type multinode, whose vCPUs and memory are here, not above."""
    num_nodes: int = 0
    main_node: int = 0
    image: str = ""
    has_launcher: bool = False
    """Whether the image says that a child can be told by index what it is to do (docs/launcher.md)."""
    has_retries: bool = False
    """Whether it says itself what is tried again."""
    has_priority: bool = False
    """Whether it says itself how it stands within a group of a queue that shares fairly."""


@dataclass(frozen=True, kw_only=True)
class InstanceFacts:
    """An instance type."""

    name: str
    vcpus: int
    memory_mib: int
    architectures: frozenset[str]
    gpus: int


@dataclass(frozen=True, kw_only=True)
class BatchFacts:
    """By the reference that was asked for; what Batch does not know is missing."""

    queues: Mapping[str, QueueFacts]
    definitions: Mapping[str, DefinitionFacts]
    environments: Mapping[str, EnvironmentFacts]
    """By ARN."""
    instances: Mapping[str, tuple[InstanceFacts, ...]]
    """By what a compute environment or a node range names: a type, a family or a shorthand."""


def fetch(batch: BatchClient, ec2: Ec2Client, queues: Iterable[str], definitions: Iterable[str]) -> BatchFacts:
    """Ask for everything that bears on these queues and job definitions, in few calls."""
    queue_facts = _queues(batch, sorted(set(queues)))
    wanted = sorted({arn for queue in queue_facts.values() for arn in queue.environments})
    environments = _environments(batch, wanted)
    known = {
        reference: facts
        for reference in sorted(set(definitions))
        if (facts := _definition(batch, reference)) is not None
    }
    types = {name for environment in environments.values() for name in environment.instance_types}
    types |= {
        nodes.instance_type
        for facts in known.values()
        for nodes in facts.node_ranges
        if nodes.instance_type is not None
    }
    return BatchFacts(
        queues=queue_facts,
        definitions=known,
        environments=environments,
        instances={name: _instances(ec2, name) for name in sorted(types)},
    )


def _queues(batch: BatchClient, references: Sequence[str]) -> dict[str, QueueFacts]:
    found: dict[str, QueueFacts] = {}
    for some in _batched(references):
        for answer in batch.describe_job_queues(jobQueues=some)["jobQueues"]:
            order = sorted(answer.get("computeEnvironmentOrder", ()), key=lambda entry: int(entry["order"]))
            facts = QueueFacts(
                name=answer["jobQueueName"],
                state=answer["state"],
                status=answer.get("status", "VALID"),
                status_reason=answer.get("statusReason", ""),
                environments=tuple(entry["computeEnvironment"] for entry in order),
                shares_fairly=bool(answer.get("schedulingPolicyArn")),
            )
            found |= {key: facts for key in (answer["jobQueueName"], answer["jobQueueArn"]) if key in some}
    return found


def _environments(batch: BatchClient, arns: Sequence[str]) -> dict[str, EnvironmentFacts]:
    found: dict[str, EnvironmentFacts] = {}
    for some in _batched(arns):
        answers = batch.describe_compute_environments(computeEnvironments=some)["computeEnvironments"]
        for answer in answers:
            resources = answer.get("computeResources", {})
            found[answer["computeEnvironmentArn"]] = EnvironmentFacts(
                name=answer["computeEnvironmentName"],
                state=answer.get("state", "ENABLED"),
                status=answer.get("status", "VALID"),
                status_reason=answer.get("statusReason", ""),
                kind=resources.get("type", "UNMANAGED"),
                max_vcpus=float(resources.get("maxvCpus", "inf")),
                instance_types=tuple(resources.get("instanceTypes", ())),
            )
    return found


def _definition(batch: BatchClient, reference: str) -> DefinitionFacts | None:
    name = reference.rpartition("job-definition/")[2]
    if re.search(r":\d+$", name):
        answers = batch.describe_job_definitions(jobDefinitions=[reference])["jobDefinitions"]
    else:
        answers = _revisions(batch, name)
    if not answers:
        return None
    answer = max(answers, key=lambda revision: int(revision["revision"]))
    nodes = answer.get("nodeProperties", {})
    return DefinitionFacts(
        name=f"{answer['jobDefinitionName']}:{answer['revision']}",
        status=answer.get("status", "ACTIVE"),
        kind=answer["type"],
        is_fargate="FARGATE" in answer.get("platformCapabilities", ()),
        **_size(answer.get("containerProperties", {})),
        node_ranges=tuple(
            NodeRangeFacts(
                target_nodes=entry["targetNodes"],
                instance_type=entry.get("container", {}).get("instanceType"),
                **_size(entry.get("container", {})),
            )
            for entry in nodes.get("nodeRangeProperties", ())
        ),
        num_nodes=int(nodes.get("numNodes", 0)),
        main_node=int(nodes.get("mainNode", 0)),
        image=_main_container(answer).get("image", ""),
        has_launcher=any(
            entry["name"] == LAUNCHER_VARIABLE for entry in _main_container(answer).get("environment", ())
        ),
        has_retries=int(answer.get("retryStrategy", {}).get("attempts", 1) or 1) > 1,
        has_priority="schedulingPriority" in answer,
    )


def _main_container(definition: Answer) -> Mapping[str, Any]:
    nodes = definition.get("nodeProperties", {}).get("nodeRangeProperties", ())
    found: Mapping[str, Any] = nodes[0].get("container", {}) if nodes else definition.get("containerProperties", {})
    return found


def _size(container: Mapping[str, Any]) -> dict[str, Any]:
    needs = {entry["type"]: entry["value"] for entry in container.get("resourceRequirements", ())}
    return {
        "vcpus": float(needs.get("VCPU", container.get("vcpus", 0))),
        "memory_mib": int(needs.get("MEMORY", container.get("memory", 0))),
        "gpus": int(needs.get("GPU", 0)),
        "architecture": container.get("runtimePlatform", {}).get("cpuArchitecture"),
    }


def _revisions(batch: BatchClient, name: str) -> list[Answer]:
    found: list[Answer] = []
    page: dict[str, Any] = {}
    while True:
        answer = batch.describe_job_definitions(jobDefinitionName=name, status="ACTIVE", **page)
        found += answer["jobDefinitions"]
        if not answer.get("nextToken"):
            return found
        page = {"nextToken": answer["nextToken"]}


def _instances(ec2: Ec2Client, name: str) -> tuple[InstanceFacts, ...]:
    """The types that a name in instanceTypes stands for; none for a name that EC2 does not know."""
    if "." in name:
        request: dict[str, Any] = {"InstanceTypes": [name]}
    else:
        families = [f"{family}.*" for family in SHORTHANDS.get(name, (name,))]
        request = {
            "Filters": [{"Name": "instance-type", "Values": families}, {"Name": "bare-metal", "Values": ["false"]}]
        }
    found: list[InstanceFacts] = []
    while True:
        try:
            answer = ec2.describe_instance_types(**request)
        except ClientError as error:
            if error.response["Error"]["Code"] != "InvalidInstanceType":
                raise
            return ()
        found += [_instance(described) for described in answer["InstanceTypes"]]
        if not answer.get("NextToken"):
            return tuple(found)
        request = {**request, "NextToken": answer["NextToken"]}


def _instance(described: Answer) -> InstanceFacts:
    return InstanceFacts(
        name=described["InstanceType"],
        vcpus=int(described["VCpuInfo"]["DefaultVCpus"]),
        memory_mib=int(described["MemoryInfo"]["SizeInMiB"]),
        architectures=frozenset(described.get("ProcessorInfo", {}).get("SupportedArchitectures", ())),
        gpus=sum(int(gpu["Count"]) for gpu in described.get("GpuInfo", {}).get("Gpus", ())),
    )


def _batched(names: Sequence[str]) -> Iterable[list[str]]:
    iterator = iter(names)
    while some := list(itertools.islice(iterator, MAX_NAMES_PER_DESCRIBE)):
        yield some
