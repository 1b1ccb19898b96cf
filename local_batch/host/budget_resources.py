"""AWS::Budgets::Budget, made through the Budgets API. Nothing costs anything here, so no budget is ever exceeded.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-budgets-budget.html
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

from local_batch.host.ec2_actions import Properties
from local_batch.host.seams import MiniStack

TYPE: Final = "AWS::Budgets::Budget"
MAX_NAME_CHARACTERS: Final = 100
NOTIFICATIONS: Final = "NotificationsWithSubscribers"
Created = tuple[str, dict[str, str]]


class BudgetError(ValueError):
    """Budgets refused; the text is the stack event's reason."""


def _name(stack_name: str, logical_id: str, properties: Properties) -> str:
    """That of the template, or one that makes way for a replacement."""
    suffix = secrets.token_hex(6)
    generated = f"{stack_name}-{logical_id}"[: MAX_NAME_CHARACTERS - len(suffix) - 1]
    return str(properties["Budget"].get("BudgetName") or f"{generated}-{suffix}")


def _is_replaced(old: Properties, new: Properties) -> bool:
    """Whether the change makes another budget. Raises BudgetError for one whose name is in the way of that."""
    before, after = (properties["Budget"].get("BudgetName") for properties in (old, new))
    if before == after and after is not None and old.get(NOTIFICATIONS) != new.get(NOTIFICATIONS):
        raise BudgetError(
            "CloudFormation cannot update a stack when a custom-named resource requires replacing. "
            f"Rename {after} and update the stack again."
        )
    return before != after or old.get(NOTIFICATIONS) != new.get(NOTIFICATIONS)


def _document(value: Any) -> Any:
    """The API's form of a property: numbers where templates may write text, amounts as text."""
    if isinstance(value, dict):
        return {key: _scalar(key, item) for key, item in value.items()}
    return [_document(item) for item in value] if isinstance(value, list) else value


def _scalar(key: str, value: Any) -> Any:
    if key == "Threshold":
        return float(value)
    if key == "Amount":
        return str(value)
    return _document(value)


def install(ministack: MiniStack) -> None:
    """Make stacks able to hold budgets."""
    budgets = ministack.budgets

    def ask(call: Any, request: Properties) -> None:
        status, _, body = call(request)
        if status >= 300:
            raise BudgetError(json.loads(body).get("message") or body.decode())

    def retag(name: str, old: Sequence[Mapping[str, str]], new: Sequence[Mapping[str, str]]) -> None:
        arn, kept = budgets.budget_arn(name), {tag["Key"] for tag in new}
        ask(
            budgets.untag_resource,
            {"ResourceARN": arn, "ResourceTagKeys": [tag["Key"] for tag in old if tag["Key"] not in kept]},
        )
        if new:
            ask(budgets.tag_resource, {"ResourceARN": arn, "ResourceTags": new})

    def create(logical_id: str, properties: Properties, stack_name: str) -> Created:
        name = _name(stack_name, logical_id, properties)
        request = {
            "Budget": {**_document(properties["Budget"]), "BudgetName": name},
            NOTIFICATIONS: _document(properties.get(NOTIFICATIONS) or []),
            "ResourceTags": properties.get("ResourceTags") or [],
        }
        ask(budgets.create_budget, request)
        return name, {}

    def update(name: str, old: Properties, new: Properties, stack_name: str, logical_id: str) -> Created:
        if _is_replaced(old, new):
            return create(logical_id, new, stack_name)
        ask(budgets.update_budget, {"NewBudget": {**_document(new["Budget"]), "BudgetName": name}})
        retag(name, old.get("ResourceTags") or [], new.get("ResourceTags") or [])
        return name, {}

    def delete(name: str, properties: Properties) -> None:  # noqa: ARG001
        if name in budgets.budgets:
            ask(budgets.delete_budget, {"BudgetName": name})

    provisioners = ministack.provisioners
    provisioners.RESOURCE_HANDLERS[TYPE] = {
        "create": create,
        "update": update,
        "update_with_logical_id": True,
        "delete": delete,
    }
