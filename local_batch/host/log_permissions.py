"""The resource of a call of CloudWatch Logs, as policies name it.

MiniStack asks about the log group for every call; some are about a log stream. Source:
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatchlogs.html
"""

from __future__ import annotations

import json
from typing import Any, Final

from local_batch.host.seams import MiniStack

_OF_A_STREAM: Final = frozenset({"DeleteLogStream", "GetLogEvents", "PutLogEvents"})


def install(ministack: MiniStack) -> None:
    """Have calls about a stream asked about with the stream's ARN."""
    resource_of = ministack.iam_actions.extract_resource_arn

    def extract(service: str, method: str, path: str, headers: dict[str, str], body: bytes, *rest: Any) -> str:
        arn: str = resource_of(service, method, path, headers, body, *rest)
        if service != "logs" or headers.get("x-amz-target", "").rpartition(".")[2] not in _OF_A_STREAM:
            return arn
        stream = json.loads(body or b"{}").get("logStreamName")
        return f"{arn}:log-stream:{stream}" if stream else arn

    ministack.replace("core.iam_actions", "extract_resource_arn", extract)
