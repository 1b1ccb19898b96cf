"""What jobs printed, from CloudWatch Logs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final

from botocore.exceptions import ClientError

from runner.aws_clients import Answer, LogsClient
from runner.described_job import DescribedJob

QUIET_READS: Final = 2
"""Reads without an event, after a job's end, that end following it: CloudWatch lags behind the job by seconds."""

MAX_EVENTS: Final = 10_000
"""That one call may ask for. https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html"""


@dataclass(frozen=True)
class LogLine:
    """One line of output."""

    at: int
    """Milliseconds since the epoch."""
    text: str


class LogReader:
    """Reads streams, remembering how far it has read each."""

    def __init__(self, logs: LogsClient) -> None:
        self._logs = logs
        self._tokens: dict[tuple[str, str], str] = {}

    def news(self, group: str, stream: str) -> Iterator[LogLine]:
        """Everything that was not read from this stream before; nothing for a stream that does not exist yet."""
        key = (group, stream)
        while True:
            start = {"nextToken": self._tokens[key]} if key in self._tokens else {}
            answer = self._get(group, stream, startFromHead=True, **start)
            if answer is None:
                return
            yield from _lines(answer)
            token = answer["nextForwardToken"]
            # The end of a stream is told by the token that was sent.
            if token == self._tokens.get(key):
                return
            self._tokens[key] = token

    def tail(self, group: str, stream: str, count: int) -> list[LogLine]:
        """The last lines of a stream; `news` then goes on behind them."""
        found: list[LogLine] = []
        start: dict[str, str] = {}
        while len(found) < count:
            answer = self._get(group, stream, startFromHead=False, limit=min(count, MAX_EVENTS), **start)
            if answer is None:
                break
            if not start:
                self._tokens[group, stream] = answer["nextForwardToken"]
            found = _lines(answer) + found
            # A page may be short, or empty, though there is more before it: only a repeated token tells the beginning.
            if answer["nextBackwardToken"] == start.get("nextToken"):
                break
            start = {"nextToken": answer["nextBackwardToken"]}
        return found[-count:]

    def _get(self, group: str, stream: str, **request: Any) -> Answer | None:
        try:
            return self._logs.get_log_events(logGroupName=group, logStreamName=stream, **request)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return None
            raise


def _lines(answer: Answer) -> list[LogLine]:
    return [LogLine(event["timestamp"], event["message"].rstrip("\n")) for event in answer["events"]]


def read(reader: LogReader, job: DescribedJob, attempt: int | None) -> Iterator[tuple[int, LogLine]]:
    """Attempt and line, for everything that a job has printed since the last read: of one attempt, or of all."""
    numbers = range(1, max(job.attempt, len(job.attempts)) + 1) if attempt is None else (attempt,)
    for number in numbers:
        stream = job.log_stream_of(number)
        if stream is not None:
            for line in reader.news(job.log_group, stream):
                yield number, line


def follow(
    reader: LogReader,
    look: Callable[[], DescribedJob],
    attempt: int | None,
    sleep: Callable[[float], None],
    interval_seconds: float,
    is_over: Callable[[DescribedJob], bool] = attrgetter("is_terminal"),
) -> Iterator[tuple[int, LogLine]]:
    """As `read`, until the job has ended and said nothing more. `is_over` tells the end where the job does not."""
    quiet = 0
    while quiet < QUIET_READS:
        job = look()
        has_news = False
        for entry in read(reader, job, attempt):
            has_news = True
            yield entry
        quiet = quiet + 1 if is_over(job) and not has_news else 0
        if quiet < QUIET_READS:
            sleep(interval_seconds)
