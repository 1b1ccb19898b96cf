"""Which children of an array failed, and how: asked for once the array as a whole says that some did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from runner.aws_clients import Answer, BatchClient
from runner.described_job import DEPENDENCY_FAILED, DescribedJob, to_keep
from runner.describer import describe

MAX_DESCRIBED: Final = 100
"""Children of one array whose attempts are asked for: one call. Of the others ListJobs told reason and exit code."""

PAGE: Final = 1000
"""Rows of ListJobs with a jobStatus. https://docs.aws.amazon.com/batch/latest/APIReference/API_ListJobs.html"""


class FailedChildren:
    """Asks for the children of arrays that failed."""

    def __init__(self, batch: BatchClient) -> None:
        self._batch = batch

    def news(self, array: DescribedJob, known: Mapping[int, Answer]) -> dict[int, dict[str, Any]]:
        """By index, what is to be kept of children that failed and are not known yet; empty where there are none.

        While the array goes on, one page at most is asked for, and no more once that many are known: the whole counts
        them anyway. When it has ended, all of them are.
        """
        number = array.array.counts.get("FAILED", 0) if array.array else 0
        failed = sum(detail["status"] == "FAILED" for detail in known.values())
        if failed >= (number if array.is_terminal else min(number, PAGE)):
            return {}
        rows = self._rows(array.job_id, is_complete=array.is_terminal)
        new = {child: row for child, row in rows.items() if known.get(child, {}).get("status") != "FAILED"}
        return new | self._described(array.job_id, new, MAX_DESCRIBED - failed)

    def _described(self, array_id: str, rows: Mapping[int, Answer], most: int) -> dict[int, dict[str, Any]]:
        """With attempts and logs, which rows do not tell. What was never started has none."""
        wanted = [child for child in sorted(rows) if rows[child].get("statusReason") != DEPENDENCY_FAILED]
        found = describe(self._batch, [f"{array_id}:{child}" for child in wanted[: max(most, 0)]])
        return {_index(job_id): to_keep(detail) for job_id, detail in found.items() if detail["status"] == "FAILED"}

    def _rows(self, array_id: str, *, is_complete: bool) -> dict[int, dict[str, Any]]:
        found: dict[int, dict[str, Any]] = {}
        token: dict[str, str] = {}
        while True:
            answer = self._batch.list_jobs(arrayJobId=array_id, jobStatus="FAILED", maxResults=PAGE, **token)
            found |= {_index(row["jobId"]): to_keep(row) for row in answer["jobSummaryList"]}
            if not answer.get("nextToken") or not is_complete:
                return found
            token = {"nextToken": answer["nextToken"]}


def _index(job_id: str) -> int:
    return int(job_id.rpartition(":")[2])
