"""No-op jobs through the local Batch, from submission to SUCCEEDED, next to a bare C loop, other launchers, engines.

Every one runs the same program, as many at a time. Also: how fast SubmitJob answers, and how soon a job starts.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.bare_loop import BareLoop
from benchmarks.cloud import Cloud, cloud
from benchmarks.peers import parallel_per_second, redun_per_second, snakemake_per_second, xargs_per_second
from benchmarks.row import Row

NO_OP = "/bin/true"
IN_FLIGHT = 4
"""Twice the processors of a small machine: enough for one to run while another is reaped."""

CHILDREN = 10_000
JOBS = (1, 100, 10_000)
SPAWNS = 5_000
PEER_LINES = 2_000
ENGINE_TASKS = 1_000
SUBMISSIONS = 2_000
ROUNDS = 3
"""The array takes turns with what it is compared with, since a shared machine is not equally busy all the time."""


def run() -> list[Row]:
    """Rows for the closing table; the first is what the others are shares of."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        loop = BareLoop(directory)
        with cloud(vcpus=IN_FLIGHT) as local:
            submissions = _submissions_per_second(local)
            bare, arrays = [], []
            for _ in range(ROUNDS):
                bare.append(loop.per_second(SPAWNS, IN_FLIGHT, NO_OP))
                array_id, rate = _array(local)
                arrays.append(rate)
            bare_rate, array_rate = _middle(bare), _middle(arrays)
            children = local.ended([f"{array_id}:{index}" for index in range(CHILDREN)])
            singles = [row for count in JOBS for row in _singles(local, count, bare_rate)]
            peers = _peers(directory, local)
    return [
        Row("bare C posix_spawn loop", bare_rate, "programs/s"),
        Row(f"array of {CHILDREN:,} no-ops", array_rate, "jobs/s", bare_rate, "bare C loop (goal 0.6)"),
        Row(f"array of {CHILDREN:,} no-ops, submission to start, mean", _mean_start_ms(children), "ms"),
        *singles,
        *peers,
        Row("SubmitJob, one raw connection", submissions, "calls/s", 500, "the goal of 500"),
    ]


def _submissions_per_second(local: Cloud) -> float:
    began = time.perf_counter()
    job_ids = [local.client.submit() for _ in range(SUBMISSIONS)]
    rate = SUBMISSIONS / (time.perf_counter() - began)
    local.ended(job_ids)
    return rate


def _array(local: Cloud) -> tuple[str, float]:
    """An array's id, and children per second of it."""
    began = time.perf_counter()
    array_id = local.client.submit(arrayProperties={"size": CHILDREN})
    local.ended([array_id])
    return array_id, CHILDREN / (time.perf_counter() - began)


def _singles(local: Cloud, count: int, bare_rate: float) -> list[Row]:
    began = time.perf_counter()
    details = local.ended(local.submit_many(count))
    rate = count / (time.perf_counter() - began)
    latency = _mean_start_ms(details)
    name = f"{count:,} single no-op{'s' if count > 1 else ''}"
    return [
        Row(name, rate, "jobs/s", bare_rate, "bare C loop"),
        Row(f"{name}, submission to start, mean", latency, "ms"),
    ]


def _mean_start_ms(details: Sequence[dict[str, Any]]) -> float:
    waits: list[int] = [job["startedAt"] - job["createdAt"] for job in details]
    return sum(waits) / len(waits)


def _peers(directory: Path, local: Cloud) -> list[Row]:
    measures: list[tuple[str, Callable[[], float | None], str]] = [
        ("xargs -P", lambda: xargs_per_second(PEER_LINES, IN_FLIGHT, NO_OP), ""),
        ("GNU parallel", lambda: parallel_per_second(PEER_LINES, IN_FLIGHT, NO_OP), " (goal 5)"),
        ("snakemake", lambda: snakemake_per_second(ENGINE_TASKS, IN_FLIGHT, directory / "snakemake"), " (goal 20)"),
        ("redun", lambda: redun_per_second(ENGINE_TASKS, directory / "redun"), " (goal 20)"),
    ]
    rows = []
    for name, measure, goal in measures:
        rate = measure()
        if rate is not None:
            rows.append(Row(name, rate, "tasks/s"))
            rows.append(Row("array of no-ops after it", _array(local)[1], "jobs/s", rate, f"{name}{goal}"))
    return rows


def _middle(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]
