"""AWS::IAM::InstanceProfile: its Ref is its name, as on AWS, where MiniStack gives its ARN.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-iam-instanceprofile.html
"""

from __future__ import annotations

from typing import Final

from local_batch.host.ec2_actions import Properties
from local_batch.host.seams import MiniStack

TYPE: Final = "AWS::IAM::InstanceProfile"
Created = tuple[str, dict[str, str]]


def install(ministack: MiniStack) -> None:
    """Make the physical id of stacks' instance profiles their name."""
    handlers = ministack.provisioners.RESOURCE_HANDLERS[TYPE]
    create, update, delete = handlers["create"], handlers["update"], handlers["delete"]
    profiles = ministack.iam.instance_profiles

    def arn_of(name: str) -> str:
        """The ARN itself where a stack of an earlier version holds that."""
        record = profiles.get(name)
        return name if record is None else str(record["Arn"])

    def named(made: Created) -> Created:
        arn, attributes = made
        return arn.rpartition("/")[2], attributes

    def create_profile(logical_id: str, properties: Properties, stack_name: str) -> Created:
        return named(create(logical_id, properties, stack_name))

    def update_profile(name: str, old: Properties, new: Properties, stack_name: str, logical_id: str) -> Created:
        return named(update(arn_of(name), old, new, stack_name, logical_id))

    def delete_profile(name: str, properties: Properties) -> None:
        delete(arn_of(name), properties)

    handlers.update({"create": create_profile, "update": update_profile, "delete": delete_profile})
