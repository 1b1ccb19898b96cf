"""`python -m benchmarks.submit_loop`: a graph submitted as one does without a tool, a call of boto3 for each task.

Reads from stdin a JSON document: `tasks`, of each what it needs and its timeout; `job` and `barrier`, queue and
definition of the jobs and of those that only join others; `after`, an id that tasks without needs wait for. Prints how
many calls it made.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

import boto3

MOST_DEPENDENCIES: Final = 20


class Loop:
    """Submits one after the other."""

    def __init__(self, batch: Any, barrier: Mapping[str, str]) -> None:
        self._batch = batch
        self._barrier = barrier
        self.calls = 0

    def submit(self, **request: Any) -> str:
        """One job's id."""
        self.calls += 1
        return str(self._batch.submit_job(jobName=f"loop-{self.calls}", **request)["jobId"])

    def joined(self, ids: Sequence[str]) -> Sequence[str]:
        """As many ids as a job may wait for, which end when all of these have."""
        while len(ids) > MOST_DEPENDENCIES:
            parts = [ids[start : start + MOST_DEPENDENCIES] for start in range(0, len(ids), MOST_DEPENDENCIES)]
            ids = [self.submit(dependsOn=[{"jobId": one} for one in part], **self._barrier) for part in parts]
        return ids


def main() -> None:
    """Submit what stdin says."""
    document = json.load(sys.stdin)
    loop = Loop(boto3.client("batch"), document["barrier"])
    ids: list[str] = []
    for number, (needs, timeout_seconds) in enumerate(document["tasks"]):
        needed = loop.joined([ids[one] for one in needs]) if needs else document["after"]
        ids.append(
            loop.submit(
                dependsOn=[{"jobId": one} for one in needed],
                containerOverrides={"command": ["--bucket", f"b{number}"]},
                timeout={"attemptDurationSeconds": timeout_seconds},
                **document["job"],
            )
        )
    print(loop.calls)


if __name__ == "__main__":
    main()
