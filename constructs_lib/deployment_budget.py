"""What a deployment may cost a month, and who is told."""

from __future__ import annotations

from typing import Final

from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_sns as sns
from constructs import Construct

from constructs_lib.errors import PropertyError

_TOLD: Final = (("ACTUAL", 80), ("FORECASTED", 100))
"""Of what, and at which percentage."""


class DeploymentBudget(Construct):
    """A monthly budget of what carries the deployment's cost allocation tag; it tells, it stops nothing.

    Until the tag is activated for cost allocation, once an account, the budget sees no spend.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        tag_key: str,
        deployment: str,
        monthly_usd: int,
        topic: sns.ITopic,
    ) -> None:
        super().__init__(scope, construct_id)
        if monthly_usd < 1:
            problem = f"a budget is 1 USD a month or more, got {monthly_usd!r}; raise it, or do without"
            raise PropertyError(self, "monthly_usd", problem)
        subscriber = budgets.CfnBudget.SubscriberProperty(subscription_type="SNS", address=topic.topic_arn)
        budget = budgets.CfnBudget(
            self,
            "Budget",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=monthly_usd, unit="USD"),
                # https://docs.aws.amazon.com/cost-management/latest/userguide/budgets-create-filters.html
                cost_filters={"TagKeyValue": [f"user:{tag_key}${deployment}"]},
            ),
            notifications_with_subscribers=[
                budgets.CfnBudget.NotificationWithSubscribersProperty(
                    notification=budgets.CfnBudget.NotificationProperty(
                        notification_type=kind,
                        comparison_operator="GREATER_THAN",
                        threshold=percentage,
                        threshold_type="PERCENTAGE",
                    ),
                    subscribers=[subscriber],
                )
                for kind, percentage in _TOLD
            ],
        )
        # Budgets refuses a topic whose policy does not let it publish yet.
        budget.node.add_dependency(topic.node.find_child("Policy"))
