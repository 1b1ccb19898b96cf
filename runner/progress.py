"""How a run is going, on stderr: a table that renews itself on a terminal, a line a change elsewhere."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from runner.durations import duration
from runner.job_notes import is_blocked, job_note
from runner.plan import Position
from runner.run_state import GroupState, RunState
from runner.task_state import FAILED_ALLOWED, NOT_RUN, NOT_SUBMITTED, WELL, TaskState

MAX_ROWS: Final = 25
"""Of the table; beyond them tasks are counted by status, so that it fits a screen."""

MAX_FAILED_ROWS: Final = 10
"""Children of arrays that failed, below the rows."""

MAX_SAID_GROUPS: Final = 250
"""A run of more tasks and arrays is told by its counts where there is no terminal."""

SECONDS_BETWEEN_COUNTS: Final = 1.0
"""Between two lines that count the same tasks."""

STYLES: Final = {
    "SUCCEEDED": "green",
    "FAILED": "bold red",
    FAILED_ALLOWED: "red",
    NOT_RUN: "yellow",
    "RUNNING": "bold cyan",
    "STARTING": "cyan",
    "RUNNABLE": "blue",
    "BLOCKED": "bold yellow",
}

Update = Callable[[RunState], None]


@contextmanager
def progress(console: Console, clock: Callable[[], float] = time.monotonic) -> Iterator[Update]:
    """A function that shows a state; the last one shown stays."""
    if not console.is_terminal:
        yield lines(console, clock)
        return
    latest: list[RunState] = []

    def render() -> Group | str:
        return table(latest[0], _now()) if latest else ""

    def update(state: RunState) -> None:
        latest[:] = [state]

    with Live(get_renderable=render, console=console, refresh_per_second=4, transient=False):
        yield update


def lines(console: Console, clock: Callable[[], float] = time.monotonic) -> Update:
    """A function that says each change in a line of its own, which leaves room for other output between them."""
    return _Lines(console, clock)


class _Lines:
    """A line for each change of a task's status, and one more where Batch says why it waits.

    Tasks of an array are told of by their counts, once a second at most; so are all tasks of a run of many.
    """

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        self._console = console
        self._clock = clock
        self._seen: dict[str, str] = {}
        self._said_at: dict[str, float] = {}

    def __call__(self, state: RunState) -> None:
        groups = state.groups()
        if len(groups) > MAX_SAID_GROUPS:
            self._say_counts("all", _counted(state.layout.number_of_tasks, state.counts()), is_over=state.is_over)
            return
        for group in groups:
            if group.size > 1:
                self._say_counts(group.name, group.text, is_over=group.is_over)
                continue
            task = alone(state, group)
            note = f"  {task.note}" if task.note else ""
            # What it waits for is said once, not whenever that gets less.
            self._say(task.name, f"{task.status}{note}", task.status if task.status == NOT_SUBMITTED else None)

    def _say_counts(self, name: str, text: str, *, is_over: bool) -> None:
        now = self._clock()
        if is_over or now - self._said_at.get(name, -SECONDS_BETWEEN_COUNTS) >= SECONDS_BETWEEN_COUNTS:
            self._say(name, f" {text}")
            self._said_at[name] = now

    def _say(self, name: str, text: str, news: str | None = None) -> None:
        """Say a text that was not said of it before; `news` is what decides where it is not the text."""
        news = news or text
        if self._seen.get(name) != news:
            self._console.print(Text(f"{time.strftime('%H:%M:%S')} {name} {text}"), soft_wrap=True)
        self._seen[name] = news


def table(state: RunState, now_ms: float) -> Group:
    """A row for each task that is a job, and for the tasks of each array; below, children that failed.

    What has ended well is only counted where there are many.
    """
    shown = Table(box=None, pad_edge=False)
    for heading in ("task", "status", "attempt", "time", ""):
        shown.add_column(heading, overflow="fold", no_wrap=heading not in {"task", ""})
    groups, hidden = state.groups(), 0
    if len(groups) > MAX_ROWS:
        # What has just failed or runs is what a person looks for.
        interesting = [group for group in groups if not _is_dull(group)]
        hidden = sum(group.size for group in groups) - sum(group.size for group in interesting[:MAX_ROWS])
        groups = interesting[:MAX_ROWS]
    for group in groups:
        if group.size > 1:
            shown.add_row(group.name, *_group_cells(state, group, now_ms))
        else:
            task = alone(state, group)
            shown.add_row(task.name, *_cells(task, now_ms))
    for task in _failed_children(state, MAX_FAILED_ROWS):
        shown.add_row(f"  {task.name}", *_cells(task, now_ms))
    if hidden:
        shown.add_row(f"… and {hidden:,} more", "", "", "", "")
    # As the table's title it would be folded to the table's width.
    return Group(Text(summary(state)), shown)


def summary(state: RunState) -> str:
    """The run and its tasks by status; what was lost to reclaims where something was."""
    counts = ", ".join(f"{number:,} {status}" for status, number in state.counts().items())
    return f"{state.record.run_id}: {counts}{lost(state)}"


def lost(state: RunState) -> str:
    """`; lost to reclaims: 12 min 3 s`; empty for nothing."""
    return f"; lost to reclaims: {duration(state.lost_ms)}" if state.lost_ms else ""


def alone(state: RunState, group: GroupState) -> TaskState:
    """The only task of a group."""
    (request,) = group.requests
    child = next(state.layout.children(request), None)
    return state.task(Position(request, None) if child is None else state.layout.position(request, child))


def _counted(size: int, counts: Mapping[str, int]) -> str:
    rest = dict(counts)
    parts = [f"{rest.pop('SUCCEEDED', 0):,} of {size:,} SUCCEEDED"]
    return ", ".join(parts + [f"{number:,} {status}" for status, number in rest.items()])


def _is_dull(group: GroupState) -> bool:
    return set(group.counts) <= {"SUCCEEDED", "PENDING", NOT_RUN, NOT_SUBMITTED}


def _failed_children(state: RunState, most: int) -> Iterator[TaskState]:
    children = (task for task in state.failures() if task.name != task.group)
    return itertools.islice(children, most)


def _group_cells(state: RunState, group: GroupState, now_ms: float) -> tuple[Text, str, str, str]:
    jobs = [state.jobs[request] for request in group.requests if request in state.jobs]
    starts = [job.started_at for job in jobs if job.started_at]
    ends = [job.stopped_at or now_ms for job in jobs]
    took = duration(max(ends) - min(starts)) if starts else ""
    blocked = next((job for job in jobs if is_blocked(job)), None)
    note = group.note or (job_note(blocked) if blocked else "")
    word = next(iter(group.counts)) if len(group.counts) == 1 else "RUNNING"
    if group.is_over and len(group.counts) > 1:
        word = "SUCCEEDED" if set(group.counts) <= WELL else "FAILED"
    return Text(group.text, style=STYLES.get(word, "dim")), "", took, note


def _cells(task: TaskState, now_ms: float) -> tuple[Text, str, str, str]:
    status = "BLOCKED" if task.is_blocked else task.status
    word = Text(status, style=STYLES.get(status, "dim"))
    job = task.job
    if job is None or not (job.attempt or job.attempts):
        return word, "", "", task.note
    end = job.stopped_at or now_ms
    return (
        word,
        f"{job.attempt}/{job.max_attempts}",
        duration(end - job.started_at) if job.started_at and (job.status != "RUNNABLE") else "",
        task.note,
    )


def _now() -> float:
    return time.time() * 1000
