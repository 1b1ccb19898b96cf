"""The one place where states of jobs are asked for, for one look or for following."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from batch_limits import MAX_JOBS_PER_DESCRIBE
from runner.aws_clients import Answer, BatchClient
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

BESIDE_EVENTS: Final = 60.0
"""Seconds between two answers while changes are pushed: events may be lost."""


def describe(batch: BatchClient, job_ids: Iterable[str]) -> dict[str, Answer]:
    """JobDetail by id, at most 100 ids a call; what Batch does not know is missing."""
    ids = list(dict.fromkeys(job_ids))
    found: dict[str, Answer] = {}
    for start in range(0, len(ids), MAX_JOBS_PER_DESCRIBE):
        answer = batch.describe_jobs(jobs=ids[start : start + MAX_JOBS_PER_DESCRIBE])
        found |= {detail["jobId"]: detail for detail in answer["jobs"]}
    return found


class Describer:
    """Asks about jobs again and again, and raises ServiceError for one that Batch has stopped to know."""

    def __init__(self, batch: BatchClient, pace: Pace, clock: Callable[[], float]) -> None:
        self._batch = batch
        self._pace = pace
        self._clock = clock
        self._missed: dict[str, int] = {}

    def ask(self, submitted_at: Mapping[str, float]) -> dict[str, Answer]:
        """JobDetail by id. `submitted_at` holds the jobs, and when they were made in seconds on the clock."""
        answers = describe(self._batch, submitted_at)
        now = self._clock()
        for job, at in submitted_at.items():
            if job in answers or now - at < NEW_JOB_SECONDS:
                self._missed.pop(job, None)
                continue
            self._missed[job] = self._missed.get(job, 0) + 1
            if self._missed[job] >= self._pace.missing_polls:
                raise ServiceError(
                    f"job {job}: Batch describes a job until at least 7 days after its end, got no answer about it "
                    f"{self._missed[job]} times in a row; look for it in the Batch console of this account and region"
                )
        return answers


class Pauses:
    """The pauses between answers, by a pace."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._last = 0.0

    def after(self, *, has_news: bool) -> float:
        """Seconds to wait after an answer."""
        longer = min(self._last * self._pace.growth, self._pace.longest_seconds)
        self._last = self._pace.first_seconds if has_news or not self._last else longer
        return self._last


def differs(old: Answer | None, new: Answer) -> bool:
    """Whether an answer about a job brings news."""
    return old is None or _news(old) != _news(new)


def _news(detail: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        detail["status"],
        detail.get("statusReason"),
        len(detail.get("attempts", ())),
        detail.get("startedAt"),
        detail.get("arrayProperties", {}).get("statusSummary"),
    )
