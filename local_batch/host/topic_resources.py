"""AWS::SNS::Topic with the KmsMasterKeyId of its template, which MiniStack passes over.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-sns-topic.html
"""

from __future__ import annotations

from typing import Final

from local_batch.host.ec2_actions import Properties
from local_batch.host.seams import MiniStack

TYPE: Final = "AWS::SNS::Topic"
KEY: Final = "KmsMasterKeyId"
Created = tuple[str, dict[str, str]]


def install(ministack: MiniStack) -> None:
    """Have GetTopicAttributes show the key of stacks' topics."""
    handlers = ministack.provisioners.RESOURCE_HANDLERS[TYPE]
    create, update = handlers["create"], handlers["update"]

    def name_key(made: Created, properties: Properties) -> Created:
        attributes = ministack.sns.topics[made[0]]["attributes"]
        attributes.pop(KEY, None)
        if properties.get(KEY):
            attributes[KEY] = str(properties[KEY])
        return made

    def create_topic(logical_id: str, properties: Properties, stack_name: str) -> Created:
        return name_key(create(logical_id, properties, stack_name), properties)

    def update_topic(arn: str, old: Properties, new: Properties, stack_name: str, logical_id: str) -> Created:
        return name_key(update(arn, old, new, stack_name, logical_id), new)

    handlers.update({"create": create_topic, "update": update_topic})
