"""A queue of EventBridge's events, played in memory on a clock. Every request is held against the service's model."""

# ruff: noqa: D102 - the methods are AWS's own

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from tests.runner.service_model import check_request
from tests.runner.submitted import Clock


class FakeSqs:
    """Messages come at their times; those received are hidden for a while, those deleted are gone."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.messages: list[dict[str, Any]] = []
        self.received = 0
        self.error: ClientError | None = None

    def put(self, at: float, job_id: str, **detail: Any) -> None:
        """An event of a job."""
        self.put_text(at, json.dumps({"source": "aws.batch", "detail": {"jobId": job_id, **detail}}))

    def put_text(self, at: float, body: str) -> None:
        """Any message."""
        self.messages.append({"at": at, "Body": body, "ReceiptHandle": f"r{len(self.messages)}"})

    def receive_message(self, **request: Any) -> dict[str, Any]:
        check_request("sqs", "ReceiveMessage", request)
        assert 0 <= request["WaitTimeSeconds"] <= 20
        self.received += 1
        if self.error is not None:
            raise self.error
        first = min((message["at"] for message in self.messages), default=float("inf"))
        waited = min(max(first - self.clock.now, 0), request["WaitTimeSeconds"])
        self.clock.now += waited
        found = [message for message in self.messages if message["at"] <= self.clock.now]
        found = found[: request["MaxNumberOfMessages"]]
        for message in found:
            message["at"] = self.clock.now + request["VisibilityTimeout"]
        shown = [{key: message[key] for key in ("Body", "ReceiptHandle")} for message in found]
        return {"Messages": shown} if shown else {}

    def delete_message_batch(self, **request: Any) -> dict[str, Any]:
        check_request("sqs", "DeleteMessageBatch", request)
        gone = {entry["ReceiptHandle"] for entry in request["Entries"]}
        self.messages = [message for message in self.messages if message["ReceiptHandle"] not in gone]
        return {"Successful": [], "Failed": []}
