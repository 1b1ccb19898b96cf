"""AWS::SecretsManager::Secret: its Ref is its ARN, as on AWS, where MiniStack gives its name.

What CDK hands to job definitions and policies as a secret's ARN is that Ref.
Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-secretsmanager-secret.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local_batch.host.seams import MiniStack

Properties = Mapping[str, Any]
Created = tuple[str, dict[str, str]]


def install(ministack: MiniStack) -> None:
    """Make the physical id of stacks' secrets their ARN."""
    handlers = ministack.provisioners.RESOURCE_HANDLERS["AWS::SecretsManager::Secret"]
    create, update, delete = handlers["create"], handlers["update"], handlers["delete"]

    def name_of(arn: str) -> str:
        records = ministack.secretsmanager.secrets.items()
        return next((name for name, record in records if record["ARN"] == arn), arn)

    def create_secret(logical_id: str, properties: Properties, stack_name: str) -> Created:
        _, attributes = create(logical_id, properties, stack_name)
        return attributes["Arn"], attributes

    def update_secret(arn: str, old: Properties, new: Properties, stack_name: str, logical_id: str) -> Created:
        _, attributes = update(name_of(arn), old, new, stack_name, logical_id)
        return attributes["Arn"], attributes

    def delete_secret(arn: str, properties: Properties) -> None:
        delete(name_of(arn), properties)

    handlers.update({"create": create_secret, "update": update_secret, "delete": delete_secret})
