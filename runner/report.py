"""A run's report: one HTML page that needs nothing else and loads nothing."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import networkx as nx
from jinja2 import Environment, PackageLoader, StrictUndefined

from runner.described_job import DescribedJob
from runner.durations import duration, moment
from runner.failure_report import MAX_KINDS
from runner.graph_layout import Layout, lay_out
from runner.job_notes import explain_exit_code
from runner.logs import LogLine, LogReader
from runner.plan import Position, awaited
from runner.run_state import GroupState, RunState
from runner.task_state import FAILED_ALLOWED, NOT_RUN, TaskState
from runner.timeline import timeline

MAX_TAILS: Final = 40
"""Tasks whose output is shown, those that failed first: each costs a call and some space."""
TAIL_LINES: Final = 12
MAX_DRAWN_TASKS: Final = 250
"""Beyond that a drawing is no picture any more: a larger run is drawn, and told, group by group."""

MAX_FAILURES: Final = 10
"""Of a large run told at the top of its page; the others are counted by what they have in common."""

MAX_TOLD_TROUBLES: Final = 1000
"""Rows of the table of a large run, which has those that failed, then those that were not run."""

_SYMBOLS: Final[Mapping[str, str]] = {
    "SUCCEEDED": "✓",
    "FAILED": "✗",
    FAILED_ALLOWED: "✗",
    "FAILED ALLOWED": "✗",
    NOT_RUN: "⊘",
    "RUNNING": "▶",
    "STARTING": "▶",
    "NOT SUBMITTED": "·",
}


_TROUBLE: Final = ("FAILED", FAILED_ALLOWED, NOT_RUN)


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
    told = _told(state).values()
    ran = [task for task in told if task.job and task.job.log_stream]
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
    is_by_group = not _is_drawn(state)
    outcomes = {name: _outcome(task, log_tails.get(name, ()), now * 1000) for name, task in _told(state).items()}
    failed = [outcome for outcome in outcomes.values() if outcome.status == "FAILED"]
    shown = failed[:MAX_FAILURES] if is_by_group else failed
    return environment.get_template("report.html.j2").render(
        run_id=state.record.run_id,
        workflow=state.record.workflow,
        status=state.status,
        css_class=_css_class(state.status),
        facts=_facts(state, now),
        graph=_graph(state),
        boxes=_group_boxes(state) if is_by_group else outcomes,
        groups=[_GroupRow(group, _group_class(group)) for group in state.groups()] if is_by_group else [],
        timeline=timeline(state, now * 1000, by_group=True) if is_by_group else timeline(state, now * 1000),
        outcomes=outcomes,
        untold=sum(state.counts().get(status, 0) for status in _TROUBLE) - len(outcomes) if is_by_group else 0,
        failures=shown,
        more_failures=_kinds(state, leaving_out=len(shown)),
        tasks=state.layout.number_of_tasks,
        written=moment(now),
    )


@dataclass(frozen=True)
class _GroupRow:
    group: GroupState
    css_class: str

    @property
    def parts(self) -> list[tuple[str, str, int]]:
        """Status, class and number of tasks, in the order in which people are told."""
        return [(status, _css_class(status), number) for status, number in self.group.counts.items()]


@dataclass(frozen=True)
class _GroupBox:
    status: str
    css_class: str
    symbol: str
    note: str


def _is_drawn(state: RunState) -> bool:
    return state.layout.number_of_tasks <= MAX_DRAWN_TASKS


def _told(state: RunState) -> dict[str, TaskState]:
    """Tasks that the page tells of one by one: all of a small run, else those that failed or were not run."""
    if _is_drawn(state):
        told: Iterable[TaskState] = itertools.chain(
            state.tasks.values(), (task for task in state.failures() if task.name not in state.tasks)
        )
    else:
        told = itertools.islice(sorted(state.troubled(), key=lambda task: task.status == NOT_RUN), MAX_TOLD_TROUBLES)
    return {task.name: task for task in told}


def _kinds(state: RunState, *, leaving_out: int) -> list[str]:
    """The failures beyond the first ones, by group and reason."""
    alike = Counter((task.group, task.note) for task in itertools.islice(state.failures(), leaving_out, None))
    kinds = [f"{group}: {number:,} more failed: {note}" for (group, note), number in alike.most_common(MAX_KINDS)]
    unnamed = state.counts().get("FAILED", 0) - leaving_out - alike.total()
    return [*kinds, f"{unnamed:,} more failed, of which nothing is known yet"] if unnamed > 0 else kinds


def _graph(state: RunState) -> Layout | None:
    """The drawing of the tasks; of many that of the groups; None where these are too many as well."""
    if _is_drawn(state):
        drawn = {name: state.needed_tasks(position) for name, position in state.layout.tasks()}
        last = {name for name, position in state.layout.tasks() if state.record.requests[position.request].is_finally}
        return lay_out(_sparse(drawn, last))
    groups = state.layout.groups
    if len(groups) > MAX_DRAWN_TASKS:
        return None
    needs: dict[str, Sequence[str]] = {}
    for name, requests in groups.items():
        found = (
            state.record.requests[other.request].group
            for request in requests
            for other in awaited(state.record.requests, Position(request, None))
        )
        needs[name] = [other for other in dict.fromkeys(found) if other != name]
    last = {name for name, requests in groups.items() if state.record.requests[requests[0]].is_finally}
    try:
        return lay_out(_sparse(needs, last))
    except nx.NetworkXUnfeasible:
        # Groups may wait for parts of each other though no task does.
        return None


def _sparse(needs: Mapping[str, Sequence[str]], last: Collection[str]) -> dict[str, Sequence[str]]:
    """Tasks that wait for all others are drawn behind those that nobody else waits for."""
    needed = {other for name, others in needs.items() if name not in last for other in others}
    return {
        name: [other for other in others if other not in needed] if name in last else others
        for name, others in needs.items()
    }


def _group_boxes(state: RunState) -> dict[str, _GroupBox]:
    boxes = {}
    for group in state.groups():
        css_class = _group_class(group)
        word = css_class.upper().replace("-", " ")
        boxes[group.name] = _GroupBox(group.text, css_class, _SYMBOLS.get(word, "…"), group.note)
    return boxes


def _group_class(group: GroupState) -> str:
    """As its worst part is."""
    for status in ("FAILED", FAILED_ALLOWED, NOT_RUN):
        if status in group.counts:
            return _css_class(status)
    if group.is_over:
        return "succeeded"
    return "running" if {"RUNNING", "STARTING", "SUCCEEDED"} & set(group.counts) else "waiting"


def _facts(state: RunState, now: float) -> list[tuple[str, str]]:
    record = state.record
    end = state.stopped_at if state.is_over and state.stopped_at else now * 1000
    where = "local cloud" if record.target.local else record.target.region or "AWS"
    facts = [
        ("Submitted", moment(record.created_at)),
        ("Took" if state.is_over else "Running for", duration(end - record.created_at * 1000)),
        ("Tasks", ", ".join(f"{count:,} {status}" for status, count in state.counts().items())),
    ]
    if _is_drawn(state):
        jobs = [task.job for task in state.tasks.values() if task.job is not None]
        facts += [
            ("Attempts", str(sum(max(job.attempt, len(job.attempts)) for job in jobs))),
            ("vCPU time", duration(sum(_ran_ms(job, end) * (job.vcpus or 0) for job in jobs))),
        ]
    if state.lost_ms:
        facts.append(("Lost to reclaims", duration(state.lost_ms)))
    return [
        *facts,
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
    return status.lower().replace(" ", "-").replace("(", "").replace(")", "")
