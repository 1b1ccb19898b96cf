"""How long a graph of jobs takes that sleep known times, next to the lower bound max(critical path, work / slots)."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.cloud import Cloud, cloud
from benchmarks.row import Row

SLOTS = 8
"""Jobs that sleep need no processor: more at a time than the machine has."""

SEED = 20261126
GOAL = "lower bound (goal 1.05)"


@dataclass(frozen=True)
class Sleep:
    """A task, and the tasks before it that it depends on."""

    seconds: float
    needs: tuple[int, ...] = ()


def run() -> list[Row]:
    """One row for each graph."""
    with cloud(vcpus=SLOTS) as local:
        return [_measured(local, name, tasks) for name, tasks in _graphs().items()]


def _graphs() -> dict[str, list[Sleep]]:
    chance = random.Random(SEED)
    chain = [Sleep(1.0, (number - 1,) if number else ()) for number in range(20)]
    mapped = [Sleep(1.0) for _ in range(160)]
    # A job may have 20 dependencies: the reduction is a tree.
    parts = [Sleep(0.2, tuple(range(start, start + 20))) for start in range(0, len(mapped), 20)]
    reduction = Sleep(0.2, tuple(range(len(mapped), len(mapped) + len(parts))))
    irregular: list[Sleep] = []
    for number in range(300):
        needs = chance.sample(range(number), min(number, chance.randint(0, 3)))
        irregular.append(Sleep(round(chance.uniform(0.2, 1.5), 2), tuple(sorted(needs))))
    return {
        "chain of 20": chain,
        "map of 160 and a reduction": [*mapped, *parts, reduction],
        "300 irregular tasks": irregular,
    }


def _measured(local: Cloud, name: str, tasks: Sequence[Sleep]) -> Row:
    ids: list[str] = []
    began = time.perf_counter()
    for task in tasks:
        overrides = {"command": ["/bin/sleep", str(task.seconds)]}
        depends_on = [{"jobId": ids[number]} for number in task.needs]
        ids.append(local.client.submit(containerOverrides=overrides, dependsOn=depends_on))
    local.ended(ids)
    return Row(f"{name}: makespan", time.perf_counter() - began, "s", lower_bound(tasks, SLOTS), GOAL)


def lower_bound(tasks: Sequence[Sleep], slots: int) -> float:
    """Seconds that no schedule can beat."""
    ends: list[float] = []
    for task in tasks:
        ends.append(task.seconds + max((ends[number] for number in task.needs), default=0.0))
    return max(*ends, sum(task.seconds for task in tasks) / slots)
