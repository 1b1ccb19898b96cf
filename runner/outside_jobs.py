"""Jobs that a workflow did not make and waits for."""

from __future__ import annotations

from collections.abc import Iterable

from runner.aws_clients import BatchClient
from runner.describer import describe
from runner.errors import InputError
from runner.places import Places
from runner.planner import PlannedJob


def check_outside_jobs(jobs: Iterable[PlannedJob], batch: BatchClient, places: Places) -> None:
    """Return where every job that is waited for can still succeed; else raise InputError.

    Batch would fail a job that waits for another that failed already, and refuse one that waits for an id unknown to
    it, after what comes before it was submitted.
    """
    waiting = [(job, index, job_id) for job in jobs for index, job_id in enumerate(job.task.after)]
    known = describe(batch, [job_id for _, _, job_id in waiting]) if waiting else {}
    findings = []
    for job, index, job_id in waiting:
        detail = known.get(job_id)
        rule = None
        if detail is None:
            rule = f"is the id of a job that Batch knows, which it does until a week after its end, got {job_id!r}"
        elif detail["status"] == "FAILED":
            rule = f"is the id of a job that may still succeed, got {job_id!r}, which FAILED"
        if rule:
            findings.append(f"{places.where((*job.task.path, 'after', index))}: {rule}; correct it, or leave it out")
    if findings:
        raise InputError.of(findings)
