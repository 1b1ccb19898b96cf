"""Which nodes of a multi-node job failed besides its main node."""

from __future__ import annotations

from runner.aws_clients import BatchClient
from runner.described_job import DescribedJob, from_detail
from runner.describer import describe


def failed_nodes(batch: BatchClient, job: DescribedJob) -> list[DescribedJob]:
    """Nodes of a job that failed, by index; none where Batch has forgotten them."""
    if job.nodes is None:
        return []
    ids = [f"{job.job_id}#{index}" for index in range(job.nodes.count) if index != job.nodes.main]
    nodes = [from_detail(detail) for detail in describe(batch, ids).values()]
    failed = [node for node in nodes if node.status == "FAILED"]
    return sorted(failed, key=lambda node: int(node.job_id.partition("#")[2]))
