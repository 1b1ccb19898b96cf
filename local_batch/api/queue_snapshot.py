"""GetJobQueueSnapshot: who is next in a queue, and what of its capacity is in use.

Sources: https://docs.aws.amazon.com/batch/latest/APIReference/API_GetJobQueueSnapshot.html and
https://docs.aws.amazon.com/batch/latest/userguide/track-capacity-utilization-compute-jobs.html
"""

from __future__ import annotations

from typing import Any, Final

from local_batch.api.job_summary import CAPACITY_UNIT
from local_batch.api.refusals import refuse
from local_batch.api.state import State
from local_batch.engine.jobs import Job
from local_batch.engine.resources import JobQueue

TOP_SHARES: Final = 20


class QueueSnapshot:
    """Looks at one queue."""

    def __init__(self, state: State) -> None:
        self._state = state

    def get(self, request: dict[str, Any]) -> dict[str, Any]:
        """The first 100 RUNNABLE jobs in the order of their turn, and use; by share where the queue shares out."""
        engine = self._state.engine
        queue = self._state.find(engine.queues, request["jobQueue"])
        if queue is None:
            raise refuse(f"JobQueue {request['jobQueue']} not found.")
        now_ms = self._state.dispatcher.now_ms()
        front = [
            {"jobArn": job.arn, "earliestTimeAtPosition": since_ms}
            for job, since_ms in engine.front_of(queue.arn, now_ms)
        ]
        return {
            "frontOfQueue": {"jobs": front, "lastUpdatedAt": now_ms},
            "queueUtilization": {**self._utilization(queue), "lastUpdatedAt": now_ms},
        }

    def _utilization(self, queue: JobQueue) -> dict[str, Any]:
        use: dict[str | None, float] = {}
        for job in self._state.engine.placed:
            if job.profile.queue_arn == queue.arn:
                share = job.profile.share_identifier
                use[share] = use.get(share, 0.0) + _held_vcpus(job)
        shown: dict[str, Any] = {"totalCapacityUsage": _usage(sum(use.values()))}
        if queue.policy_arn is not None:
            most_first = sorted(use.items(), key=lambda entry: (-entry[1], entry[0] or ""))
            shown["fairshareUtilization"] = {
                "activeShareCount": len(use),
                "topCapacityUtilization": [
                    {"shareIdentifier": share, "capacityUsage": _usage(vcpus)}
                    for share, vcpus in most_first[:TOP_SHARES]
                ],
            }
        return shown


def _held_vcpus(job: Job) -> float:
    """What the attempt under way holds; with a main node, what is kept for nodes that start after it."""
    vcpus = job.attempt.claim.vcpus
    if job.is_main_node and job.parent is not None:
        vcpus += job.parent.attempt.claim.vcpus
    return vcpus


def _usage(vcpus: float) -> list[dict[str, Any]]:
    # Fractions of vCPUs are multiples of 0.25 or a user's decimals: their sum must not show binary dust.
    return [{"capacityUnit": CAPACITY_UNIT, "quantity": round(float(vcpus), 3)}]
