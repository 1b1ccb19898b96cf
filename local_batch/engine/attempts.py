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

    def place(self, job: Job, environment: ComputeEnvironment, claim: Claim, now_ms: int) -> None:
        """Begin an attempt there; the caller has seen that there is room."""
        claim = self._records.capacity.reserve(environment.arn, claim)
        number = len(job.attempts) + 1
        self._count_use(job, claim.vcpus, now_ms)
        if job.is_multinode:
            self._place_nodes(job, environment, claim, number, now_ms)
            return
        job.attempts = (*job.attempts, Attempt(number, environment.arn, claim))
        self._lifecycle.move(job, Change.PLACE)
        self._records.placed[job] = None
        self._records.actions.append(StartAttempt(job))

    def stop(self, job: Job, reason: str) -> None:
        """End what runs of the job; the first reason given stands."""
        if job.stop_reason is not None:
            return
        job.stop_reason = reason
        if job.is_multinode:
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
        job.attempt.exit_code, job.attempt.reason = event.exit_code, event.reason
        self._finish(job, change, event.status_reason, now_ms)

    def start_failed(self, event: events.StartFailed, now_ms: int) -> None:
        """The container of an attempt never ran."""
        job = self._records.attempted(event.job_id, event.attempt)
        permitted(job, Change.FAIL)
        job.attempt.reason = event.reason
        self._finish(job, Change.FAIL, event.status_reason, now_ms)

    def timed_out(self, event: events.AttemptTimedOut) -> None:
        """An attempt ran as long as it may."""
        job = self._records.get(event.job_id)
        if job.status is JobStatus.RUNNING and job.attempt.number == event.attempt and job.stop_reason is None:
            self.stop(job, TIMED_OUT)

    def _start(self, job: Job, now_ms: int) -> None:
        self._lifecycle.move(job, Change.START)
        job.started_at = job.attempt.started_at = now_ms

    def _finish(self, job: Job, change: Change, status_reason: str, now_ms: int) -> None:
        """The attempt's end: give back what it held, then retry or end the job.

        Stopped jobs are never retried: https://docs.aws.amazon.com/batch/latest/userguide/job_retries.html
        """
        attempt = job.attempt
        attempt.stopped_at = now_ms
        attempt.status_reason = status_reason
        whole = job.parent if job.parent is not None and job.is_node else job
        if change is Change.FAIL and whole.stop_reason is not None:
            attempt.status_reason = whole.stop_reason
        del self._records.placed[job]
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
            self._records.order.push_front(job, now_ms)
            return
        self._lifecycle.end(job, change, now_ms, job.attempt.status_reason)
        job.stopped_at = stopped_at

    def _count_use(self, job: Job, vcpus: float, now_ms: int) -> None:
        share, queue_arn = job.profile.share_identifier, job.profile.queue_arn
        policy = self._records.policy_of(queue_arn)
        if share is not None and policy is not None:
            self._records.shares[queue_arn].change(share, vcpus, policy, now_ms)

    # Nodes of multi-node parallel jobs

    def _place_nodes(self, job: Job, environment: ComputeEnvironment, claim: Claim, number: int, now_ms: int) -> None:
        """All nodes' room is taken; the main node starts, the others when it runs."""
        main = revived_or_new(job, job.profile.main_node, now_ms, self._lifecycle)
        main_claim = container_claim(environment, main.container, is_node=True)
        assert main_claim is not None
        job.attempts = (*job.attempts, Attempt(number, environment.arn, claim.plus(main_claim, -1)))
        self._lifecycle.move(job, Change.PLACE)
        self._begin_node(main, environment.arn, main_claim, number)

    def _start_other_nodes(self, job: Job, now_ms: int) -> None:
        attempt = job.attempt
        environment = self._records.environments[attempt.compute_environment_arn]
        rest = attempt.claim
        for index in other_nodes(job):
            node = revived_or_new(job, index, now_ms, self._lifecycle)
            # The environment may have been changed since the placement: what is held is what is given back.
            claim = container_claim(environment, node.container, is_node=True) or Claim()
            rest = rest.plus(claim, -1)
            self._begin_node(node, environment.arn, claim, attempt.number)
        attempt.claim = rest

    def _begin_node(self, node: Job, environment_arn: str, claim: Claim, number: int) -> None:
        address = self._records.addresses.take()
        node.attempts = (*node.attempts, Attempt(number, environment_arn, claim, address=address))
        self._lifecycle.move(node, Change.PLACE)
        self._records.placed[node] = None
        self._records.actions.append(StartAttempt(node))

    def _stop_nodes(self, job: Job) -> None:
        self._records.actions += [StopAttempt(node) for node in active_nodes(job, self._records)]

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
            attempt = job.attempt
            self._records.capacity.release(attempt.compute_environment_arn, attempt.claim)
            self._count_use(job, -attempt.claim.vcpus, now_ms)
            attempt.claim = Claim()
            if job.stop_reason is None:
                self._stop_nodes(job)
        if job.attempt.stopped_at is not None and not active_nodes(job, self._records):
            main = (job.children or {})[job.profile.main_node]
            how = Change.SUCCEED if main.status is JobStatus.SUCCEEDED else Change.FAIL
            self._conclude(job, how, now_ms, job.attempt.stopped_at)
