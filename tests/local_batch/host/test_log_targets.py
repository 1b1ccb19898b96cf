"""Log groups as targets of rules, and metric filters on them."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from local_batch.host.log_targets import matches_pattern
from tests.local_batch.host.conftest import Client

EVENT = {"detail": {"status": "FAILED", "container": {"exitCode": 3}}, "detail-type": "x"}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("", True),
        ('{ $.detail.status = "FAILED" }', True),
        ('{$.detail.status="FAILED"}', True),
        ('{ $.detail.status = "SUCCEEDED" }', False),
        ('{ $.detail.absent = "FAILED" }', False),
        ('{ $.detail.status.deeper = "FAILED" }', False),
        ('{ $.detail-type = "x" }', True),
        ("FAILED", None),
        ('{ $.detail.status = "FAIL*" }', None),
        ("{ $.detail.container.exitCode = 3 }", None),
        ('{ $.detail.status = "FAILED" && $.detail.x = "y" }', None),
    ],
)
def test_what_a_pattern_matches(pattern: str, *, expected: bool | None) -> None:
    """One member that is a text, or everything; of what is not played it is said that it is not."""
    assert matches_pattern(pattern, EVENT) is expected


def rule_to_group(client: Client, name: str, **target: Any) -> str:
    """A log group with filters, that a rule for events of source `name` puts events into; its name."""
    logs, events = client("logs"), client("events")
    group = f"/events/{name}"
    logs.create_log_group(logGroupName=group)
    transformation = {"metricNamespace": f"Lab/{name}", "metricValue": "2"}
    for metric, pattern in {"Failed": '{ $.detail.status = "FAILED" }', "Unplayed": "FAILED"}.items():
        logs.put_metric_filter(
            logGroupName=group,
            filterName=f"{name}-{metric}",
            filterPattern=pattern,
            metricTransformations=[{**transformation, "metricName": metric}],
        )
    events.put_rule(Name=f"rule-{name}", EventPattern=json.dumps({"source": [name]}))
    arn = f"arn:aws:logs:us-east-1:123456789012:log-group:{group}"
    events.put_targets(Rule=f"rule-{name}", Targets=[{"Id": "group", "Arn": arn, **target}])
    return group


def put(client: Client, source: str, *statuses: str) -> None:
    """Put an event with each of these states."""
    entries = [{"Source": source, "DetailType": "Lab", "Detail": json.dumps({"status": status})} for status in statuses]
    assert client("events").put_events(Entries=entries)["FailedEntryCount"] == 0


def test_events_are_in_the_group_and_counted(client: Client) -> None:
    """Whole, in their order, in a stream; a filter counts those that it matches, with its value."""
    group = rule_to_group(client, "counted")
    put(client, "counted", "FAILED", "SUCCEEDED", "FAILED")
    put(client, "not-counted", "FAILED")
    events = client("logs").filter_log_events(logGroupName=group)["events"]
    found = [json.loads(event["message"]) for event in events]
    assert [each["detail"]["status"] for each in found] == ["FAILED", "SUCCEEDED", "FAILED"]
    assert {(each["source"], each["detail-type"]) for each in found} == {("counted", "Lab")}
    now = time.time()
    query = {"Namespace": "Lab/counted", "StartTime": now - 600, "EndTime": now + 600, "Period": 3600}
    cloudwatch = client("cloudwatch")
    data = cloudwatch.get_metric_statistics(MetricName="Failed", Statistics=["Sum"], **query)["Datapoints"]
    assert sum(point["Sum"] for point in data) == 4.0
    assert cloudwatch.get_metric_statistics(MetricName="Unplayed", Statistics=["Sum"], **query)["Datapoints"] == []


def test_what_is_not_played_is_not_delivered(client: Client) -> None:
    """A target with an input of its own, or a group that is gone: no event that looks like another."""
    group = rule_to_group(client, "transformed", Input='{"timestamp": 0, "message": "other"}')
    put(client, "transformed", "FAILED")
    assert client("logs").filter_log_events(logGroupName=group)["events"] == []
    gone = rule_to_group(client, "gone")
    client("logs").delete_log_group(logGroupName=gone)
    put(client, "gone", "FAILED")
    assert client("logs").describe_log_groups(logGroupNamePrefix=gone)["logGroups"] == []
