"""What the picture joins: references between drawn resources, through those that are not drawn.

A role is not drawn: what refers to it is joined to what its policies name, with their verbs in a word. Routes, mount
targets, subscriptions and the like are edges themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from runner.assembly.cloud_assembly import Assembly, Resource
from runner.assembly.node_labels import DRAWN
from runner.assembly.permissions import Grant, grants


@dataclass(frozen=True)
class Edge:
    """From one drawn resource to another, with the word for it: empty where the kinds of both say it."""

    source: Resource
    target: Resource
    label: str = ""


_CONNECTORS: Final[Mapping[str, tuple[str, str, str]]] = {
    "AWS::EC2::FlowLog": ("ResourceId", "LogGroupName", "flow log"),
    "AWS::EC2::VPCGatewayAttachment": ("InternetGatewayId", "VpcId", ""),
    "AWS::EC2::VolumeAttachment": ("InstanceId", "VolumeId", "attached"),
    "AWS::EFS::MountTarget": ("FileSystemId", "SubnetId", "mounted in"),
    "AWS::FSx::DataRepositoryAssociation": ("FileSystemId", "DataRepositoryPath", "linked to"),
    "AWS::Lambda::EventSourceMapping": ("EventSourceArn", "FunctionName", "feeds"),
    "AWS::Logs::MetricFilter": ("LogGroupName", "", ""),
    "AWS::SNS::Subscription": ("TopicArn", "Endpoint", "tells"),
}
"""Types that are edges: property of the source, property of the target, the word. Without a target it is itself one."""

_THROUGH: Final = (
    "AWS::EC2::LaunchTemplate",
    "AWS::EC2::EIP",
    "AWS::EFS::AccessPoint",
    "AWS::IAM::InstanceProfile",
)
"""Types behind which the reader finds what they refer to."""

_NOT_FROM: Final = ("AWS::CloudWatch::Dashboard", "AWS::EC2::VPC", "AWS::Logs::MetricFilter")
"""Types whose own references would only be clutter: a dashboard shows everything."""

_INTO_VPC: Final = ("AWS::EC2::Subnet", "AWS::EC2::InternetGateway")
"""What is drawn inside of the VPC; all else is in it by its subnets or its group."""

_WORDS: Final[tuple[tuple[str, str, str], ...]] = (
    ("AWS::Batch::JobDefinition", "AWS::ECR::Repository", "image"),
    ("AWS::Batch::ComputeEnvironment", "AWS::EC2::Subnet", "in"),
    ("AWS::CloudWatch::Alarm", "AWS::SNS::Topic", "tells"),
    ("AWS::Budgets::Budget", "AWS::SNS::Topic", "tells"),
    ("AWS::Events::Rule", "", "sends to"),
    ("AWS::Scheduler::Schedule", "", "calls"),
    ("AWS::S3::Bucket", "AWS::S3::Bucket", "access log"),
)

_VERBS: Final[tuple[tuple[tuple[str, ...], str], ...]] = (
    (("SubmitJob",), "submits to"),
    (("TerminateJob", "CancelJob"), "ends jobs of"),
    (("PutImage", "InitiateLayerUpload"), "pushes"),
    (("BatchGetImage",), "image"),
    (("PutLogEvents", "CreateLogStream"), "logs to"),
    (("ClientMount", "ClientWrite"), "mounts"),
    (("SendMessage",), "sends to"),
    (("ReceiveMessage",), "takes from"),
    (("Publish",), "tells"),
    (("InvokeFunction",), "calls"),
)
"""Verbs of policies that have a word of their own; of all others, whether they read or write."""

_READING: Final = ("Get", "List", "Describe", "Head")


def edges(assembly: Assembly) -> list[Edge]:
    """Every edge between drawn resources, once."""
    rights = grants(assembly)
    found: dict[Edge, None] = {}
    for resource in assembly.resources:
        for edge in (*_of_drawn(assembly, resource, rights), *_of_connector(assembly, resource)):
            if _is_shown(edge):
                found[edge] = None
    for edge in _routes(assembly):
        found[edge] = None
    return list(found)


def _is_shown(edge: Edge) -> bool:
    if edge.source == edge.target or edge.source.type in _NOT_FROM[:1]:
        return False
    if edge.target.type == "AWS::KMS::Key":
        return False
    return edge.target.type != "AWS::EC2::VPC" or edge.source.type in _INTO_VPC


def _of_drawn(assembly: Assembly, resource: Resource, rights: list[Grant]) -> Iterator[Edge]:
    if resource.type not in DRAWN or resource.type in _NOT_FROM:
        return
    if resource.type == "AWS::Batch::JobQueue":
        yield from _orders(assembly, resource)
        yield from (
            Edge(resource, policy, "shared by") for policy in assembly.referenced(resource, "SchedulingPolicyArn")
        )
        return
    if resource.type == "AWS::IAM::ManagedPolicy":
        # One that a role has is that role's: its rights are drawn from what has the role.
        yield from _by_rights(resource, resource, rights)
        return
    if resource.type == "AWS::CloudWatch::Alarm":
        yield from (Edge(resource, told, "tells") for told in assembly.referenced(resource, "AlarmActions"))
        return
    if resource.type == "AWS::Events::Rule":
        watched = assembly.referenced(resource, "EventPattern")
        yield from (Edge(seen, resource, "events") for seen in watched if seen.type in DRAWN)
        yield from _reached(assembly, resource, assembly.referenced(resource, "Targets"), rights)
        return
    yield from _reached(assembly, resource, assembly.referenced(resource), rights)


def _orders(assembly: Assembly, queue: Resource) -> Iterator[Edge]:
    """A queue's environments in the order in which they are tried."""
    for entry in queue.mappings("ComputeEnvironmentOrder"):
        for environment in assembly.references(entry.get("ComputeEnvironment"), queue.stack):
            yield Edge(queue, environment, f"order {entry.get('Order')}")


