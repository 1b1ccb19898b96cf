"""Log groups as targets of EventBridge rules, to which MiniStack delivers nothing.

Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-targets.html
"""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
from collections.abc import Mapping
from typing import Any, Final

from local_batch.host.log_append import append
from local_batch.host.seams import MiniStack

_LOG = logging.getLogger(__name__)
_LOG_GROUP: Final = re.compile(r"arn:[\w-]+:logs:[\w-]+:\d{12}:log-group:([^:]+)(?::\*)?")
_INPUTS: Final = ("Input", "InputPath", "InputTransformer")


def install(ministack: MiniStack) -> None:
    """Deliver the whole event as a line of the group, in one log stream a rule.

    Targets with an input of their own get nothing, and the server's log says so.
    """
    deliver = ministack.events.invoke_target

    def invoke_target(target: Mapping[str, Any], event: Any, rule: Mapping[str, Any], view: Any = None) -> None:
        found = _LOG_GROUP.fullmatch(target.get("Arn", ""))
        if found is None:
            deliver(target, event, rule, view)
            return
        given = [name for name in _INPUTS if target.get(name)]
        if given or found[1] not in ministack.logs.log_groups:
            why = f"{given[0]} is not played for log groups" if given else "there is no such log group"
            _LOG.warning("an event of rule %s was not delivered to %s: %s", rule.get("Name"), found[1], why)
            return
        shown = view or ministack.events.pattern_event_view(event)
        stream = str(uuid.uuid5(uuid.NAMESPACE_URL, str(rule.get("Arn"))))
        line = (int(time.time() * 1000), json.dumps(shown.event_with_detail()))
        append(ministack.logs, found[1], stream, [line])

    ministack.replace("services.eventbridge", "_invoke_target", invoke_target)
