"""How a run is going, on stderr: a table that renews itself on a terminal, a line a change elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from runner.durations import duration
from runner.run_state import RunState, TaskState

MAX_ROWS: Final = 25
"""Of the table; beyond them tasks are counted by status, so that it fits a screen."""

STYLES: Final = {
    "SUCCEEDED": "green",
    "FAILED": "bold red",
    "NOT RUN": "yellow",
    "RUNNING": "bold cyan",
    "STARTING": "cyan",
    "RUNNABLE": "blue",
    "BLOCKED": "bold yellow",
}

Update = Callable[[RunState], None]


@contextmanager
def progress(console: Console) -> Iterator[Update]:
    """A function that shows a state; the last one shown stays."""
    if not console.is_terminal:
        yield lines(console)
        return
    latest: list[RunState] = []

    def render() -> Group | str:
        return table(latest[0], _now()) if latest else ""

    def update(state: RunState) -> None:
        latest[:] = [state]

    with Live(get_renderable=render, console=console, refresh_per_second=4, transient=False):
        yield update


def lines(console: Console) -> Update:
    """A function that says each change in a line of its own, which leaves room for other output between them."""
    return _Lines(console)


class _Lines:
    """One line a change of a task's status, and one more where Batch says why it waits."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._seen: dict[str, tuple[str, str]] = {}

    def __call__(self, state: RunState) -> None:
        for task in state.tasks.values():
            now = (task.status, task.note)
            if self._seen.get(task.name) != now:
                note = f"  {task.note}" if task.note else ""
                self._console.print(
                    Text(f"{time.strftime('%H:%M:%S')} {task.name} {task.status}{note}"), soft_wrap=True
                )
            self._seen[task.name] = now


def table(state: RunState, now_ms: float) -> Group:
    """The tasks of a run as a table; what has ended well is only counted where there are many."""
    rows = list(state.tasks.values())
    counts = ", ".join(f"{count} {status}" for status, count in state.counts().items())
    shown = Table(box=None, pad_edge=False)
    for heading in ("task", "status", "attempt", "time", ""):
        shown.add_column(heading, overflow="fold", no_wrap=heading not in {"task", ""})
    hidden = 0
    if len(rows) > MAX_ROWS:
        # What has just failed or runs is what a person looks for.
        interesting = [task for task in rows if task.status not in {"SUCCEEDED", "PENDING", "NOT RUN"}]
        hidden = len(rows) - len(interesting[:MAX_ROWS])
        rows = interesting[:MAX_ROWS]
    for task in rows:
        shown.add_row(task.name, *_cells(task, now_ms))
    if hidden:
        shown.add_row(f"… and {hidden} more", "", "", "", "")
    # As the table's title it would be folded to the table's width.
    return Group(Text(f"{state.record.run_id}: {counts}"), shown)


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
