"""Jobs as ListJobs tells of them, page by page: of queues, of arrays, of multi-node jobs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from runner.aws_clients import Answer, BatchClient
from runner.described_job import DescribedJob, from_detail

OPEN: Final = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING")
"""States of jobs that have not ended, in the order in which a job passes through them."""

ALL: Final = (*OPEN, "SUCCEEDED", "FAILED")


def jobs_of_queue(batch: BatchClient, queue: str, states: Sequence[str]) -> list[DescribedJob]:
    """The jobs of a queue in these states; an array, or a multi-node job, is one of them.

    ListJobs takes one state a call. They are asked for in the order of a job's life, so that one which moves on
    meanwhile is not missed; one that is seen twice is told as it was last.
    """
    found: dict[str, DescribedJob] = {}
    for state in sorted(states, key=ALL.index):
        for row in _rows(batch, jobQueue=queue, jobStatus=state):
            found[row["jobId"]] = from_detail({"jobQueue": queue, **row})
    return list(found.values())


def parts_of(batch: BatchClient, whole: DescribedJob, states: Sequence[str]) -> list[DescribedJob]:
    """The children of an array, or the nodes of a multi-node job, in these states, by index; of others nothing."""
    if whole.array is None and whole.nodes is None:
        return []
    key = "arrayJobId" if whole.array else "multiNodeJobId"
    found: dict[str, DescribedJob] = {}
    for state in sorted(states, key=ALL.index):
        for row in _rows(batch, **{key: whole.job_id, "jobStatus": state}):
            found[row["jobId"]] = dataclasses.replace(from_detail(row), queue=whole.queue)
    return sorted(found.values(), key=lambda part: _index(part.job_id))


def named(batch: BatchClient, queue: str, name: str) -> list[DescribedJob]:
    """The jobs of a queue with exactly this name, in whatever state."""
    rows = _rows(batch, jobQueue=queue, filters=[{"name": "JOB_NAME", "values": [name]}])
    # The filter takes capitals and small letters for the same.
    return [from_detail({"jobQueue": queue, **row}) for row in rows if row["jobName"] == name]


def in_order(jobs: Iterable[DescribedJob]) -> list[DescribedJob]:
    """By state, in the order of a job's life; within a state the one that was started, or made, last comes last."""
    return sorted(jobs, key=lambda job: (ALL.index(job.status), job.started_at or 0, job.created_at or 0, job.job_id))


def _rows(batch: BatchClient, **request: Any) -> Iterator[Answer]:
    token: dict[str, str] = {}
    while True:
        answer = batch.list_jobs(**request, **token)
        yield from answer["jobSummaryList"]
        if not answer.get("nextToken"):
            return
        token = {"nextToken": answer["nextToken"]}


def _index(job_id: str) -> int:
    return int(job_id.replace("#", ":").partition(":")[2])
