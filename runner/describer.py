"""The one place where states of jobs are asked for, for one look or for following."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from batch_limits import MAX_JOBS_PER_DESCRIBE
from runner.aws_clients import Answer, BatchClient
from runner.described_job import TERMINAL
from runner.errors import ServiceError

NEW_JOB_SECONDS: Final = 60.0
"""How long a job may be missing from answers after its submission: DescribeJobs is eventually consistent."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How often to ask."""

    first_seconds: float
    longest_seconds: float
    growth: float = 1.5
    """What a pause is multiplied by after an answer without news; after one with news it is `first_seconds` again."""
    missing_polls: int = 5
    """Answers in a row without a job that Batch ought to know, after which following it is an error."""


ON_AWS: Final = Pace(first_seconds=2.0, longest_seconds=15.0)
ON_LOCAL_CLOUD: Final = Pace(first_seconds=0.1, longest_seconds=1.0)


def describe(batch: BatchClient, job_ids: Iterable[str]) -> dict[str, Answer]:
    """JobDetail by id, at most 100 ids a call; what Batch does not know is missing."""
    ids = list(dict.fromkeys(job_ids))
    found: dict[str, Answer] = {}
    for start in range(0, len(ids), MAX_JOBS_PER_DESCRIBE):
        answer = batch.describe_jobs(jobs=ids[start : start + MAX_JOBS_PER_DESCRIBE])
        found |= {detail["jobId"]: detail for detail in answer["jobs"]}
    return found


class Follower:
    """Yields jobs whenever one of them has changed, until all have ended."""

    def __init__(
        self,
        batch: BatchClient,
        pace: Pace,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._batch = batch
        self._pace = pace
        self._clock = clock
        self._sleep = sleep

    def follow(self, submitted_at: Mapping[str, float]) -> Iterator[Mapping[str, Answer]]:
        """JobDetail by id, of all jobs known so far, after each answer that brought news.

        `submitted_at` holds seconds on the clock by job id. Raises ServiceError for a job that Batch has stopped to
        know before it ended.
        """
        known: dict[str, Answer] = {}
        missed: dict[str, int] = {}
        pause = self._pace.first_seconds
        while True:
            open_ids = [job for job in submitted_at if job not in known or known[job]["status"] not in TERMINAL]
            if not open_ids:
                return
            answers = describe(self._batch, open_ids)
            self._count_missing(open_ids, answers, missed, submitted_at)
            changed = {job: detail for job, detail in answers.items() if _differs(known.get(job), detail)}
            known |= answers
            if changed:
                yield dict(known)
                pause = self._pace.first_seconds
            else:
                pause = min(pause * self._pace.growth, self._pace.longest_seconds)
            if all(job in known and known[job]["status"] in TERMINAL for job in submitted_at):
                return
            self._sleep(pause)

    def _count_missing(
        self,
        asked: Iterable[str],
        answers: Mapping[str, Answer],
        missed: dict[str, int],
        submitted_at: Mapping[str, float],
    ) -> None:
        now = self._clock()
        for job in asked:
            if job in answers or now - submitted_at[job] < NEW_JOB_SECONDS:
                missed.pop(job, None)
                continue
            missed[job] = missed.get(job, 0) + 1
            if missed[job] >= self._pace.missing_polls:
                raise ServiceError(
                    f"job {job}: Batch describes a job until at least 7 days after its end, got no answer about it "
                    f"{missed[job]} times in a row; look for it in the Batch console of this account and region"
                )


def _differs(old: Answer | None, new: Answer) -> bool:
    return old is None or _news(old) != _news(new)


def _news(detail: Mapping[str, Any]) -> tuple[object, ...]:
    return detail["status"], detail.get("statusReason"), len(detail.get("attempts", ())), detail.get("startedAt")
