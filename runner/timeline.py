"""When jobs waited and ran, in per cent of the time that a run took."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
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


def timeline(state: RunState, now_ms: float, *, by_group: bool = False) -> Timeline | None:
    """The bars of every job that was created, task by task; None where there is none.

    `by_group` a row holds what people call by one name: the stretch from the first start to the last end.
    """
    stories = {name: story for name, story in _stories(state, by_group=by_group) if story.job.created_at}
    if not stories:
        return None
    jobs = [story.job for story in stories.values()]
    start = min(job.created_at or now_ms for job in jobs)
    end = max(job.stopped_at if job.is_terminal and job.stopped_at else now_ms for job in jobs)
    if state.is_over:
        end = max((job.stopped_at or start for job in jobs), default=end)
    scale = _Scale(start, max(end - start, 1))
    rows = []
    for name, story in stories.items():
        bars = tuple(_whole_bars(story.job, scale, end) if story.is_whole else _bars(story.job, scale, start, end))
        rows.append(Row(name, bars, "; ".join(bar.text for bar in bars) or story.note))
    return Timeline(tuple(rows), _ticks(scale.span))


@dataclass(frozen=True)
class _Story:
    job: DescribedJob
    note: str
    is_whole: bool
    """Whether the job stands for several tasks, so that its attempts do not tell when they ran."""


def _stories(state: RunState, *, by_group: bool) -> Iterator[tuple[str, _Story]]:
    if not by_group:
        for name, task in zip(state.tasks, state.tasks.values(), strict=True):
            if task.job is not None:
                yield name, _Story(task.job, task.note, is_whole=False)
        return
    for group in state.groups():
        jobs = [state.jobs[request] for request in group.requests if request in state.jobs]
        if len(jobs) == 1 and jobs[0].array is None:
            yield group.name, _Story(jobs[0], group.text, is_whole=False)
        elif jobs:
            yield group.name, _Story(_joined(jobs), group.text, is_whole=True)


def _joined(jobs: Sequence[DescribedJob]) -> DescribedJob:
    """From the first of them to begin to the last to end, failed where one has."""
    stopped = [job.stopped_at for job in jobs if job.is_terminal]
    worst = next((job for job in jobs if not job.is_terminal), None)
    worst = worst or next((job for job in jobs if job.status == "FAILED"), jobs[0])
    return dataclasses.replace(
        worst,
        created_at=min((job.created_at for job in jobs if job.created_at), default=None),
        started_at=min((job.started_at for job in jobs if job.started_at), default=None),
        stopped_at=max((at for at in stopped if at), default=None) if worst.is_terminal else None,
    )


def _whole_bars(job: DescribedJob, scale: _Scale, end: float) -> list[Bar]:
    created, started = float(job.created_at or scale.start), job.started_at
    stopped = float(job.stopped_at) if job.is_terminal and job.stopped_at else end
    if started is None and job.array is not None and "SUCCEEDED" in job.array.counts:
        return [scale.bar(job.status.lower() if job.is_terminal else "running", created, stopped, "waited and ran")]
    if started is None:
        return [scale.bar("wait", created, stopped, "waited" if job.is_terminal else "has waited")]
    kind, text = ("running", "runs for") if not job.is_terminal else (job.status.lower(), "ran")
    waited = [scale.bar("wait", created, started, "waited")] if started > created else []
    return [*waited, scale.bar(kind, started, stopped, text)]


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
