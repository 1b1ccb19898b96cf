"""Changes of jobs, pushed: what an SQS queue of EventBridge's events says of the jobs of a run.

A message is a hint to ask, not the record: it may come late, twice, out of order, or to another who waits at the queue.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from runner.aws_clients import Answer, SqsClient

LONGEST_WAIT_SECONDS: Final = 20
"""Of one ReceiveMessage. https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html"""

HIDDEN_SECONDS: Final = 5
"""How long a message that was not taken stays out of the sight of those whom it is for."""

AFTER_OTHERS_SECONDS: Final = 1.0
"""Pause where all that came was for others: they are to find it."""

_MESSAGES: Final = 10
"""That one call can bring; the queue is asked so often in a row while it brings some of ours."""


@dataclass(frozen=True)
class JobEvent:
    """A job, a child of an array or a node has changed."""

    job_id: str
    detail: Mapping[str, Any]
    """Nearly a JobDetail."""

    @property
    def whole_id(self) -> str:
        """Of the array, or the multi-node job, that it is a part of; else of the job itself."""
        return self.job_id.replace("#", ":").partition(":")[0]


class JobEvents:
    """Waits at a queue for changes of some jobs."""

    def __init__(self, sqs: SqsClient, url: str, *, sleep: Callable[[float], None]) -> None:
        self._sqs = sqs
        self._url = url
        self._sleep = sleep

    def wait(self, job_ids: Collection[str], seconds: float, clock: Callable[[], float]) -> list[JobEvent]:
        """What has changed of these jobs, of their children and nodes, as soon as something has; empty after `seconds`.

        Raises ClientError or BotoCoreError where the queue cannot be read.
        """
        until = clock() + seconds
        found: list[JobEvent] = []
        while (left := until - clock()) > 0:
            messages = self._receive(min(int(left), LONGEST_WAIT_SECONDS))
            found += self._taken(messages, job_ids)
            if found:
                return found + self._rest(job_ids)
            if messages or left < 1:
                self._sleep(min(AFTER_OTHERS_SECONDS, left))
        return found

    def _rest(self, job_ids: Collection[str]) -> list[JobEvent]:
        """What has come meanwhile: an array that starts says so once for each child, and is asked about once."""
        found: list[JobEvent] = []
        for _ in range(_MESSAGES):
            events = self._taken(self._receive(0), job_ids)
            if not events:
                break
            found += events
        return found

    def _receive(self, seconds: int) -> Sequence[Answer]:
        answer = self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=_MESSAGES,
            WaitTimeSeconds=seconds,
            VisibilityTimeout=HIDDEN_SECONDS,
        )
        messages: Sequence[Answer] = answer.get("Messages", ())
        return messages

    def _taken(self, messages: Sequence[Answer], job_ids: Collection[str]) -> list[JobEvent]:
        events = [(message, _event(str(message.get("Body", "")))) for message in messages]
        ours = [(message, event) for message, event in events if event is not None and event.whole_id in job_ids]
        if ours:
            self._sqs.delete_message_batch(
                QueueUrl=self._url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                    for number, (message, _) in enumerate(ours)
                ],
            )
        return [event for _, event in ours]


class Waiting:
    """Pauses until something may have changed: at a queue of events while that can be read, else for a time."""

    def __init__(
        self,
        events: JobEvents | None,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        say: Callable[[str], None],
    ) -> None:
        self._events = events
        self._clock = clock
        self._sleep = sleep
        self._say = say

    @property
    def is_pushed(self) -> bool:
        """Whether changes are told by themselves."""
        return self._events is not None

    def __call__(self, job_ids: Collection[str], seconds: float, otherwise_seconds: float) -> list[JobEvent]:
        """What was heard within `seconds`; `otherwise_seconds` is the pause where nothing can be heard."""
        if self._events is not None:
            try:
                return self._events.wait(job_ids, seconds, self._clock)
            except (ClientError, BotoCoreError) as error:
                self._events = None
                self._say(f"job events: cannot be read, jobs are asked about instead: {error}")
        self._sleep(otherwise_seconds)
        return []


def _event(body: str) -> JobEvent | None:
    """What a message says; None for one that is not about a job."""
    try:
        said = json.loads(body)
        detail = said["detail"]
        return JobEvent(str(detail["jobId"]), detail) if said["source"] == "aws.batch" else None
    except (ValueError, KeyError, TypeError):
        return None
