"""Job states and the table of transitions between them.

Source: https://docs.aws.amazon.com/batch/latest/userguide/job_states.html
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final


class JobStatus(enum.StrEnum):
    """The seven states of a job, in the order in which a job goes through them."""

    SUBMITTED = "SUBMITTED"
    PENDING = "PENDING"
    RUNNABLE = "RUNNABLE"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"

    @property
    def is_terminal(self) -> bool:
        """Nothing happens to a job in this state any more."""
        return self in (JobStatus.SUCCEEDED, JobStatus.FAILED)

    @property
    def is_placed(self) -> bool:
        """The job holds capacity of a compute environment."""
        return self in (JobStatus.STARTING, JobStatus.RUNNING)


class Change(enum.StrEnum):
    """What can happen to a job."""

    WAIT = "wait for dependencies"
    RELEASE = "dependencies satisfied"
    PLACE = "place on a compute environment"
    START = "container started"
    SUCCEED = "succeed"
    RETRY = "retry"
    FAIL = "fail"


_S = JobStatus
TRANSITIONS: Final[Mapping[tuple[JobStatus, Change], JobStatus]] = MappingProxyType(
    {
        (_S.SUBMITTED, Change.WAIT): _S.PENDING,
        (_S.SUBMITTED, Change.RELEASE): _S.RUNNABLE,
        (_S.SUBMITTED, Change.FAIL): _S.FAILED,
        (_S.PENDING, Change.RELEASE): _S.RUNNABLE,
        (_S.PENDING, Change.FAIL): _S.FAILED,
        (_S.RUNNABLE, Change.PLACE): _S.STARTING,
        (_S.RUNNABLE, Change.FAIL): _S.FAILED,
        (_S.STARTING, Change.START): _S.RUNNING,
        (_S.STARTING, Change.RETRY): _S.RUNNABLE,
        (_S.STARTING, Change.FAIL): _S.FAILED,
        (_S.RUNNING, Change.SUCCEED): _S.SUCCEEDED,
        (_S.RUNNING, Change.RETRY): _S.RUNNABLE,
        (_S.RUNNING, Change.FAIL): _S.FAILED,
    }
)


class IllegalTransitionError(Exception):
    """An event that the job's state does not allow; nothing was changed."""

    def __init__(self, job_id: str, status: JobStatus, change: Change, story: tuple[JobStatus, ...]) -> None:
        path = " -> ".join(story)
        super().__init__(f"job {job_id}: a {status} job cannot {change}, after {path}")


def next_status(job_id: str, status: JobStatus, change: Change, story: tuple[JobStatus, ...]) -> JobStatus:
    """The state after `change`; raises IllegalTransitionError with the job's story where the table has no such row."""
    try:
        return TRANSITIONS[status, change]
    except KeyError:
        raise IllegalTransitionError(job_id, status, change, story) from None
