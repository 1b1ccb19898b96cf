"""Which job is placed next, and where.

Theory of operation. A cycle walks the queues by descending priority and places the job whose turn it is on the first
compute environment that has room, until that job does not fit; then it goes on to the next queue
(https://docs.aws.amazon.com/batch/latest/APIReference/API_JobQueueDetail.html, priority). A job that cannot be placed
holds back the jobs behind it in its queue, and only those. Whose turn it is: in a queue without a scheduling policy who
came first, in one with a policy the first of the share that has used least (fair_share.py).
"""

from __future__ import annotations

import heapq
from collections import deque

from local_batch.engine.actions import PublishBlocked, SetTimer
from local_batch.engine.attempts import Attempts
from local_batch.engine.capacity import never_fits
from local_batch.engine.events import TimeLimitReached
from local_batch.engine.jobs import Blocked, Claim, Job
from local_batch.engine.records import Records
from local_batch.engine.resources import ComputeEnvironment, JobQueue
from local_batch.engine.run_order import ONE_SHARE

NO_VALID_ENVIRONMENT = "ACTION_REQUIRED - CE(s) associated with the job queue are invalid."
SNAPSHOT_JOBS = 100


class Scheduler:
    """Places what can be placed. A cycle with nothing new to decide on costs a look at each queue's head."""

    def __init__(self, records: Records, attempts: Attempts) -> None:
        self._records = records
        self._attempts = attempts
        self._by_priority: list[JobQueue] = []
        self._blocked: dict[str, Job] = {}
        """By queue: the job that heads it and cannot be placed."""

    def queues_changed(self) -> None:
        """A queue was made, changed or deleted. Queues of one priority are served as they were made."""
        self._by_priority = sorted(self._records.queues.values(), key=lambda queue: -queue.priority)
        self._blocked = {arn: job for arn, job in self._blocked.items() if arn in self._records.queues}

    def cycle(self, now_ms: int) -> None:
        """Place jobs until every queue's next one has to wait."""
        for queue in self._by_priority:
            while (job := self._next(queue, now_ms)) is not None:
                found = self._choose(queue, job, now_ms)
                if found is None:
                    break
                self._records.order.take(job, now_ms)
                self._attempts.place(job, *found, now_ms)

    def front_of(self, queue_arn: str, now_ms: int) -> list[tuple[Job, int]]:
        """The first 100 RUNNABLE jobs of a queue in the order in which their turn comes, each with the epoch
        milliseconds since when it has been at its position.

        Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_FrontOfQueueJobSummary.html
        """
        lines = self._records.order.lines(queue_arn)
        waiting = {share: deque(line.first(SNAPSHOT_JOBS)) for share, line in lines.items()}
        shares = self._records.shares_of(self._records.queues[queue_arn])
        if shares is None:
            return [entry for entries in waiting.values() for entry in entries]
        # As if those whose turn it is were placed at once, one after the other.
        turns = [
            (shares.turn(share, now_ms), _arrival(entries[0][0]), share)
            for share, entries in waiting.items()
            if entries
        ]
        heapq.heapify(turns)
        ordered: list[tuple[Job, int]] = []
        latest_ms = 0
        while turns and len(ordered) < SNAPSHOT_JOBS:
            turn, _, share = heapq.heappop(turns)
            job, since_ms = waiting[share].popleft()
            latest_ms = max(latest_ms, since_ms)
            ordered.append((job, latest_ms))
            if waiting[share]:
                turn = shares.turn_after(turn, share, job.profile.vcpus)
                heapq.heappush(turns, (turn, _arrival(waiting[share][0][0]), share))
        return ordered

    def timers_of(self, queue: JobQueue) -> list[SetTimer]:
        """Timers for the job that is blocked at the head of this queue."""
        job = self._blocked.get(queue.arn)
        return [] if job is None else _timers(queue, job)

    def pending_timers(self) -> list[SetTimer]:
        """Those of all queues."""
        return [timer for queue in self._by_priority for timer in self.timers_of(queue)]

    def _next(self, queue: JobQueue, now_ms: int) -> Job | None:
        heads = self._records.order.heads(queue.arn)
        if len(heads) < 2:
            return heads[0] if heads else None
        shares = self._records.shares[queue.arn]
        turns = []
        for job in heads:
            share = job.profile.share_identifier or ONE_SHARE
            turns.append((shares.turn(share, now_ms), _arrival(job), share, job))
        return min(turns)[3]

    def _choose(self, queue: JobQueue, job: Job, now_ms: int) -> tuple[ComputeEnvironment, Claim] | None:
        """The first environment in the queue's order with room now; a job that can never be placed learns why.

        A multi-node parallel job waits for the first environment that could ever hold it, though a later one may have
        room (https://repost.aws/knowledge-center/batch-job-stuck-runnable-status and the user guide's page on
        insufficient capacity).
        """
        records = self._records
        shares = records.shares_of(queue)
        ratio = 0.0 if shares is None else shares.reserved_ratio(now_ms)
        reason: str | None = NO_VALID_ENVIRONMENT
        for arn in queue.compute_environments:
            environment = records.environments.get(arn)
            if environment is None or not environment.enabled:
                continue
            claim = records.claims.claim_of(environment, job)
            impossible = never_fits(environment, job.profile, claim, records.capacity.host)
            if claim is None or impossible is not None:
                reason = impossible if reason is not None else None
                continue
            if records.capacity.fits_now(environment, claim, environment.max_vcpus * ratio):
                return environment, claim
            reason = None
            if job.is_multinode:
                break
        self._block(queue, job, reason, now_ms)
        return None

    def _block(self, queue: JobQueue, job: Job, reason: str | None, now_ms: int) -> None:
        """Tell the job, and those who listen, why it cannot be placed; None where it only has to wait."""
        before = self._blocked.pop(queue.arn, job)
        if before is not job and before.blocked is not None:
            before.blocked = before.status_reason = None
        job.status_reason = reason
        if reason is None:
            job.blocked = None
            return
        self._blocked[queue.arn] = job
        if job.blocked is None or job.blocked.reason != reason:
            job.blocked = Blocked(reason, now_ms)
            self._records.actions.append(PublishBlocked(job, queue))
            self._records.actions += _timers(queue, job)


def _timers(queue: JobQueue, job: Job) -> list[SetTimer]:
    """When the queue's time limits may be reached by a job that heads it."""
    if job.blocked is None:
        return []
    return [
        SetTimer(job.blocked.since_ms + limit.max_seconds * 1000, TimeLimitReached(job.job_id, job.blocked.since_ms))
        for limit in queue.time_limits
        if job.blocked.reason.startswith(limit.reason)
    ]


def _arrival(job: Job) -> int:
    return job.runnable_at or job.created_at
