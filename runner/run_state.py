"""A run at one moment: every task, its job, and what to make of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from runner.described_job import DEPENDENCY_FAILED, TIMED_OUT, DescribedJob
from runner.job_document import job_document
from runner.ledger import RunRecord

NOT_RUN: Final = "NOT RUN"
"""A task whose job Batch failed without starting it, because of another task."""

NOT_SUBMITTED: Final = "NOT SUBMITTED"
UNKNOWN: Final = "UNKNOWN"
"""Submitted, but Batch does not, or not yet, know the job."""

_ADVICE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "CAPACITY:": "AWS has no such instance free at present: wait, or allow more instance types or zones",
        "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE": "lower the task's vcpus, or raise the maximum "
        "vCPUs of the compute environment",
        "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT": "lower the task's vcpus or memory_mib, use a queue with larger "
        "machines, or on a local cloud give it more: hpc local up --vcpus N --memory-mib N",
        "MISCONFIGURATION:EC2_INSTANCE_CONFIGURATION_UNSUPPORTED": "correct the instance types of the compute "
        "environment",
        "MISCONFIGURATION:SERVICE_ROLE_PERMISSIONS": "give Batch's service role back its permissions",
        "ACTION_REQUIRED": "a compute environment of the queue is INVALID: its statusReason says why",
        "UNDETERMINED": "see https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable.html",
    }
)
"""Beginning of the statusReason of a RUNNABLE job -> what to do.

Source: https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable.html
"""

_SIGNALS: Final[Mapping[int, str]] = MappingProxyType(
    {
        126: "the command cannot be executed",
        127: "the command was not found",
        134: "SIGABRT: the program gave up",
        137: "SIGKILL: out of memory, or stopped",
        139: "SIGSEGV: a bad memory access",
        143: "SIGTERM: stopped",
    }
)


@dataclass(frozen=True, kw_only=True)
class TaskState:
    """One task at one moment."""

    name: str
    job_name: str
    needs: tuple[str, ...]
    job_id: str | None
    job: DescribedJob | None
    failed_dependency: str | None
    """The task whose own failure is why this one was not run."""

    @property
    def status(self) -> str:
        """Batch's word for the job's state, or one of ours where there is none or it would mislead."""
        if self.job is None:
            return UNKNOWN if self.job_id else NOT_SUBMITTED
        return NOT_RUN if self.failed_dependency else self.job.status

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.job.is_terminal if self.job else self.job_id is None

    @property
    def is_blocked(self) -> bool:
        """Whether Batch has said that it cannot place the job."""
        return self.job is not None and _is_blocked(self.job)

    @property
    def note(self) -> str:
        """What a person should know beyond the status; empty for nothing."""
        job = self.job
        if self.failed_dependency:
            return f"not run: its dependency {self.failed_dependency} failed"
        if job is None:
            return "Batch does not know its job (yet)" if self.job_id else ""
        return job_note(job)


def job_note(job: DescribedJob) -> str:
    """What a person should know of a job beyond its status; empty for nothing."""
    if _is_blocked(job):
        return f"blocked: {job.status_reason} To do: {_advice(job.status_reason)}"
    if job.status == "FAILED":
        return _failure(job)
    if job.attempts and not job.is_terminal:
        return f"attempt {job.attempt or len(job.attempts) + 1} of {job.max_attempts}"
    return ""


def _is_blocked(job: DescribedJob) -> bool:
    return job.status == "RUNNABLE" and bool(job.status_reason)


def _advice(status_reason: str) -> str:
    return next(
        (text for beginning, text in _ADVICE.items() if status_reason.startswith(beginning)), _ADVICE["UNDETERMINED"]
    )


def _failure(job: DescribedJob) -> str:
    if job.is_stopped_by_user:
        return f"stopped: {job.status_reason}"
    if job.status_reason.startswith(TIMED_OUT):
        return "ran longer than its timeout"
    exit_code = explain_exit_code(job.exit_code)
    # Beside an exit code, "Essential container in task exited" says nothing.
    return ", ".join(part for part in (exit_code, job.reason) if part) or job.status_reason


def explain_exit_code(exit_code: int | None) -> str:
    """`exit code 137 (SIGKILL: …)`; empty for None."""
    if exit_code is None:
        return ""
    meaning = _SIGNALS.get(exit_code)
    return f"exit code {exit_code}" + (f" ({meaning})" if meaning else "")


@dataclass(frozen=True, kw_only=True)
class RunState:
    """All tasks of a run at one moment."""

    record: RunRecord
    tasks: Mapping[str, TaskState]

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return all(task.is_over for task in self.tasks.values())

    @property
    def has_succeeded(self) -> bool:
        """Whether every task has."""
        return all(task.status == "SUCCEEDED" for task in self.tasks.values())

    @property
    def status(self) -> str:
        """RUNNING, SUCCEEDED or FAILED."""
        if not self.is_over:
            return "RUNNING"
        return "SUCCEEDED" if self.has_succeeded else "FAILED"

    def failures(self) -> Iterator[TaskState]:
        """Tasks that failed by themselves, not because of another."""
        return (task for task in self.tasks.values() if task.status == "FAILED")

    def counts(self) -> dict[str, int]:
        """Number of tasks by status, in the order in which they first occur."""
        found: dict[str, int] = {}
        for task in self.tasks.values():
            found[task.status] = found.get(task.status, 0) + 1
        return found

    def document(self) -> dict[str, Any]:
        """For --json."""
        return {
            "run": self.record.run_id,
            "workflow": self.record.workflow,
            "status": self.status,
            "created_at": self.record.created_at,
            "bucket": self.record.bucket,
            "prefix": self.record.prefix,
            "tasks": [_document(task) for task in self.tasks.values()],
        }


def _document(task: TaskState) -> dict[str, Any]:
    job = task.job
    document: dict[str, Any] = {
        "task": task.name,
        "job_name": task.job_name,
        "job_id": task.job_id,
        "status": task.status,
        "needs": list(task.needs),
        "note": task.note or None,
    }
    if job is not None:
        document |= job_document(job)
    return document


def assemble(record: RunRecord, jobs: Mapping[str, DescribedJob]) -> RunState:
    """The state of a run from what is known of its jobs, by job id."""
    states: dict[str, TaskState] = {}
    for task in record.tasks:
        job_id = record.job_ids.get(task.name)
        job = jobs.get(job_id) if job_id else None
        states[task.name] = TaskState(
            name=task.name,
            job_name=task.job_name,
            needs=task.needs,
            job_id=job_id,
            job=job,
            failed_dependency=_failed_dependency(job, [states[name] for name in task.needs]) if job else None,
        )
    return RunState(record=record, tasks=MappingProxyType(states))


def _failed_dependency(job: DescribedJob, needed: list[TaskState]) -> str | None:
    was_never_placed = job.status == "FAILED" and not job.attempts and job.started_at is None
    if not was_never_placed or job.is_stopped_by_user:
        return None
    for task in needed:
        if task.failed_dependency:
            return task.failed_dependency
        if task.status == "FAILED":
            return task.name
    # Batch may tell the consequence before the cause.
    return needed[0].name if needed and job.status_reason == DEPENDENCY_FAILED else None
