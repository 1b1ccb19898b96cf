"""All that is known of a failure, in one place: nothing about it needs the console."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from runner.described_job import Attempt, DescribedJob
from runner.durations import duration
from runner.logs import LogLine, LogReader
from runner.run_state import RunState, TaskState, explain_exit_code

TAIL_LINES: Final = 20


def failure_reports(state: RunState, reader: LogReader) -> str:
    """A report for each task that failed by itself, then the tasks that were not run because of them."""
    reports = [
        failure_report(state.record.run_id, task, task.job, _tail(task.job, reader), state.record.target.options())
        for task in state.failures()
        if task.job is not None
    ]
    victims = [f"{task.name}: {task.note}" for task in state.tasks.values() if task.failed_dependency]
    missing = [f"{task.name}: was never submitted" for task in state.tasks.values() if task.job_id is None]
    return "\n".join([*reports, *victims, *missing])


def failure_report(run_id: str, task: TaskState, job: DescribedJob, tail: Sequence[LogLine], options: str) -> str:
    """One task's failure."""
    lines = [f"{task.name} failed: {task.note}", f"  job     {job.name}", f"  id      {job.job_id}"]
    lines.append(f"  status  {job.status}: {job.status_reason or 'no reason given'}")
    if job.reason:
        lines.append(f"  reason  {job.reason}")
    for number, attempt in enumerate(job.attempts, start=1):
        lines.append(f"  attempt {number} of {job.max_attempts}: {_attempt(attempt)}")
    if not job.attempts:
        lines.append("  attempt none: it never got to a host")
    stream = job.log_stream_of(len(job.attempts))
    if tail:
        lines.append(f"  last lines of {job.log_group} {stream}:")
        lines += [f"    | {line.text}" for line in tail]
    elif stream:
        lines.append(f"  no output in {job.log_group} {stream}")
    lines.append(f"  all of it: hpc logs {run_id} {task.name}{options}")
    return "\n".join(lines) + "\n"


def _attempt(attempt: Attempt) -> str:
    ran = ""
    if attempt.started_at is None:
        ran = "never ran"
    elif attempt.stopped_at is not None:
        ran = f"ran {duration(attempt.stopped_at - attempt.started_at)}"
    said = (explain_exit_code(attempt.exit_code), attempt.reason, attempt.status_reason, ran)
    return ", ".join(part for part in said if part)


def _tail(job: DescribedJob, reader: LogReader) -> list[LogLine]:
    stream = job.log_stream_of(len(job.attempts))
    return reader.tail(job.log_group, stream, TAIL_LINES) if stream else []
