"""The workflow of dopi.yaml, made in Python. Run it with: python examples/dopi.py | hpc run -."""

from __future__ import annotations

import sys

from runner.workflow import Workflow


def dopi() -> Workflow:
    """An estimate of pi, then two jobs that extend what it wrote."""
    workflow = Workflow("dopi", variables={"points": 100_000})
    first = workflow.task(
        "dopi",
        job_definition="dopi",
        queue="high",
        command=["--points", "${points}", "--key", "${prefix}${job_name}.txt"],
    )
    workflow.task(
        "dopisecond",
        needs=[first],
        foreach={"part": ["a", "b"]},
        job_definition="dopisecond",
        queue="normal",
        command=[
            *("--input-key", f"${{prefix}}${{jobs.{first}}}.txt"),
            *("--key", "${prefix}${job_name}.txt"),
            *("--name", "${job_name}"),
        ],
    )
    return workflow


if __name__ == "__main__":
    sys.stdout.write(dopi().to_yaml())
