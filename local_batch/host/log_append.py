"""Lines into a log group of MiniStack's, as PutLogEvents would put them: kept, and sent on to who is subscribed."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any


def append(logs: Any, group: str, stream: str, lines: Iterable[tuple[int, str]]) -> None:
    """Append (milliseconds since 1970, text) to a stream, which is made where it is missing; the group is there."""
    streams = logs.log_groups[group]["streams"]
    if stream not in streams:
        logs.create_log_stream({"logGroupName": group, "logStreamName": stream})
    now_ms = int(time.time() * 1000)
    events = [{"timestamp": at_ms, "message": text, "ingestionTime": now_ms} for at_ms, text in lines]
    logs.append_log_events(streams[stream], events)
    logs.fanout_to_subscription_filters(group, stream, events)
    logs.fanout_to_live_tail_sessions(group, stream, events)
