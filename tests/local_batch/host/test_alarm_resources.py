"""Alarms of metric math and budgets in stacks."""

from __future__ import annotations

from typing import Any

from tests.local_batch.host.conftest import Client
from tests.local_batch.host.stack_client import StackClient

MATH: dict[str, Any] = {
    "Type": "AWS::CloudWatch::Alarm",
    "Properties": {
        "ComparisonOperator": "GreaterThanThreshold",
        "EvaluationPeriods": 1,
        "Threshold": 0.5,
        "AlarmActions": ["arn:aws:sns:us-east-1:123456789012:told"],
        "TreatMissingData": "notBreaching",
        "Metrics": [
            {"Id": "rate", "Expression": "a / 2", "ReturnData": True},
            {
                "Id": "a",
                "ReturnData": "false",
                "MetricStat": {
                    "Metric": {"Namespace": "Lab", "MetricName": "A"},
                    "Period": "300",
                    "Stat": "Sum",
                },
            },
        ],
    },
}
PLAIN: dict[str, Any] = {
    "Type": "AWS::CloudWatch::Alarm",
    "Properties": {
        "ComparisonOperator": "GreaterThanThreshold",
        "EvaluationPeriods": 1,
        "Threshold": 7,
        "Namespace": "Lab",
        "MetricName": "A",
        "Period": 60,
        "Statistic": "Sum",
    },
}


def budget(amount: object, threshold: object = 80) -> dict[str, Any]:
    """A budget with somebody to tell."""
    return {
        "Type": "AWS::Budgets::Budget",
        "Properties": {
            "Budget": {
                "BudgetType": "COST",
                "TimeUnit": "MONTHLY",
                "BudgetLimit": {"Amount": amount, "Unit": "USD"},
                "CostFilters": {"TagKeyValue": ["user:lab$one"]},
            },
            "NotificationsWithSubscribers": [
                {
                    "Notification": {
                        "NotificationType": "ACTUAL",
                        "ComparisonOperator": "GREATER_THAN",
                        "Threshold": threshold,
                    },
                    "Subscribers": [{"SubscriptionType": "EMAIL", "Address": "lab@example.org"}],
                }
            ],
        },
    }


def alarms(client: Client, stack: StackClient) -> list[dict[str, Any]]:
    """Of the stack."""
    found = client("cloudwatch").describe_alarms(AlarmNamePrefix=stack.name)
    return list(found["MetricAlarms"])


def test_an_alarm_of_math_is_shown_and_never_goes_off(client: Client) -> None:
    """DescribeAlarms has its expression and metrics; data that would raise it on AWS changes nothing here."""
    stack = StackClient(client("cloudformation"), "math-alarm")
    outputs = {"Arn": {"Fn::GetAtt": ["Rate", "Arn"]}, "Name": {"Ref": "Rate"}}
    assert stack.deploy({"Rate": MATH}, outputs) == "CREATE_COMPLETE", stack.reasons()
    client("cloudwatch").put_metric_data(Namespace="Lab", MetricData=[{"MetricName": "A", "Value": 100.0}])
    (alarm,) = alarms(client, stack)
    assert [query["Id"] for query in alarm["Metrics"]] == ["rate", "a"]
    assert alarm["Metrics"][1]["MetricStat"]["Period"] == 300
    assert (alarm["Threshold"], alarm["StateValue"]) == (0.5, "INSUFFICIENT_DATA")
    assert {"MetricName", "Namespace", "Period", "Statistic"}.isdisjoint(alarm)
    assert stack.outputs() == {"Arn": alarm["AlarmArn"], "Name": alarm["AlarmName"]}
    assert stack.delete() == "DELETE_COMPLETE"
    assert alarms(client, stack) == []


def test_an_alarm_changes_between_math_and_one_metric(client: Client) -> None:
    """The other takes its place; one of a metric is as MiniStack has it."""
    stack = StackClient(client("cloudformation"), "changing-alarm")
    assert stack.deploy({"Rate": PLAIN}) == "CREATE_COMPLETE", stack.reasons()
    assert alarms(client, stack)[0]["MetricName"] == "A"
    assert stack.deploy({"Rate": MATH}) == "UPDATE_COMPLETE", stack.reasons()
    assert [len(alarm["Metrics"]) for alarm in alarms(client, stack)] == [2]
    assert stack.deploy({"Rate": PLAIN}) == "UPDATE_COMPLETE", stack.reasons()
    assert [alarm["MetricName"] for alarm in alarms(client, stack)] == ["A"]
    assert stack.delete() == "DELETE_COMPLETE"


def test_a_budget_is_made_changed_and_taken_away(client: Client) -> None:
    """As the stack says it, with who is told; its Ref is its name."""
    stack, budgets = StackClient(client("cloudformation"), "budget"), client("budgets")
    account = {"AccountId": "123456789012"}

    def shown(name: str) -> dict[str, Any]:
        return dict(budgets.describe_budget(BudgetName=name, **account)["Budget"])

    assert stack.deploy({"Budget": budget(50)}, {"Name": {"Ref": "Budget"}}) == "CREATE_COMPLETE", stack.reasons()
    name = stack.outputs()["Name"]
    assert shown(name)["BudgetLimit"] == {"Amount": "50", "Unit": "USD"}
    assert shown(name)["CostFilters"] == {"TagKeyValue": ["user:lab$one"]}
    assert stack.deploy({"Budget": budget("60", "90")}, {"Name": {"Ref": "Budget"}}) == "UPDATE_COMPLETE"
    name = stack.outputs()["Name"]
    assert shown(name)["BudgetLimit"]["Amount"] == "60"
    (told,) = budgets.describe_notifications_for_budget(BudgetName=name, **account)["Notifications"]
    assert (told["NotificationType"], told["Threshold"]) == ("ACTUAL", 90.0)
    assert stack.delete() == "DELETE_COMPLETE"
    assert [each["BudgetName"] for each in budgets.describe_budgets(**account)["Budgets"]] == []


def test_a_refusal_by_budgets_fails_the_stack(client: Client) -> None:
    """With its words."""
    stack = StackClient(client("cloudformation"), "bad-budget")
    wrong = budget(50)
    wrong["Properties"]["Budget"]["TimeUnit"] = "WEEKLY"
    assert stack.deploy({"Budget": wrong}) == "ROLLBACK_COMPLETE"
    assert "TimeUnit must be one of" in stack.reasons()
    stack.delete()