def _reached(assembly: Assembly, source: Resource, named: list[Resource], rights: list[Grant]) -> Iterator[Edge]:
    """Edges to what is named, looking through what is not drawn."""
    seen: set[Resource] = set()
    waiting = list(named)
    by_right = {right.resource for right in rights if isinstance(right.who, Resource) and right.who in waiting}
    while waiting:
        target = waiting.pop(0)
        if target in seen:
            continue
        seen.add(target)
        if target.type == "AWS::IAM::Role":
            yield from _by_rights(source, target, rights)
        elif target.type in _THROUGH:
            waiting += assembly.referenced(target)
        elif target.type in DRAWN and target not in by_right:
            # What a policy names too is joined by its verbs, which say more than a bare reference.
            yield Edge(source, target, _word(source, target))


def _by_rights(source: Resource, who: Resource, rights: list[Grant]) -> Iterator[Edge]:
    """From what has the rights of `who` to what these are about."""
    verbs: dict[Resource, tuple[str, ...]] = {}
    for right in rights:
        if right.who == who and right.resource.type in DRAWN:
            verbs[right.resource] = (*verbs.get(right.resource, ()), *right.verbs)
    yield from (Edge(source, used, _verb(all_verbs, used)) for used, all_verbs in verbs.items())


def _of_connector(assembly: Assembly, resource: Resource) -> Iterator[Edge]:
    if resource.type not in _CONNECTORS:
        return
    source_key, target_key, label = _CONNECTORS[resource.type]
    targets = assembly.referenced(resource, target_key) if target_key else [resource]
    for source in assembly.referenced(resource, source_key):
        for target in targets:
            if source.type in DRAWN and target.type in DRAWN:
                yield Edge(source, target, label)
    if resource.type == "AWS::EFS::MountTarget":
        groups = assembly.referenced(resource, "SecurityGroups")
        yield from (Edge(source, group) for source in assembly.referenced(resource, source_key) for group in groups)


def _routes(assembly: Assembly) -> Iterator[Edge]:
    """From subnets to the gateways that their route tables name."""
    subnets: dict[Resource, list[Resource]] = {}
    for association in assembly.of_type("AWS::EC2::SubnetRouteTableAssociation"):
        for table in assembly.referenced(association, "RouteTableId"):
            subnets.setdefault(table, []).extend(assembly.referenced(association, "SubnetId"))
    routes = [(route, ("GatewayId", "NatGatewayId")) for route in assembly.of_type("AWS::EC2::Route")]
    for route, keys in routes:
        for table in assembly.referenced(route, "RouteTableId"):
            for target in (target for key in keys for target in assembly.referenced(route, key)):
                yield from (Edge(subnet, target, "routes to") for subnet in subnets.get(table, []))
    for endpoint in assembly.of_type("AWS::EC2::VPCEndpoint"):
        for table in assembly.referenced(endpoint, "RouteTableIds"):
            yield from (Edge(subnet, endpoint, "routes to") for subnet in subnets.get(table, []))


def _word(source: Resource, target: Resource) -> str:
    for of_source, of_target, word in _WORDS:
        if source.type == of_source and target.type.startswith(of_target):
            return word
    return ""


def _verb(verbs: tuple[str, ...], used: Resource) -> str:
    if used.type == "AWS::Batch::JobDefinition":
        return "submits"
    for known, word in _VERBS:
        if any(verb in known for verb in verbs):
            return word
    reads = any(verb.startswith(_READING) for verb in verbs)
    writes = any(not verb.startswith(_READING) for verb in verbs)
    return " and ".join(word for word, holds in (("reads", reads), ("writes", writes)) if holds)
