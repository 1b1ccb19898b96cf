"""A run's report: one HTML page that needs nothing else and loads nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from runner.described_job import DescribedJob
from runner.durations import duration, moment
from runner.graph_layout import lay_out
from runner.logs import LogLine, LogReader
from runner.run_state import RunState, TaskState, explain_exit_code
from runner.timeline import timeline

MAX_TAILS: Final = 40
"""Tasks whose output is shown, those that failed first: each costs a call and some space."""
TAIL_LINES: Final = 12
MAX_DRAWN_TASKS: Final = 250
"""Beyond that a drawing is no picture any more."""

_SYMBOLS: Final[Mapping[str, str]] = {
    "SUCCEEDED": "✓",
    "FAILED": "✗",
    "NOT RUN": "⊘",
    "RUNNING": "▶",
    "STARTING": "▶",
    "NOT SUBMITTED": "·",
}


@dataclass(frozen=True)
class Outcome:
    """A row of the report's table."""

    name: str
    status: str
    css_class: str
    symbol: str
    attempts: str
    exit_code: str
    waited: str
    ran: str
    size: str
    job_id: str
    note: str
    log: str
    """Where its output is: group and stream."""
    tail: tuple[str, ...]


def write_report(path: Path, state: RunState, reader: LogReader, now: float) -> None:
    """Write the page; `now` is seconds since the epoch."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(state, tails(state, reader), now), encoding="utf-8")


def tails(state: RunState, reader: LogReader) -> dict[str, list[LogLine]]:
    """The last lines of output by task, for as many tasks as the report shows."""
    ran = [task for task in state.tasks.values() if task.job and task.job.log_stream]
    ran.sort(key=lambda task: task.status != "FAILED")
    found = {}
    for task in ran[:MAX_TAILS]:
        if task.job is not None and task.job.log_stream is not None:
            found[task.name] = reader.tail(task.job.log_group, task.job.log_stream, TAIL_LINES)
    return found


def render(state: RunState, log_tails: Mapping[str, Sequence[LogLine]], now: float) -> str:
    """The page as text: the same input gives the same bytes."""
    environment = Environment(
        loader=PackageLoader("runner"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    needs = {name: task.needs for name, task in state.tasks.items()}
    outcomes = {name: _outcome(task, log_tails.get(name, ()), now * 1000) for name, task in state.tasks.items()}
    return environment.get_template("report.html.j2").render(
        run_id=state.record.run_id,
        workflow=state.record.workflow,
        status=state.status,
        css_class=_css_class(state.status),
        facts=_facts(state, now),
        graph=lay_out(needs) if len(needs) <= MAX_DRAWN_TASKS else None,
        timeline=timeline(state, now * 1000),
        outcomes=outcomes,
        failures=[outcomes[task.name] for task in state.failures()],
        written=moment(now),
    )


def _facts(state: RunState, now: float) -> list[tuple[str, str]]:
    record = state.record
    jobs = [task.job for task in state.tasks.values() if task.job is not None]
    stopped = [job.stopped_at for job in jobs if job.stopped_at]
    end = max(stopped) if state.is_over and stopped else now * 1000
    vcpu_ms = sum(_ran_ms(job, end) * (job.vcpus or 0) for job in jobs)
    where = "local cloud" if record.target.local else record.target.region or "AWS"
    return [
        ("Submitted", moment(record.created_at)),
        ("Took" if state.is_over else "Running for", duration(end - record.created_at * 1000)),
        ("Tasks", ", ".join(f"{count} {status}" for status, count in state.counts().items())),
        ("Attempts", str(sum(max(job.attempt, len(job.attempts)) for job in jobs))),
        ("vCPU time", duration(vcpu_ms)),
        ("Where", f"{where}, deployment {record.target.deployment}"),
        ("Results", f"s3://{record.bucket}/{record.prefix}"),
    ]


def _outcome(task: TaskState, tail: Sequence[LogLine], now_ms: float) -> Outcome:
    job = task.job
    status = "BLOCKED" if task.is_blocked else task.status
    fields: dict[str, Any] = dict.fromkeys(("attempts", "exit_code", "waited", "ran", "size", "log"), "")
    if job is not None:
        fields = _job_fields(job, now_ms)
    return Outcome(
        name=task.name,
        status=status,
        css_class=_css_class(status),
        symbol=_SYMBOLS.get(status, "…"),
        job_id=task.job_id or "",
        note=task.note,
        tail=tuple(line.text for line in tail),
        **fields,
    )


def _job_fields(job: DescribedJob, now_ms: float) -> dict[str, str]:
    starts = [attempt.started_at for attempt in job.attempts if attempt.started_at]
    first_start = min(starts, default=job.started_at)
    end_of_wait = first_start or job.stopped_at or now_ms
    has_run = bool(first_start)
    size = f"{job.vcpus:g} vCPU, {job.memory_mib} MiB" if job.vcpus and job.memory_mib else ""
    return {
        "attempts": f"{job.attempt} of {job.max_attempts}" if job.attempt else "",
        "exit_code": explain_exit_code(job.exit_code).removeprefix("exit code "),
        "waited": duration(end_of_wait - job.created_at) if job.created_at else "",
        "ran": duration(_ran_ms(job, now_ms)) if has_run else "",
        "size": size,
        "log": f"{job.log_group} {job.log_stream}" if job.log_stream else "",
    }


def _ran_ms(job: DescribedJob, now_ms: float) -> float:
    ended = sum(
        attempt.stopped_at - attempt.started_at for attempt in job.attempts if attempt.started_at and attempt.stopped_at
    )
    running = now_ms - job.started_at if job.status == "RUNNING" and job.started_at else 0
    return ended + running


def _css_class(status: str) -> str:
    return status.lower().replace(" ", "-")
