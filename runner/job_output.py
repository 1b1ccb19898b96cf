"""The output of one job, also while it runs: of a multi-node job one node's, the main node's where none is named.

A multi-node job as a whole has no container and so, while it runs, no log stream; its nodes, jobs of their own (`ID#0`,
`ID#1`, ...), have one each. They are known from their start on, not before, and their end is not the job's: a node that
ended may be started again with the job's next attempt.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from itertools import islice

from runner import logs as job_logs
from runner.aws_clients import BatchClient
from runner.described_job import DescribedJob, from_detail
from runner.describer import NEW_JOB_SECONDS, describe
from runner.errors import ServiceError
from runner.logs import LogLine, LogReader


class JobOutput:
    """What a job, a child of an array (`ID:index`) or a node (`ID#index`) prints."""

    def __init__(self, batch: BatchClient, job_id: str, node: int | None = None) -> None:
        self._job_id, _, index = job_id.partition("#")
        self._node = int(index) if index else node
        self._batch = batch
        self._has_ended = False

    def look(self) -> DescribedJob | None:
        """The job, or the node, that prints; None where Batch does not know the job (yet), or it has no such node.

        A node that Batch does not know (yet) is told as its job, which has the main node's attempts and no other's.
        """
        found = self._describe(self._job_id, *([] if self._node is None else [f"{self._job_id}#{self._node}"]))
        whole = found.get(self._job_id)
        if whole is None or whole.nodes is None:
            self._has_ended = whole is not None and whole.is_terminal
            return whole if self._node is None else None
        main = whole.nodes.main or 0
        if self._node is None:
            self._node = main
            found |= self._describe(f"{self._job_id}#{main}")
        if self._node >= whole.nodes.count:
            return None
        node = found.get(f"{self._job_id}#{self._node}")
        if node is None:
            self._has_ended = whole.is_terminal
            return whole if self._node == main else dataclasses.replace(whole, attempts=(), log_stream=None)
        may_start_again = len(node.attempts) < whole.max_attempts
        self._has_ended = whole.is_terminal or (node.is_terminal and not may_start_again)
        # Batch tells only of the job as a whole how often it is tried.
        return dataclasses.replace(node, max_attempts=whole.max_attempts)

    def stream(self, attempt: int | None = None) -> tuple[str, str] | None:
        """Log group and stream of an attempt, from 1, of the latest where none is named; None for none (yet)."""
        job = self.look()
        if job is None:
            return None
        stream = job.log_stream_of(attempt) if attempt else job.log_stream_of(job.attempt) or job.log_stream
        return None if stream is None else (job.log_group, stream)

    def head(self, reader: LogReader, count: int | None, attempt: int | None = None) -> Iterator[LogLine]:
        """The first lines of an attempt, all of them for None; of the latest attempt where none is named."""
        where = self.stream(attempt)
        return iter(()) if where is None else islice(reader.news(*where), count)

    def tail(self, reader: LogReader, count: int, attempt: int | None = None) -> Iterator[LogLine]:
        """The last lines of an attempt, of the latest where none is named; `follow` then goes on behind them."""
        where = self.stream(attempt)
        return iter(()) if where is None else iter(reader.tail(*where, count))

    def follow(
        self,
        reader: LogReader,
        sleep: Callable[[float], None],
        interval_seconds: float,
        attempt: int | None = None,
    ) -> Iterator[tuple[int, LogLine]]:
        """Attempt and line, for all that was not read before, until the job has ended and its log has gone quiet.

        Raises ServiceError where Batch does not know the job for a minute, as it may not right after the submission.
        """
        missing_seconds = 0.0

        def look() -> DescribedJob:
            nonlocal missing_seconds
            while (job := self.look()) is None and missing_seconds < NEW_JOB_SECONDS:
                missing_seconds += interval_seconds
                sleep(interval_seconds)
            if job is None:
                raise ServiceError(
                    f"job {self._job_id}: is one that Batch knows, got no answer about it for "
                    f"{NEW_JOB_SECONDS:g} seconds; look for it in the Batch console of this account and region"
                )
            missing_seconds = 0.0
            return job

        return job_logs.follow(reader, look, attempt, sleep, interval_seconds, lambda _: self._has_ended)

    def _describe(self, *job_ids: str) -> dict[str, DescribedJob]:
        return {job_id: from_detail(detail) for job_id, detail in describe(self._batch, job_ids).items()}


def log_stream(batch: BatchClient, job_id: str, node: int | None = None) -> tuple[str, str] | None:
    """Log group and stream of what a job, or one of its nodes, prints; None where there is none (yet)."""
    return JobOutput(batch, job_id, node).stream()


def follow(
    batch: BatchClient,
    reader: LogReader,
    job_id: str,
    node: int | None,
    sleep: Callable[[float], None],
    interval_seconds: float,
) -> Iterator[LogLine]:
    """What a job, or one of its nodes, prints, until it has ended and its log has gone quiet."""
    return (line for _, line in JobOutput(batch, job_id, node).follow(reader, sleep, interval_seconds))
