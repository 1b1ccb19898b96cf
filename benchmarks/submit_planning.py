"""`python -m benchmarks.submit_planning TASKS`: plans a workflow of that many tasks, and tells what that took as JSON.

A process of its own, since what it is measured by is the most memory that a process ever had.
"""

from __future__ import annotations

import json
import resource
import sys
import time

from runner import workflow_file
from runner.planner import plan
from tests.runner.planned import RUN_ID, surroundings

WORKFLOW = """
name: bench
defaults: {{job_definition: standin, queue: normal}}
tasks:
  simulate:
    foreach: {{case: {{from: 1, to: {tasks}}}}}
    command: [--seconds, "0", --write, "${{prefix}}case-${{case}}=64"]
"""


def main() -> None:
    """From the text of a workflow file to the requests."""
    began = time.perf_counter()
    workflow = workflow_file.parse(WORKFLOW.format(tasks=sys.argv[1]), "bench.yaml")
    planned = plan(workflow.name, workflow.graph(), RUN_ID, workflow.places, surroundings())
    print(
        json.dumps(
            {
                "seconds": time.perf_counter() - began,
                "cpu_seconds": time.process_time(),
                "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
                "calls": len(planned.plan.requests),
            }
        )
    )


if __name__ == "__main__":
    main()
