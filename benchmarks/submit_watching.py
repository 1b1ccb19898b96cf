"""How many calls it takes to follow arrays of which all children run: with a Batch that only answers, on a clock that
moves when somebody sleeps.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any, cast

from runner.aws_clients import Answer, BatchClient
from runner.describer import ON_AWS
from runner.run import Run
from tests.runner.planned import planned
from tests.runner.submitted import Clock, submitted

ARRAY_SIZE = 10_000
ENDING_PER_SECOND = 10
"""Children of each array: there is news at every look, so that none is put off."""


@dataclass
class Watched:
    """What following took."""

    calls: int
    seconds: float
    """On the clock that was followed."""
    own_seconds: float
    """Of this process, for all looks."""


@dataclass
class _Arrays:
    """Answers about arrays whose children all run, and end one after the other."""

    clock: Clock
    calls: int = 0
    names: dict[str, str] = field(default_factory=dict)

    def submit_job(self, **request: Any) -> Answer:
        """Take an array."""
        job_id = f"00000000-0000-4000-8000-{len(self.names):012d}"
        self.names[job_id] = request["jobName"]
        return {"jobId": job_id}

    def describe_jobs(self, **request: Any) -> Answer:
        """How many children run, and how many have ended."""
        self.calls += 1
        ended = int(min((self.clock.now - 1000) * ENDING_PER_SECOND, ARRAY_SIZE - 1))
        summary = {"RUNNING": ARRAY_SIZE - ended, "SUCCEEDED": ended}
        return {
            "jobs": [
                {
                    "jobId": job_id,
                    "jobName": self.names[job_id],
                    "jobQueue": "normal",
                    "status": "PENDING",
                    "arrayProperties": {"size": ARRAY_SIZE, "statusSummary": summary},
                }
                for job_id in request["jobs"]
            ]
        }


def watch(arrays: int, seconds: float) -> Watched:
    """Follow that many full arrays for so long, at the pace that is kept on AWS."""
    clock = Clock()
    arrays_only = _Arrays(clock)
    batch = cast("BatchClient", arrays_only)
    last = arrays * ARRAY_SIZE
    made = planned({"simulate": {"foreach": {"case": {"from": 1, "to": last}}, "command": ["${case}"]}})
    with tempfile.TemporaryDirectory() as home:
        run = Run(submitted(Path(home), batch, made, clock), batch)
        began = time.perf_counter()
        states = run.follow(ON_AWS, clock=clock, sleep=clock.sleep)
        for _ in takewhile(lambda _: clock.now < 1000 + seconds, states):
            pass
        return Watched(arrays_only.calls, clock.now - 1000, time.perf_counter() - began)
