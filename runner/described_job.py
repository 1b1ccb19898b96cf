"""Jobs as DescribeJobs tells them, with types; absent fields are None or empty."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

TERMINAL: Final = frozenset({"SUCCEEDED", "FAILED"})
DEFAULT_LOG_GROUP: Final = "/aws/batch/job"
"""Of job definitions that name none. https://docs.aws.amazon.com/batch/latest/userguide/using_awslogs.html"""

DEPENDENCY_FAILED: Final = "Dependent Job failed"
"""Batch's statusReason of a job that was never started because one that it depends on failed."""

TIMED_OUT: Final = "Job attempt duration exceeded timeout"


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One try of a job; times are milliseconds since the epoch."""

    started_at: int | None
    """None where the container never ran."""
    stopped_at: int | None
    exit_code: int | None
    reason: str
    """Of the container."""
    status_reason: str
    log_stream: str | None


@dataclass(frozen=True, kw_only=True)
class DescribedJob:
    """A job at one moment; times are milliseconds since the epoch."""

    job_id: str
    name: str
    status: str
    status_reason: str
    created_at: int | None
    started_at: int | None
    stopped_at: int | None
    attempts: tuple[Attempt, ...]
    """Those that have ended."""
    max_attempts: int
    exit_code: int | None
    reason: str
    log_group: str
    log_stream: str | None
    """Of the latest attempt, once it runs."""
    vcpus: float | None
    memory_mib: int | None
    is_stopped_by_user: bool
    """CancelJob or TerminateJob was accepted for it."""
    queue: str
    """The queue's name."""

    @property
    def is_terminal(self) -> bool:
        """Whether nothing more will happen."""
        return self.status in TERMINAL

    @property
    def attempt(self) -> int:
        """The number of the latest attempt, from 1; 0 before the first."""
        running = self.status in {"STARTING", "RUNNING"}
        return len(self.attempts) + (1 if running else 0)

    def log_stream_of(self, attempt: int) -> str | None:
        """The log stream of an attempt, from 1; None where it has none, or none yet."""
        if 1 <= attempt <= len(self.attempts):
            return self.attempts[attempt - 1].log_stream
        return self.log_stream if attempt == len(self.attempts) + 1 and not self.is_terminal else None


def from_detail(detail: Mapping[str, Any]) -> DescribedJob:
    """The job that a JobDetail of DescribeJobs, or a part of one that `to_detail` made, describes."""
    container = detail.get("container", {})
    needs = {entry["type"]: entry["value"] for entry in container.get("resourceRequirements", ())}
    options = container.get("logConfiguration", {}).get("options", {})
    vcpus = needs.get("VCPU", container.get("vcpus"))
    memory = needs.get("MEMORY", container.get("memory"))
    return DescribedJob(
        job_id=detail["jobId"],
        name=detail["jobName"],
        status=detail["status"],
        status_reason=detail.get("statusReason", ""),
        created_at=detail.get("createdAt") or None,
        # Batch writes 0 before the start.
        started_at=detail.get("startedAt") or None,
        stopped_at=detail.get("stoppedAt") or None,
        attempts=tuple(_attempt(attempt) for attempt in detail.get("attempts", ())),
        max_attempts=int(detail.get("retryStrategy", {}).get("attempts", 1) or 1),
        exit_code=container.get("exitCode"),
        reason=container.get("reason", ""),
        log_group=options.get("awslogs-group", DEFAULT_LOG_GROUP),
        log_stream=container.get("logStreamName"),
        vcpus=None if vcpus is None else float(vcpus),
        memory_mib=None if memory is None else int(memory),
        is_stopped_by_user=bool(detail.get("isCancelled") or detail.get("isTerminated")),
        queue=re.sub(r"^arn:.*job-queue/", "", detail.get("jobQueue", "")),
    )


def _attempt(answer: Mapping[str, Any]) -> Attempt:
    container = answer.get("container", {})
    return Attempt(
        started_at=answer.get("startedAt") or None,
        stopped_at=answer.get("stoppedAt") or None,
        exit_code=container.get("exitCode"),
        reason=container.get("reason", ""),
        status_reason=answer.get("statusReason", ""),
        log_stream=container.get("logStreamName"),
    )


_KEPT: Final = (
    "jobId",
    "jobName",
    "jobQueue",
    "status",
    "statusReason",
    "createdAt",
    "startedAt",
    "stoppedAt",
    "attempts",
    "retryStrategy",
    "isCancelled",
    "isTerminated",
)
_KEPT_OF_CONTAINER: Final = ("exitCode", "reason", "logStreamName", "resourceRequirements", "logConfiguration")


def to_keep(detail: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a JobDetail that `from_detail` reads: no command, no environment."""
    container = detail.get("container", {})
    kept = {key: detail[key] for key in _KEPT if key in detail}
    return {**kept, "container": {key: container[key] for key in _KEPT_OF_CONTAINER if key in container}}
