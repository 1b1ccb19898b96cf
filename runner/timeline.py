"""When jobs waited and ran, in per cent of the time that a run took."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from runner.described_job import Attempt, DescribedJob
from runner.durations import duration
from runner.run_state import RunState

_SHORTEST_PERCENT: Final = 0.4
"""A bar that could not be seen would say that nothing was there."""
_TICKS: Final = 6


@dataclass(frozen=True)
class Bar:
    """A stretch of time."""

    kind: str
    """wait, succeeded, failed or running."""
    left_percent: float
    width_percent: float
    text: str


@dataclass(frozen=True)
class Row:
    """A task's bars."""

    name: str
    bars: tuple[Bar, ...]
    text: str
    """The same in words."""


@dataclass(frozen=True)
class Tick:
    """A mark on the axis."""

    left_percent: float
    label: str


@dataclass(frozen=True)
class Timeline:
    """All rows and the axis."""

    rows: tuple[Row, ...]
    ticks: tuple[Tick, ...]


@dataclass(frozen=True)
class _Scale:
    start: float
    span: float

    def bar(self, kind: str, begin: float, end: float, text: str) -> Bar:
        left = 100 * (begin - self.start) / self.span
        width = max(100 * (end - begin) / self.span, _SHORTEST_PERCENT)
        return Bar(kind, round(left, 3), round(min(width, 100 - left), 3), f"{text} {duration(end - begin)}")


def timeline(state: RunState, now_ms: float) -> Timeline | None:
    """The bars of every job that was created; None where there is none."""
    jobs = {name: task.job for name, task in state.tasks.items() if task.job is not None and task.job.created_at}
    if not jobs:
        return None
    start = min(job.created_at or now_ms for job in jobs.values())
    end = max(job.stopped_at if job.is_terminal and job.stopped_at else now_ms for job in jobs.values())
    if state.is_over:
        end = max((job.stopped_at or start for job in jobs.values()), default=end)
    scale = _Scale(start, max(end - start, 1))
    rows = []
    for name, job in jobs.items():
        bars = tuple(_bars(job, scale, start, end))
        rows.append(Row(name, bars, "; ".join(bar.text for bar in bars) or state.tasks[name].note))
    return Timeline(tuple(rows), _ticks(scale.span))


def _bars(job: DescribedJob, scale: _Scale, start: float, end: float) -> list[Bar]:
    bars = []
    free_since = float(job.created_at or start)
    for number, attempt in enumerate(job.attempts, start=1):
        stopped = float(attempt.stopped_at or free_since)
        started = float(attempt.started_at or stopped)
        if started > free_since:
            bars.append(scale.bar("wait", free_since, started, "waited"))
        bars.append(scale.bar(_kind(attempt, job, number), started, stopped, f"attempt {number} ran"))
        free_since = stopped
    if not job.is_terminal:
        # Batch gives the latest attempt's start to the job as well.
        if job.status == "RUNNING" and job.started_at and job.started_at >= free_since:
            bars.append(scale.bar("wait", free_since, job.started_at, "waited"))
            bars.append(scale.bar("running", job.started_at, end, "runs for"))
        else:
            bars.append(scale.bar("wait", free_since, end, "has waited"))
    elif not job.attempts and job.stopped_at:
        bars.append(scale.bar("wait", free_since, job.stopped_at, "waited"))
    return bars


def _kind(attempt: Attempt, job: DescribedJob, number: int) -> str:
    is_last = number == len(job.attempts)
    return "succeeded" if is_last and job.status == "SUCCEEDED" and attempt.exit_code in {0, None} else "failed"


def _ticks(span_ms: float) -> tuple[Tick, ...]:
    step = _round_step(span_ms / _TICKS)
    count = int(span_ms // step)
    return tuple(Tick(round(100 * index * step / span_ms, 3), _axis_label(index * step)) for index in range(count + 1))


def _round_step(rough_ms: float) -> float:
    """The next larger step that people count in."""
    for step in (100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5, 144e5):
        if step >= rough_ms:
            return float(step)
    return math.ceil(rough_ms / 864e5) * 864e5


def _axis_label(milliseconds: float) -> str:
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:g} s"
    if milliseconds < 3_600_000:
        return f"{milliseconds / 60_000:g} min"
    return f"{milliseconds / 3_600_000:g} h"
