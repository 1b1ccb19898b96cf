"""What the server has in memory with 100,000 jobs known: waiting as array children, as single jobs, and ended."""

from __future__ import annotations

from benchmarks.cloud import QUEUE, Cloud, cloud
from benchmarks.row import Row
from tests.contract.service import clients

JOBS = 100_000
ARRAY = 10_000
GOAL_MIB = 200
GOAL = f"the goal of {GOAL_MIB} MiB"


def run() -> list[Row]:
    """Rows for the closing table."""
    rows = []
    with cloud(vcpus=4) as local:
        rows.append(Row("server, no job known", local.resident_mib, "MiB"))
        _hold(local)
        _submit_arrays(local)
        rows.append(Row(f"{JOBS:,} children waiting", local.resident_mib, "MiB", GOAL_MIB, GOAL))
    with cloud(vcpus=4) as local:
        _hold(local)
        local.submit_many(JOBS)
        rows.append(Row(f"{JOBS:,} single jobs waiting", local.resident_mib, "MiB", GOAL_MIB, GOAL))
    with cloud(vcpus=4) as local:
        for job_id in _submit_arrays(local):
            local.ended([job_id])
        rows.append(Row(f"{JOBS:,} children ended", local.resident_mib, "MiB", GOAL_MIB, GOAL))
    return rows


def _hold(local: Cloud) -> None:
    """Let nothing of the queue run: its environment is disabled, its jobs wait."""
    (batch,) = clients(local.endpoint, "batch")
    environment = batch.describe_job_queues(jobQueues=[QUEUE])["jobQueues"][0]["computeEnvironmentOrder"][0]
    batch.update_compute_environment(computeEnvironment=environment["computeEnvironment"], state="DISABLED")


def _submit_arrays(local: Cloud) -> list[str]:
    return [local.client.submit(arrayProperties={"size": ARRAY}) for _ in range(JOBS // ARRAY)]
