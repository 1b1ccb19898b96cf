"""Alarms of metric math in stacks."""

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
