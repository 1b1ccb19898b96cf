"""Job states and the table of transitions between them.

Source: https://docs.aws.amazon.com/batch/latest/userguide/job_states.html
"""

from __future__ import annotations

import enum
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final


class JobStatus(enum.StrEnum):
    """The seven states of a job, in the order in which a job goes through them.

    An array job is only SUBMITTED, PENDING and then at its end.
    """

    SUBMITTED = "SUBMITTED"
    PENDING = "PENDING"
    RUNNABLE = "RUNNABLE"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"

    is_terminal: bool
    """Nothing happens to a job in this state any more."""

    is_placed: bool
    """The job holds capacity of a compute environment."""

    def __init__(self, value: str) -> None:
        # Attributes and not properties: they are asked for several times in every event.
        self.is_terminal = value in ("SUCCEEDED", "FAILED")
        self.is_placed = value in ("STARTING", "RUNNING")


class Change(enum.StrEnum):
    """What can happen to a job."""

    WAIT = "wait for dependencies"
    RELEASE = "dependencies satisfied"
    PLACE = "place on a compute environment"
    START = "container started"
    SUCCEED = "succeed"
    RETRY = "retry"
    FAIL = "fail"
    REVIVE = "start again with its job"
    """Of a node that had ended: its multi-node parallel job makes another attempt."""


_S = JobStatus
_LETTERS: Final = MappingProxyType(
    {
        _S.SUBMITTED: "s",
        _S.PENDING: "p",
        _S.RUNNABLE: "r",
        _S.STARTING: "t",
        _S.RUNNING: "n",
        _S.SUCCEEDED: "o",
        _S.FAILED: "x",
    }
)
_STATUSES: Final = MappingProxyType({letter: status for status, letter in _LETTERS.items()})

TRANSITIONS: Final[Mapping[tuple[JobStatus, Change], JobStatus]] = MappingProxyType(
    {
        (_S.SUBMITTED, Change.WAIT): _S.PENDING,
        (_S.SUBMITTED, Change.RELEASE): _S.RUNNABLE,
        (_S.SUBMITTED, Change.FAIL): _S.FAILED,
        (_S.PENDING, Change.RELEASE): _S.RUNNABLE,
        (_S.PENDING, Change.SUCCEED): _S.SUCCEEDED,
        (_S.PENDING, Change.FAIL): _S.FAILED,
        (_S.RUNNABLE, Change.PLACE): _S.STARTING,
        (_S.RUNNABLE, Change.FAIL): _S.FAILED,
        (_S.STARTING, Change.START): _S.RUNNING,
        (_S.STARTING, Change.RETRY): _S.RUNNABLE,
        (_S.STARTING, Change.FAIL): _S.FAILED,
        (_S.RUNNING, Change.SUCCEED): _S.SUCCEEDED,
        (_S.RUNNING, Change.RETRY): _S.RUNNABLE,
        (_S.RUNNING, Change.FAIL): _S.FAILED,
        (_S.SUCCEEDED, Change.REVIVE): _S.RUNNABLE,
        (_S.FAILED, Change.REVIVE): _S.RUNNABLE,
    }
)


class Story:
    """The states a job went through, a letter each: the many jobs that fared alike share one text."""

    BEGINNING: Final = sys.intern(_LETTERS[_S.SUBMITTED])

    @staticmethod
    def extended(story: str, status: JobStatus) -> str:
        """`story` and then `status`."""
        return sys.intern(story + _LETTERS[status])

    @staticmethod
    def told(story: str) -> str:
        """For people: `SUBMITTED -> RUNNABLE -> …`."""
        return " -> ".join(_STATUSES[letter] for letter in story)


class IllegalTransitionError(Exception):
    """An event that the job's state does not allow; nothing was changed."""

    def __init__(self, job_id: str, status: JobStatus, change: Change, story: str) -> None:
        super().__init__(f"job {job_id}: a {status} job cannot {change}, after {Story.told(story)}")
