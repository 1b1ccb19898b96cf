"""What stays of a deployment when its stacks are deleted."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from runner.aws_clients import CloudFormationClient

_KEEPS = frozenset({"Retain", "RetainExceptOnCreate"})
"""Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-deletionpolicy.html"""


@dataclass(frozen=True)
class Retained:
    """A resource that CloudFormation leaves behind."""

    kind: str
    """Its CloudFormation type, such as AWS::S3::Bucket."""
    name: str
    """Its physical id: of a bucket, its name."""


def retained(cloudformation: CloudFormationClient, stacks: Iterable[str]) -> list[Retained]:
    """What would stay if these stacks were deleted now, by the templates that are deployed; a stack may be missing."""
    return [found for stack in stacks for found in _of_stack(cloudformation, stack)]


def _of_stack(cloudformation: CloudFormationClient, stack: str) -> Iterator[Retained]:
    try:
        body = cloudformation.get_template(StackName=stack)["TemplateBody"]
        described = cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        return
    template: dict[str, Any] = json.loads(body) if isinstance(body, str) else body
    for resource in described:
        declared = template["Resources"].get(resource["LogicalResourceId"], {})
        if declared.get("DeletionPolicy") in _KEEPS:
            yield Retained(resource["ResourceType"], resource["PhysicalResourceId"])
