"""Log groups as targets of EventBridge rules, and metric filters that count what rules put there.

MiniStack knows neither. Of filters, those on one member of a JSON event are played: `{ $.detail.status = "FAILED" }`.
Sources: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-targets.html and
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Mapping
from typing import Any, Final

from local_batch.host.log_append import append
from local_batch.host.seams import MiniStack

_GROUP: Final = re.compile(r"arn:[\w-]+:logs:[\w-]+:\d{12}:log-group:(?P<name>[^:]+)(:\*)?")
_ONE_MEMBER: Final = re.compile(r'\{\s*\$(?P<path>(\.[\w-]+)+)\s*=\s*"(?P<text>[^"*]*)"\s*\}')
_UNPLAYED: Final = ("Input", "InputPath", "InputTransformer")

_LOG = logging.getLogger(__name__)


class LogTargets:
    """Puts events into log groups; loop thread only."""

    def __init__(self, ministack: MiniStack) -> None:
        self._ministack = ministack

    def deliver(self, group: str, target: Mapping[str, Any], rule: Mapping[str, Any], event: Mapping[str, Any]) -> None:
        """Append the event to the rule's stream of the group, and count it."""
        logs = self._ministack.logs
        unplayed = [name for name in _UNPLAYED if target.get(name)]
        if group not in logs.log_groups or unplayed:
            why = f"{', '.join(unplayed)} of a log group is not played" if unplayed else f"there is no group {group}"
            _LOG.warning("rule %s: its event was not delivered: %s", rule.get("Name"), why)
            return
        append(self._ministack.logs, group, str(rule["Name"]), [(int(time.time() * 1000), json.dumps(event))])
        self._count(group, event)

    def _count(self, group: str, event: Mapping[str, Any]) -> None:
        for (filtered, name), metric_filter in self._ministack.logs.metric_filters.items():
            if filtered != group:
                continue
            matches = matches_pattern(metric_filter["filterPattern"], event)
            if matches is None:
                _LOG.warning("metric filter %s: its pattern is not played, nothing is counted", name)
            elif matches:
                for transformation in metric_filter["metricTransformations"]:
                    self._record(name, transformation)

    def _record(self, name: str, transformation: Mapping[str, Any]) -> None:
        try:
            value = float(transformation["metricValue"])
        except ValueError:
            _LOG.warning("metric filter %s: a value out of the event is not played, nothing is counted", name)
            return
        if transformation.get("dimensions"):
            _LOG.warning("metric filter %s: dimensions are not played, nothing is counted", name)
            return
        self._ministack.cloudwatch.record_metric(
            transformation["metricNamespace"],
            transformation["metricName"],
            value,
            transformation.get("unit") or "None",
        )


def matches_pattern(pattern: str, event: Mapping[str, Any]) -> bool | None:
    """Whether a filter pattern matches; None for a pattern that is not played. An empty one matches everything."""
    if not pattern.strip():
        return True
    found = _ONE_MEMBER.fullmatch(pattern.strip())
    if found is None:
        return None
    value: Any = event
    for name in found["path"].removeprefix(".").split("."):
        if not isinstance(value, Mapping) or name not in value:
            return False
        value = value[name]
    return bool(value == found["text"])


def install(ministack: MiniStack) -> None:
    """Deliver to log groups; every other target is MiniStack's."""
    targets = LogTargets(ministack)
    invoke, view_of = ministack.events.invoke_target, ministack.events.pattern_event_view

    def invoke_target(target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], view: Any = None) -> None:
        group = _GROUP.fullmatch(target.get("Arn", ""))
        if group is None:
            invoke(target, event, rule, view)
        else:
            targets.deliver(group["name"], target, rule, (view or view_of(event)).event_with_detail())

    ministack.replace("services.eventbridge", "_invoke_target", invoke_target)
