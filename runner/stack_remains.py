"""What stays of a deployment when its stacks are deleted, and what has to be emptied for that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runner.aws_clients import CloudFormationClient
from runner.deployed_templates import deployed_resources, deployed_template

_KEEPS = frozenset({"Retain", "RetainExceptOnCreate"})
"""Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-deletionpolicy.html"""

_BUCKET = "AWS::S3::Bucket"
_ENVIRONMENT = "AWS::Batch::ComputeEnvironment"


@dataclass(frozen=True)
class Held:
    """A resource of a stack."""

    kind: str
    """Its CloudFormation type, such as AWS::S3::Bucket."""
    name: str
    """Its physical id: of a bucket, its name."""


@dataclass(frozen=True)
class Remains:
    """What becomes of the resources that outlive their stacks, or would keep these from being deleted."""

    kept: tuple[Held, ...]
    """What CloudFormation leaves behind."""
    to_empty: tuple[str, ...]
    """Buckets that are deleted, which CloudFormation does to empty ones only."""
    environments: tuple[str, ...] = ()
    """ARNs of the compute environments that go."""


def stack_remains(cloudformation: CloudFormationClient, stacks: Iterable[str]) -> Remains:
    """By the templates that are deployed; a stack may be missing."""
    kept: list[Held] = []
    to_empty: list[str] = []
    environments: list[str] = []
    for stack in stacks:
        for resource, stays in _resources(cloudformation, stack):
            if stays:
                kept.append(resource)
            elif resource.kind == _BUCKET:
                to_empty.append(resource.name)
            elif resource.kind == _ENVIRONMENT:
                environments.append(resource.name)
    return Remains(tuple(kept), tuple(to_empty), tuple(environments))


def kept_resources(
    cloudformation: CloudFormationClient, stack: str, template: Mapping[str, Any]
) -> Iterator[tuple[str, Held]]:
    """By logical id, the resources of a deployed stack that outlive it."""
    for resource in deployed_resources(cloudformation, stack):
        if _stays(template, resource["LogicalResourceId"]):
            yield resource["LogicalResourceId"], Held(resource["ResourceType"], resource["PhysicalResourceId"])


def _resources(cloudformation: CloudFormationClient, stack: str) -> Iterator[tuple[Held, bool]]:
    template = deployed_template(cloudformation, stack)
    if template is None:
        return
    for resource in deployed_resources(cloudformation, stack):
        held = Held(resource["ResourceType"], resource["PhysicalResourceId"])
        yield held, _stays(template, resource["LogicalResourceId"])


def _stays(template: Mapping[str, Any], logical_id: str) -> bool:
    return template["Resources"].get(logical_id, {}).get("DeletionPolicy") in _KEEPS
