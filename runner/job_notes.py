"""What a person should know of a job beyond its status: why it waits, why it failed, what to do."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from runner.described_job import TIMED_OUT, DescribedJob

_ADVICE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "CAPACITY:": "AWS has no such instance free at present: wait, or allow more instance types or zones",
        "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE": "lower the task's vcpus, or raise the maximum "
        "vCPUs of the compute environment",
        "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT": "lower the task's vcpus, memory_mib or gpus, use a queue with "
        "larger machines, or on a local cloud give it more: hpc local up --vcpus N --memory-mib N --gpus N",
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


def job_note(job: DescribedJob) -> str:
    """What a person should know of a job beyond its status; empty for nothing."""
    if is_blocked(job):
        return f"blocked: {job.status_reason} To do: {_advice(job.status_reason)}"
    if job.status == "FAILED":
        return _failure(job)
    if job.attempts and not job.is_terminal:
        return f"attempt {job.attempt or len(job.attempts) + 1} of {job.max_attempts}"
    return ""


def is_blocked(job: DescribedJob) -> bool:
    """Whether Batch has said that it cannot place the job."""
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
