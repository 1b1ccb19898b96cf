"""How resources are drawn: in which part of the picture, what each is called and what is worth saying of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from runner.assembly.cloud_assembly import Assembly, Resource

GROUPS: Final = ("people", "queues", "compute", "jobs", "storage", "network", "observation")
"""Parts of the picture, in the order in which they are written."""

DRAWN: Final[Mapping[str, tuple[str, str]]] = {
    "AWS::Batch::ComputeEnvironment": ("compute", "compute environment"),
    "AWS::Batch::JobDefinition": ("jobs", "job definition"),
    "AWS::Batch::JobQueue": ("queues", "job queue"),
    "AWS::Batch::SchedulingPolicy": ("queues", "scheduling policy"),
    "AWS::Budgets::Budget": ("observation", "budget"),
    "AWS::CloudWatch::Alarm": ("observation", "alarm"),
    "AWS::CloudWatch::CompositeAlarm": ("observation", "alarm of alarms"),
    "AWS::CloudWatch::Dashboard": ("observation", "dashboard"),
    "AWS::CodeBuild::Project": ("jobs", "image builds"),
    "AWS::EC2::Instance": ("compute", "instance"),
    "AWS::EC2::InternetGateway": ("network", "internet gateway"),
    "AWS::EC2::NatGateway": ("network", "NAT gateway"),
    "AWS::EC2::PlacementGroup": ("network", "placement group"),
    "AWS::EC2::SecurityGroup": ("network", "security group"),
    "AWS::EC2::Subnet": ("network", "subnet"),
    "AWS::EC2::VPC": ("network", "VPC"),
    "AWS::EC2::VPCEndpoint": ("network", "endpoint"),
    "AWS::EC2::Volume": ("storage", "disk"),
    "AWS::ECR::Repository": ("storage", "image repository"),
    "AWS::EFS::FileSystem": ("storage", "EFS file system"),
    "AWS::Events::Rule": ("observation", "event rule"),
    "AWS::FSx::FileSystem": ("storage", "FSx file system"),
    "AWS::IAM::ManagedPolicy": ("people", "policy"),
    "AWS::KMS::Key": ("storage", "key"),
    "AWS::Lambda::Function": ("observation", "function"),
    "AWS::Logs::LogGroup": ("observation", "log group"),
    "AWS::Logs::MetricFilter": ("observation", "metric filter"),
    "AWS::S3::Bucket": ("storage", "bucket"),
    "AWS::SNS::Topic": ("observation", "topic"),
    "AWS::SQS::Queue": ("observation", "message queue"),
    "AWS::Scheduler::Schedule": ("observation", "schedule"),
    "AWS::SecretsManager::Secret": ("storage", "secret"),
}
"""Type -> part of the picture, and what a reader calls it. All other types are edges, words in a label, or left out."""

_DROPPED_ENDS: Final = frozenset(
    {
        *(
            "Bucket",
            "Compute",
            "Definition",
            "Environment",
            "Function",
            "Key",
            "LogGroup",
            "Policy",
            "Project",
            "Queue",
        ),
        *("Repository", "SecurityGroup", "Secret", "Topic", "Vpc", "PlacementGroup", "Subnet"),
    }
)
"""Last parts of construct paths that say no more than the type does."""


_SUBNET_TYPE: Final = "aws-cdk:subnet-type"
"""Tag by which CDK tells public, private and isolated subnets apart, whatever addresses they give by themselves."""


def short_name(resource: Resource) -> str:
    """The path without its end, where that only repeats the type."""
    parts = resource.path.split("/")
    while len(parts) > 1 and parts[-1] in _DROPPED_ENDS:
        parts.pop()
    return "/".join(parts)


def variant(resource: Resource) -> str:
    """What tells apart resources of one type that are drawn as one each: public and private subnets."""
    if resource.type == "AWS::EC2::Subnet":
        tags = {tag.get("Key"): tag.get("Value") for tag in resource.mappings("Tags")}
        given = "Public" if resource.at("MapPublicIpOnLaunch") is True else "Private"
        return str(tags.get(_SUBNET_TYPE, given)).lower()
    if resource.type == "AWS::EC2::VPCEndpoint":
        return str(resource.at("VpcEndpointType") or "Gateway").lower()
    return ""


def detail(resource: Resource, assembly: Assembly) -> str:
    """What is worth saying of it besides its name; empty for most."""
    say = _DETAILS.get(resource.type)
    return say(resource, assembly) if say is not None else ""


def _environment(resource: Resource, _: Assembly) -> str:
    kinds = resource.at("ComputeResources", "InstanceTypes") or []
    types = f", {kinds[0]}" if len(kinds) == 1 else f", {len(kinds)} types" if kinds else ""
    kind = str(resource.at("ComputeResources", "Type")).replace("_", " ").title().replace("Ec2", "EC2")
    return f"{kind}, up to {resource.at('ComputeResources', 'MaxvCpus')} vCPUs{types}"


def _job(resource: Resource, _: Assembly) -> str:
    ranges = resource.mappings("NodeProperties", "NodeRangeProperties")
    container = ranges[0].get("Container", {}) if ranges else resource.at("ContainerProperties") or {}
    sizes = {entry.get("Type"): entry.get("Value") for entry in container.get("ResourceRequirements", [])}
    size = f"{sizes.get('VCPU')} vCPU, {sizes.get('MEMORY')} MiB"
    return f"nodes of {size}" if ranges else size


def _rules(resource: Resource, assembly: Assembly) -> str:
    incoming = list(_rule_texts(resource, assembly, "Ingress"))
    outgoing = list(_rule_texts(resource, assembly, "Egress"))
    return f"in: {', '.join(incoming) or 'nothing'}\nout: {', '.join(outgoing) or 'nothing'}"


def _rule_texts(group: Resource, assembly: Assembly, way: str) -> Iterator[str]:
    rules = [(rule, group.stack) for rule in group.mappings(f"SecurityGroup{way}")]
    rules += [
        (rule.properties, rule.stack)
        for rule in assembly.of_type(f"AWS::EC2::SecurityGroup{way}")
        if group in assembly.referenced(rule, "GroupId")
    ]
    for rule, stack in rules:
        # CDK's word for a group that may send nothing: a rule that no packet fits.
        if rule.get("CidrIp") == "255.255.255.255/32":
            continue
        other = rule.get("SourceSecurityGroupId" if way == "Ingress" else "DestinationSecurityGroupId")
        peers = [short_name(peer) if peer != group else "itself" for peer in assembly.references(other, stack)]
        cidr = rule.get("CidrIp")
        peer = (
            peers[0]
            if peers
            else "anywhere"
            if cidr == "0.0.0.0/0"
            else str(cidr)
            if isinstance(cidr, str)
            else "the VPC"
        )
        yield f"{_ports(rule)} {'from' if way == 'Ingress' else 'to'} {peer}"


def _ports(rule: Mapping[str, Any]) -> str:
    protocol, low, high = rule.get("IpProtocol"), rule.get("FromPort"), rule.get("ToPort")
    if protocol == "-1":
        return "all"
    return f"{protocol} {low}" if low == high else f"{protocol} {low}-{high}"


def _service(resource: Resource, _: Assembly) -> str:
    name = resource.at("ServiceName")
    if isinstance(name, Mapping):
        parts = name.get("Fn::Join", ["", []])[1]
        name = "".join(part for part in parts if isinstance(part, str))
    return str(name).removeprefix("com.amazonaws.").strip(".")


def _retention(resource: Resource, _: Assembly) -> str:
    days = resource.at("RetentionInDays")
    return f"{days} days" if isinstance(days, int) else "kept for ever"


def _capacity(resource: Resource, _: Assembly) -> str:
    deployment = resource.at("LustreConfiguration", "DeploymentType") or ""
    return f"{resource.at('FileSystemType')} {deployment}, {resource.at('StorageCapacity')} GiB"


def _said(*keys: str, before: str = "") -> Callable[[Resource, Assembly], str]:
    """A property as it stands, where it is a word or a number."""

    def say(resource: Resource, _: Assembly) -> str:
        value = resource.at(*keys)
        return f"{before}{value}" if isinstance(value, str | int) else ""

    return say


_DETAILS: Final[Mapping[str, Callable[[Resource, Assembly], str]]] = {
    "AWS::Batch::ComputeEnvironment": _environment,
    "AWS::Batch::JobDefinition": _job,
    "AWS::Batch::JobQueue": _said("Priority", before="priority "),
    "AWS::EC2::Instance": _said("InstanceType"),
    "AWS::EC2::PlacementGroup": _said("Strategy"),
    "AWS::EC2::SecurityGroup": _rules,
    "AWS::EC2::VPC": _said("CidrBlock"),
    "AWS::EC2::VPCEndpoint": _service,
    "AWS::Events::Rule": _said("ScheduleExpression"),
    "AWS::FSx::FileSystem": _capacity,
    "AWS::Logs::LogGroup": _retention,
    "AWS::Scheduler::Schedule": _said("ScheduleExpression"),
}
