"""Templates and resources of stacks as they are deployed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from runner.aws_clients import Answer, CloudFormationClient


def deployed_template(cloudformation: CloudFormationClient, stack: str) -> dict[str, Any] | None:
    """What the stack was deployed from; None where it is not there, or not any more."""
    try:
        (described,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
        if described["StackStatus"] == "DELETE_COMPLETE":
            return None
        body = cloudformation.get_template(StackName=stack)["TemplateBody"]
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        return None
    template: dict[str, Any] = json.loads(body) if isinstance(body, str) else body
    return template


def deployed_resources(cloudformation: CloudFormationClient, stack: str) -> Iterator[Answer]:
    """All resources of a stack that is there, with their physical ids."""
    page: Mapping[str, str] = {}
    while True:
        answer = cloudformation.list_stack_resources(StackName=stack, **page)
        yield from answer["StackResourceSummaries"]
        if not answer.get("NextToken"):
            return
        page = {"NextToken": answer["NextToken"]}
