"""What became of a job, as every --json tells it."""

from __future__ import annotations

from typing import Any

from runner.described_job import DescribedJob


def job_document(job: DescribedJob) -> dict[str, Any]:
    """Queue, reasons, times, exit code, attempts and logs."""
    return {
        "queue": job.queue,
        "status_reason": job.status_reason or None,
        "created_at_ms": job.created_at,
        "started_at_ms": job.started_at,
        "stopped_at_ms": job.stopped_at,
        "exit_code": job.exit_code,
        "reason": job.reason or None,
        "attempts": [
            {
                "started_at_ms": attempt.started_at,
                "stopped_at_ms": attempt.stopped_at,
                "exit_code": attempt.exit_code,
                "reason": attempt.reason or None,
                "status_reason": attempt.status_reason or None,
                "log_stream": attempt.log_stream,
            }
            for attempt in job.attempts
        ],
        "log_group": job.log_group,
        "log_stream": job.log_stream,
    }
