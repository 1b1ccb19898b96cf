"""Alarms of metric math, which MiniStack's CloudFormation lacks.

One is a record that DescribeAlarms shows: its expression is never evaluated, its state never changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local_batch.host.seams import MiniStack

Properties = Mapping[str, Any]
Created = tuple[str, dict[str, str]]

_OF_ONE_METRIC = ("MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Period", "Dimensions", "Unit")


class MathAlarms:
    """Handlers of AWS::CloudWatch::Alarm that take what MiniStack's refuse, and leave the rest to them."""

    def __init__(self, ministack: MiniStack, handlers: Mapping[str, Any]) -> None:
        self._cloudwatch = ministack.cloudwatch
        self._record_of = ministack.provisioners.cw_metric_alarm_record
        self._create, self._update, self._delete = handlers["create"], handlers["update"], handlers["delete"]

    def create(self, logical_id: str, properties: Properties, stack_name: str) -> Created:
        """The alarm, which shows what it would look at."""
        if not properties.get("Metrics"):
            created: Created = self._create(logical_id, properties, stack_name)
            return created
        name = str(properties.get("AlarmName") or f"{stack_name}-{logical_id}"[:255])
        record = self._record_of(name, {**properties, "Metrics": None, "MetricName": "math", "Namespace": "math"})
        record = {key: value for key, value in record.items() if key not in _OF_ONE_METRIC}
        record["Metrics"] = [_metric_query(entry) for entry in properties["Metrics"]]
        self._cloudwatch.cloudformation_put_metric_alarm(record)
        self._cloudwatch.cloudformation_set_metric_alarm_tags(name, list(properties.get("Tags") or []))
        return name, {"Arn": record["AlarmArn"]}

    def update(self, name: str, old: Properties, new: Properties, stack_name: str, logical_id: str) -> Created:
        """As MiniStack does it where neither is of math; else another alarm in its place."""
        if not old.get("Metrics") and not new.get("Metrics"):
            updated: Created = self._update(name, old, new, stack_name, logical_id)
            return updated
        self._delete(name, old)
        return self.create(logical_id, new, stack_name)


def _metric_query(entry: Properties) -> dict[str, Any]:
    query = dict(entry)
    if "MetricStat" in query:
        query["MetricStat"] = {**query["MetricStat"], "Period": int(query["MetricStat"]["Period"])}
    if "ReturnData" in query:
        query["ReturnData"] = str(query["ReturnData"]).lower() == "true"
    return query


def install(ministack: MiniStack) -> None:
    """Make stacks able to hold them."""
    handlers = ministack.provisioners.RESOURCE_HANDLERS
    alarms = MathAlarms(ministack, handlers["AWS::CloudWatch::Alarm"])
    handlers["AWS::CloudWatch::Alarm"].update({"create": alarms.create, "update": alarms.update})
