"""Attempts of jobs, of children and of nodes: placed, started, ended, retried."""

from __future__ import annotations

from local_batch.engine import events
from local_batch.engine.actions import SetTimer, StartAttempt, StopAttempt
from local_batch.engine.capacity import container_claim
from local_batch.engine.jobs import Attempt, Claim, Job
from local_batch.engine.lifecycle import Lifecycle, permitted
from local_batch.engine.multinode import (
    active_nodes,
    mirror_end,
    other_nodes,
    revived_or_new,
)
from local_batch.engine.records import Records
from local_batch.engine.resources import ComputeEnvironment
from local_batch.engine.retries import wants_retry
from local_batch.engine.states import Change, JobStatus

TIMED_OUT = "Job attempt duration exceeded timeout"


class Attempts:
    """What happens to a job between its placement and the end of its attempt."""

    def __init__(self, records: Records, lifecycle: Lifecycle) -> None:
        self._records = records
        self._lifecycle = lifecycle
        self._environments: dict[Job, ComputeEnvironment] = {}
        """Where multi-node parallel jobs under way were placed, as it was at that time: what their other nodes will
        hold was reserved then, and it may be changed or gone when they start."""

    def place(self, job: Job, environment: ComputeEnvironment, claim: Claim, now_ms: int) -> None:
        """Begin an attempt there; the caller has seen that there is room."""
        self._records.capacity.reserve(environment.arn, claim)
        self._count_use(job, claim.vcpus, now_ms)
        if job.is_multinode:
            self._place_nodes(job, environment, claim, now_ms)
        else:
            self._begin(job, Attempt(len(job.attempts) + 1, environment.arn, claim))

    def stop(self, job: Job, reason: str) -> None:
        """End what runs of the job; the first reason given stands."""
        if job.stop_reason is not None:
            return
        job.stop_reason = reason
        if job.is_multinode:
            # Where the main node has ended, the others have been told: all that is left to stop is another attempt.
            if job.attempt.stopped_at is None:
                self._stop_nodes(job)
        else:
            self._records.actions.append(StopAttempt(job))

    def started(self, event: events.ContainerStarted, now_ms: int) -> None:
        """The container of an attempt runs."""
        job = self._records.attempted(event.job_id, event.attempt)
        self._start(job, now_ms)
        whole = job
        if job.parent is not None and job.is_node:
            if not job.is_main_node:
                return
            whole = job.parent
            self._start(whole, now_ms)
            if whole.stop_reason is None:
                self._start_other_nodes(whole, now_ms)
        if whole.profile.timeout_seconds is not None:
            deadline_ms = now_ms + whole.profile.timeout_seconds * 1000
            timed_out = events.AttemptTimedOut(whole.job_id, event.attempt)
            self._records.actions.append(SetTimer(deadline_ms, timed_out))

    def exited(self, event: events.ContainerExited, now_ms: int) -> None:
        """The container of an attempt ended."""
        job = self._records.attempted(event.job_id, event.attempt)
        # A container that ends well on SIGTERM has succeeded, unless somebody asked for its end.
        asked = job.parent.is_terminated if job.parent is not None and job.is_node else job.is_terminated
        change = Change.SUCCEED if event.exit_code == 0 and not asked else Change.FAIL
        permitted(job, change)
        attempt = job.attempts[-1]
        attempt.exit_code, attempt.reason = event.exit_code, event.reason
        self._finish(job, change, event, now_ms)

    def start_failed(self, event: events.StartFailed, now_ms: int) -> None:
        """The container of an attempt never ran."""
        job = self._records.attempted(event.job_id, event.attempt)
        permitted(job, Change.FAIL)
        job.attempt.reason = event.reason
        self._finish(job, Change.FAIL, event, now_ms)

    def timed_out(self, event: events.AttemptTimedOut) -> None:
        """An attempt ran as long as it may."""
        job = self._records.get(event.job_id)
        is_under_way = job.status is JobStatus.RUNNING and job.attempt.stopped_at is None
        if is_under_way and job.attempt.number == event.attempt:
            self.stop(job, TIMED_OUT)

    def _start(self, job: Job, now_ms: int) -> None:
        self._lifecycle.move(job, Change.START)
        job.started_at = job.attempt.started_at = now_ms

    def _begin(self, job: Job, attempt: Attempt) -> None:
        """Of a single job, child or node: run this attempt."""
        job.attempts = (*job.attempts, attempt)
        self._lifecycle.move(job, Change.PLACE)
        self._records.placed[job.job_id] = job
        self._records.actions.append(StartAttempt(job))

    def _finish(
        self, job: Job, change: Change, event: events.ContainerExited | events.StartFailed, now_ms: int
    ) -> None:
        """The attempt's end: give back what it held, then retry or end the job.

        Stopped jobs are never retried: https://docs.aws.amazon.com/batch/latest/userguide/job_retries.html
        """
        attempt = job.attempts[-1]
        attempt.stopped_at = now_ms
        attempt.status_reason = event.status_reason
        whole = job.parent if job.parent is not None and job.is_node else job
        if change is Change.FAIL and whole.stop_reason is not None:
            attempt.status_reason = whole.stop_reason
        del self._records.placed[event.job_id]
        self._records.capacity.release(attempt.compute_environment_arn, attempt.claim)
        self._count_use(job, -attempt.claim.vcpus, now_ms)
        if whole is job:
            self._conclude(job, change, now_ms, now_ms)
        else:
            self._node_ended(whole, job, change, now_ms)

    def _conclude(self, job: Job, change: Change, now_ms: int, stopped_at: int) -> None:
        """An attempt of the job as a whole has ended with nothing left of it: another one, or the end."""
        if change is Change.FAIL and job.stop_reason is None and wants_retry(job.profile.retry, job.attempt):
            job.started_at = None
            self._lifecycle.move(job, Change.RETRY)
            job.runnable_at = now_ms
            self._records.order.push_front(job)
            return
        reason = job.stop_reason if change is Change.FAIL else None
        self._lifecycle.end(job, change, now_ms, reason or job.attempt.status_reason)
        job.stopped_at = stopped_at

    def _count_use(self, job: Job, vcpus: float, now_ms: int) -> None:
        share = job.profile.share_identifier
        if share is not None:
            self._records.shares[job.profile.queue_arn].change(share, vcpus, now_ms)

    # Nodes of multi-node parallel jobs

    def _place_nodes(self, job: Job, environment: ComputeEnvironment, claim: Claim, now_ms: int) -> None:
        """All nodes' room is taken; the main node starts, the others when it runs."""
        self._environments[job] = environment
        job.attempts = (*job.attempts, Attempt(len(job.attempts) + 1, environment.arn, claim))
        self._lifecycle.move(job, Change.PLACE)
        self._begin_node(job, job.profile.main_node, environment, now_ms)

    def _start_other_nodes(self, job: Job, now_ms: int) -> None:
        environment = self._environments[job]
        for index in other_nodes(job):
            self._begin_node(job, index, environment, now_ms)

    def _begin_node(self, job: Job, index: int, environment: ComputeEnvironment, now_ms: int) -> None:
        """Its part of what the job holds is the node's from now on."""
        node = revived_or_new(job, index, now_ms, self._lifecycle)
        claim = container_claim(environment, node.container, is_node=True)
        assert claim is not None
        job.attempt.claim = job.attempt.claim.plus(claim, -1)
        address = self._records.addresses.take()
        self._begin(node, Attempt(job.attempt.number, environment.arn, claim, address=address))

    def _stop_nodes(self, job: Job) -> None:
        self._records.actions += [StopAttempt(node) for node in active_nodes(job)]

    def _node_ended(self, job: Job, node: Job, change: Change, now_ms: int) -> None:
        """The main node decides how the job ends, the last one when.

        Source: https://docs.aws.amazon.com/batch/latest/userguide/multi-node-parallel-jobs.html
        """
        address = node.attempt.address
        assert address is not None
        self._records.addresses.give_back(address)
        self._lifecycle.end(node, change, now_ms, node.attempt.status_reason)
        if node.is_main_node:
            mirror_end(job, node)
            del self._environments[job]
            attempt = job.attempt
            self._records.capacity.release(attempt.compute_environment_arn, attempt.claim)
            self._count_use(job, -attempt.claim.vcpus, now_ms)
            if job.stop_reason is None:
                self._stop_nodes(job)
        if job.attempt.stopped_at is not None and not active_nodes(job):
            main = (job.children or {})[job.profile.main_node]
            how = Change.SUCCEED if main.status is JobStatus.SUCCEEDED else Change.FAIL
            self._conclude(job, how, now_ms, job.attempt.stopped_at)
