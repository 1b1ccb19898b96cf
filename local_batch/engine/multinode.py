"""Multi-node parallel jobs: their nodes.

Theory of operation. All nodes' room is taken at once or not at all. The main node starts first; its children are made
when it runs, not before. A child's end means nothing to the others. The main node's end is the job's: what still runs
is stopped, and when it is gone the job has ended, or is tried again with all its nodes.

Source: https://docs.aws.amazon.com/batch/latest/userguide/multi-node-parallel-jobs.html
"""

from __future__ import annotations

from local_batch.engine.jobs import Job
from local_batch.engine.lifecycle import Lifecycle
from local_batch.engine.states import Change


def revived_or_new(job: Job, index: int, now_ms: int, lifecycle: Lifecycle) -> Job:
    """The record of a node, RUNNABLE: made at its first attempt, taken up again at the next."""
    if job.children is None:
        job.children = {}
    node = job.children.get(index)
    if node is not None:
        lifecycle.move(node, Change.REVIVE)
        node.started_at = node.stopped_at = None
        return node
    node = Job(spec=job.spec, profile=job.profile, created_at=now_ms, parent=job, index=index, tags=job.tags)
    job.children[index] = node
    lifecycle.move(node, Change.RELEASE)
    return node


def other_nodes(job: Job) -> list[int]:
    """Indices of all nodes but the main one."""
    return [index for index in range(job.profile.num_nodes or 0) if index != job.profile.main_node]


def active_nodes(job: Job) -> list[Job]:
    """The nodes that are STARTING or RUNNING."""
    return [node for node in (job.children or {}).values() if node.status.is_placed]


def mirror_end(job: Job, main: Job) -> None:
    """The job's attempt ended as its main node's did."""
    attempt, of_main = job.attempt, main.attempt
    attempt.stopped_at = of_main.stopped_at
    attempt.exit_code = of_main.exit_code
    attempt.reason = of_main.reason
    attempt.status_reason = of_main.status_reason
