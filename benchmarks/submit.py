"""How graphs are submitted: `hpc run` beside a loop around boto3 and beside workflow engines, on one local cloud.

What is counted is counted on the way to the server, for everybody alike. The large graphs wait for a job that never
runs, so that only their submission is measured: of the loop and of ours, each as a process from its start to its end.
Engines take seconds a task and are given fewer; what they run to its end, ours runs to its end, too. Rows whose
reference is a goal are met with a ratio of 1 or less.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import TypeVar

from benchmarks.row import Row
from benchmarks.submit_cloud import CHECKOUT, SubmitCloud, submit_cloud
from benchmarks.submit_engines import Engine, engines
from benchmarks.submit_graphs import Graph, GraphTask, barriers, chains, fan_in, fan_out, irregular
from benchmarks.submit_loop import MOST_DEPENDENCIES
from benchmarks.submit_watching import ARRAY_SIZE, watch

LOOP, GOAL = "boto3 loop", "goal, at most"
Outcome = TypeVar("Outcome")

CALL_GOAL, ENGINE_GOAL = 1.2, 0.1
PLANNING_SECONDS_GOAL, PLANNING_GB_GOAL = 20.0, 1.5
WATCHED_CALLS_GOAL = 1.0

ONE = Graph("one task", [GraphTask()], ["t: {command: [--seconds, '0']AFTER}"])
"""What every engine's start, and ours, is measured with."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much of everything; in tasks where nothing else is said."""

    fan_out: int = 10_000
    chains: int = 1_000
    irregular: int = 2_000
    fan_in: int = 1_000
    rounds: int = 3
    """Of loop and ours in turns, where the time for each call is compared."""
    engines_submit: int = 50
    engines_run: int = 20
    planned: int = 1_000_000
    arrays: int = 10
    """Full ones, that are watched."""
    watched_seconds: float = 600.0


def run(sizes: Sizes | None = None) -> list[Row]:
    """Submission, engines, planning, watching."""
    sizes = sizes or Sizes()
    with submit_cloud() as cloud:
        graphs = [fan_out(sizes.fan_out), chains(sizes.chains), irregular(sizes.irregular), fan_in(sizes.fan_in)]
        rows = [row for graph in graphs for row in _beside_loop(cloud, graph)]
        rows += _each_call(cloud, irregular(sizes.irregular), sizes.rounds)
        if sizes.engines_run:
            rows += _beside_engines(cloud, sizes)
    return [*rows, *_planning(sizes.planned), *_watching(sizes)]


def _beside_loop(cloud: SubmitCloud, graph: Graph) -> Iterator[Row]:
    loop = _told(f"{graph.name}: {LOOP}", lambda: cloud.loop(graph))
    ours = _told(f"{graph.name}: hpc run", lambda: cloud.ours(graph))
    most = len(graph.tasks) + sum(barriers(len(task.needs), MOST_DEPENDENCIES) for task in graph.tasks)
    yield Row(f"{graph.name}: {LOOP}", loop.counted.submits, "SubmitJob calls")
    yield Row(f"{graph.name}: hpc run", ours.counted.submits, "SubmitJob calls", loop.counted.submits, LOOP)
    yield Row(f"{graph.name}: hpc run", ours.counted.submits, "SubmitJob calls", most, f"tasks and barriers: {GOAL}")
    yield Row(f"{graph.name}: hpc run", ours.counted.total, "calls to all services", loop.counted.total, LOOP)
    yield Row(f"{graph.name}: {LOOP}", loop.seconds, "s")
    yield Row(f"{graph.name}: hpc run --detach", ours.seconds, "s", loop.seconds, LOOP)


def _each_call(cloud: SubmitCloud, graph: Graph, rounds: int) -> Iterator[Row]:
    """Where both make the same calls."""
    pairs = [(cloud.loop(graph), cloud.ours(graph, "--no-arrays")) for _ in range(rounds)]
    loop = median(loop.counted.milliseconds_a_submit for loop, _ in pairs)
    ours = median(ours.counted.milliseconds_a_submit for _, ours in pairs)
    yield Row(f"{graph.name}: {LOOP}, each call", loop, "ms")
    yield Row(
        f"{graph.name}: hpc run --no-arrays, each call", ours, "ms", CALL_GOAL * loop, f"{CALL_GOAL} loop: {GOAL}"
    )


def _beside_engines(cloud: SubmitCloud, sizes: Sizes) -> Iterator[Row]:
    count = sizes.engines_submit
    held = fan_out(count - 1)
    seconds = max(cloud.ours(held).seconds - cloud.ours(ONE).seconds, 1e-3)
    small = [chains(sizes.engines_run // 2), irregular(sizes.engines_run, width=5), fan_in(sizes.engines_run - 1)]
    of_one = cloud.ours(ONE, is_held=False).seconds
    ran = [max(cloud.ours(graph, is_held=False).seconds - of_one, 1e-3) for graph in small]
    for peer in engines(cloud):
        took, counted = _told(f"{peer.name}: submits {count}", partial(peer.submit, count))
        name = f"{count} tasks submitted by {peer.name}"
        yield Row(name, counted.submits, "SubmitJob calls")
        yield Row(f"{name}, each task", took / count * 1000, "ms")
        yield _against(f"{count} tasks submitted by hpc run, each task", seconds / count, took / count, peer)
        yield from _beside_running(peer, small, ran)


def _beside_running(peer: Engine, graphs: list[Graph], ours: list[float]) -> Iterator[Row]:
    for graph, seconds in zip(graphs, ours, strict=True):
        took, counted = _told(f"{peer.name}: {graph.name}", partial(peer.run, graph))
        tasks = len(graph.tasks)
        yield Row(f"{graph.name} run by {peer.name}", counted.total, "calls to all services")
        yield Row(f"{graph.name} run to its end by {peer.name}, each task", took / tasks * 1000, "ms")
        yield _against(f"{graph.name} run to its end by hpc run, each task", seconds / tasks, took / tasks, peer)


def _against(name: str, ours: float, theirs: float, peer: Engine) -> Row:
    """Milliseconds, beside the share of an engine's that is to be reached."""
    return Row(name, ours * 1000, "ms", theirs * 1000 * ENGINE_GOAL, f"{ENGINE_GOAL} {peer.name}: {GOAL}")


def _planning(tasks: int) -> Iterator[Row]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.submit_planning", str(tasks)],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    took = json.loads(done.stdout)
    name = f"{tasks:,} tasks of one foreach planned"
    yield Row(f"{name}, SubmitJob calls", took["calls"], "calls", -(-tasks // ARRAY_SIZE), f"full arrays: {GOAL}")
    yield Row(name, took["seconds"], "s", PLANNING_SECONDS_GOAL, GOAL)
    yield Row(f"{name}, CPU time of the whole process", took["cpu_seconds"], "s", PLANNING_SECONDS_GOAL, GOAL)
    yield Row(f"{name}, memory at its peak", took["peak_gb"], "GB", PLANNING_GB_GOAL, GOAL)


def _watching(sizes: Sizes) -> Iterator[Row]:
    watched = watch(sizes.arrays, sizes.watched_seconds)
    name = f"{sizes.arrays * ARRAY_SIZE:,} running children followed at the pace of AWS"
    yield Row(name, watched.calls / watched.seconds, "calls/s", WATCHED_CALLS_GOAL, GOAL)
    yield Row(f"{name}, our own time a look", watched.own_seconds / watched.calls * 1000, "ms")


def _told(text: str, measure: Callable[[], Outcome]) -> Outcome:
    """Measure, and say so: it takes minutes in all."""
    print(f"  {text} …", file=sys.stderr)
    return measure()
