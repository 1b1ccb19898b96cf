"""The graphs whose submission is measured: for each of their tasks what it needs, and as a workflow file of ours."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

SEED = 20260101
LAYER_WIDTH = 50
MOST_NEEDS = 5
KINDS = 4
"""Of tasks of the irregular graph: those of one kind are alike."""

SHORTEST_TIMEOUT_SECONDS = 60


class GraphTask(NamedTuple):
    """One task; its command holds its number."""

    needs: tuple[int, ...] = ()
    """Tasks that stand before it."""
    timeout_seconds: int = SHORTEST_TIMEOUT_SECONDS


@dataclass(frozen=True)
class Graph:
    """Tasks, each after all that it needs."""

    name: str
    tasks: Sequence[GraphTask]
    declared: Sequence[str]
    """As they are written in a workflow file; AFTER stands where tasks wait for a job from outside."""

    def workflow(self, gate: str | None = None) -> str:
        """The file, in which the tasks that need none wait for the job `gate`."""
        after = f", after: [{gate}]" if gate else ""
        head = "name: bench\ndefaults: {job_definition: standin, queue: normal}\ntasks:\n"
        return head + "".join(f"  {line}\n".replace("AFTER", after) for line in self.declared)


def fan_out(count: int) -> Graph:
    """A map and its reduce, declared in two lines."""
    last = f"foreach: {{i: {{from: 0, to: {count - 1}}}}}"
    return Graph(
        f"map of {count:,} and reduce",
        [*(GraphTask() for _ in range(count)), GraphTask(tuple(range(count)))],
        [
            f'map: {{{last}, timeout_seconds: 60, command: [--bucket, "b${{i}}"]AFTER}}',
            f"reduce: {{needs: [map], timeout_seconds: 60, command: [--bucket, b{count}]}}",
        ],
    )


def chains(count: int) -> Graph:
    """Pairs of tasks, declared in two lines."""
    values = f"foreach: {{i: {{from: 0, to: {count - 1}}}}}"
    return Graph(
        f"{count:,} chains of two",
        [*(GraphTask() for _ in range(count)), *(GraphTask((number,)) for number in range(count))],
        [
            f'first: {{{values}, timeout_seconds: 60, command: [--bucket, "b${{i}}"]AFTER}}',
            f'second: {{{values}, timeout_seconds: 60, needs: ["first-${{i}}"], command: [--bucket, "c${{i}}"]}}',
        ],
    )


def irregular(count: int, width: int = LAYER_WIDTH) -> Graph:
    """Layers of tasks of several kinds, each with some needs in the layer before and one anywhere above it."""
    draw = random.Random(SEED)
    tasks: list[GraphTask] = []
    for number in range(count):
        start = number - number % width
        needs: set[int] = set()
        if start:
            above = range(start - width, start)
            needs = {*draw.sample(above, draw.randint(1, MOST_NEEDS - 1)), draw.randrange(start)}
        tasks.append(GraphTask(tuple(sorted(needs)), SHORTEST_TIMEOUT_SECONDS + draw.randrange(KINDS)))
    return Graph(f"irregular graph of {count:,}", tasks, _one_by_one(tasks))


def fan_in(count: int) -> Graph:
    """Tasks no two of which are alike, and one that needs them all."""
    tasks = [GraphTask((), SHORTEST_TIMEOUT_SECONDS + number) for number in range(count)]
    tasks.append(GraphTask(tuple(range(count))))
    return Graph(f"fan-in of {count:,} unlike tasks", tasks, _one_by_one(tasks))


def barriers(needed: int, most: int) -> int:
    """How many jobs it takes to join so many where one can wait for `most`."""
    total = 0
    while needed > most:
        needed = -(-needed // most)
        total += needed
    return total


def _one_by_one(tasks: Sequence[GraphTask]) -> list[str]:
    lines = []
    for number, task in enumerate(tasks):
        needs = f", needs: [{', '.join(f't{one}' for one in task.needs)}]" if task.needs else "AFTER"
        lines.append(f"t{number}: {{timeout_seconds: {task.timeout_seconds}, command: [--bucket, b{number}]{needs}}}")
    return lines
