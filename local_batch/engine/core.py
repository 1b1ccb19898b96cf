"""The engine: handle(event, now) -> actions, the only thing that changes anything.

Theory of operation. Every event ends in one scheduling cycle. A cycle walks the queues by descending priority and
places the job at the head of each on the first compute environment that has room, until the head does not fit; then
it goes on to the next queue (https://docs.aws.amazon.com/batch/latest/APIReference/API_JobQueueDetail.html, priority).
A job that cannot be placed holds back the jobs behind it in its queue, and only those.
Replaying the same events with the same times gives the same state: nothing here reads a clock or draws a number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from local_batch.engine import events
from local_batch.engine.actions import Action, PublishState, SetTimer, StartAttempt, StopAttempt
from local_batch.engine.capacity import CapacityLedger, HostCapacity, never_fits
from local_batch.engine.dependencies import DependencyGraph
from local_batch.engine.jobs import Attempt, Job
from local_batch.engine.resources import ComputeEnvironment, JobDefinition, JobQueue, SchedulingPolicy
from local_batch.engine.retries import wants_retry
from local_batch.engine.run_order import RunOrder
from local_batch.engine.states import Change, JobStatus, next_status

DEPENDENCY_FAILED = "Dependent Job failed"
QUEUE_DELETED = "JobQueue deleted"
TIMED_OUT = "Job attempt duration exceeded timeout"
NO_VALID_ENVIRONMENT = "ACTION_REQUIRED - CE(s) associated with the job queue are invalid."


class UnknownJobError(Exception):
    """An event names a job, or an attempt of it, that the engine does not have; nothing was changed."""


class Engine:
    """All state of the local Batch service. Read it freely between events; change it through handle alone."""

    def __init__(self, *, host: HostCapacity) -> None:
        self.environments: dict[str, ComputeEnvironment] = {}
        self.queues: dict[str, JobQueue] = {}
        self.definitions: dict[str, JobDefinition] = {}
        self.policies: dict[str, SchedulingPolicy] = {}
        self.jobs: dict[str, Job] = {}
        self.capacity = CapacityLedger(host)
        self._dependencies = DependencyGraph()
        self._order = RunOrder()
        self._actions: list[Action] = []
        self._handlers: dict[type[Any], Callable[[Any, int], None]] = {
            events.HostResized: self._resize_host,
            events.ComputeEnvironmentSaved: self._save_environment,
            events.ComputeEnvironmentDeleted: self._delete_environment,
            events.JobQueueSaved: self._save_queue,
            events.JobQueueDeleted: self._delete_queue,
            events.JobDefinitionSaved: self._save_definition,
            events.SchedulingPolicySaved: self._save_policy,
            events.SchedulingPolicyDeleted: self._delete_policy,
            events.JobSubmitted: self._submit,
            events.JobTagged: self._tag,
            events.CancelRequested: self._cancel,
            events.TerminateRequested: self._terminate,
            events.ContainerStarted: self._container_started,
            events.ContainerExited: self._container_exited,
            events.StartFailed: self._start_failed,
            events.AttemptTimedOut: self._time_out,
        }

    def handle(self, event: events.Event, now_ms: int) -> list[Action]:
        """Apply one event; what must be done about it, in order.

        Raises IllegalTransitionError or UnknownJobError for an event that cannot be, and then changes nothing.
        """
        self._actions = []
        self._handlers[type(event)](event, now_ms)
        self._schedule()
        return self._actions

    # Resources

    def _resize_host(self, event: events.HostResized, now_ms: int) -> None:  # noqa: ARG002 - handlers have one shape
        self.capacity.host = event.host

    def _save_environment(self, event: events.ComputeEnvironmentSaved, now_ms: int) -> None:  # noqa: ARG002
        self.environments[event.environment.arn] = event.environment

    def _delete_environment(self, event: events.ComputeEnvironmentDeleted, now_ms: int) -> None:  # noqa: ARG002
        del self.environments[event.arn]

    def _save_queue(self, event: events.JobQueueSaved, now_ms: int) -> None:  # noqa: ARG002
        self.queues[event.queue.arn] = event.queue

    def _delete_queue(self, event: events.JobQueueDeleted, now_ms: int) -> None:
        del self.queues[event.arn]
        for job in [job for job in self.jobs.values() if job.spec.queue_arn == event.arn]:
            if job.status.is_placed:
                self._stop(job, QUEUE_DELETED)
                job.is_terminated = True
            elif not job.status.is_terminal:
                self._end(job, Change.FAIL, now_ms, QUEUE_DELETED)
        self._order.forget(event.arn)

    def _save_definition(self, event: events.JobDefinitionSaved, now_ms: int) -> None:  # noqa: ARG002
        self.definitions[event.definition.arn] = event.definition

    def _save_policy(self, event: events.SchedulingPolicySaved, now_ms: int) -> None:  # noqa: ARG002
        self.policies[event.policy.arn] = event.policy

    def _delete_policy(self, event: events.SchedulingPolicyDeleted, now_ms: int) -> None:  # noqa: ARG002
        del self.policies[event.arn]

    # Requests about jobs

    def _submit(self, event: events.JobSubmitted, now_ms: int) -> None:
        spec = event.spec
        dependencies = [self._job(job_id) for job_id in spec.depends_on]
        job = Job(spec=spec, created_at=now_ms, tags=dict(spec.tags))
        self.jobs[spec.job_id] = job
        if event.failure is not None:
            self._end(job, Change.FAIL, now_ms, event.failure)
            return
        if any(dependency.status is JobStatus.FAILED for dependency in dependencies):
            self._end(job, Change.FAIL, now_ms, DEPENDENCY_FAILED)
            return
        job.outstanding = {other.spec.job_id for other in dependencies if not other.status.is_terminal}
        if job.outstanding:
            self._dependencies.add(spec.job_id, sorted(job.outstanding))
            self._move(job, Change.WAIT)
        else:
            self._move(job, Change.RELEASE)
            self._order.append(job)

    def _tag(self, event: events.JobTagged, now_ms: int) -> None:  # noqa: ARG002
        self._job(event.job_id).tags = dict(event.tags)

    def _cancel(self, event: events.CancelRequested, now_ms: int) -> None:
        job = self._job(event.job_id)
        if not job.status.is_placed and not job.status.is_terminal:
            self._withdraw(job, event.reason, now_ms)

    def _terminate(self, event: events.TerminateRequested, now_ms: int) -> None:
        job = self._job(event.job_id)
        if job.status.is_terminal:
            return
        if job.status.is_placed:
            job.is_terminated = True
            self._stop(job, event.reason)
        else:
            self._withdraw(job, event.reason, now_ms)

    def _withdraw(self, job: Job, reason: str, now_ms: int) -> None:
        """Cancel before STARTING. A PENDING job fails only once its dependencies have ended.

        Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_CancelJob.html
        """
        job.is_cancelled = True
        if job.stop_reason is None:
            job.stop_reason = reason
        if not job.outstanding:
            self._end(job, Change.FAIL, now_ms, job.stop_reason)

    def _stop(self, job: Job, reason: str) -> None:
        if job.stop_reason is None:
            job.stop_reason = reason
            self._actions.append(StopAttempt(job.spec.job_id, job.attempt.number))

    # Reports about attempts

    def _container_started(self, event: events.ContainerStarted, now_ms: int) -> None:
        job = self._attempted(event.job_id, event.attempt)
        self._move(job, Change.START)
        job.started_at = job.attempt.started_at = now_ms
        if job.spec.timeout_seconds is not None:
            deadline_ms = now_ms + job.spec.timeout_seconds * 1000
            self._actions.append(SetTimer(event.job_id, event.attempt, deadline_ms))

    def _container_exited(self, event: events.ContainerExited, now_ms: int) -> None:
        job = self._attempted(event.job_id, event.attempt)
        # A container that ends well on SIGTERM has succeeded, unless somebody asked for its end.
        succeeded = event.exit_code == 0 and not job.is_terminated
        change = Change.SUCCEED if succeeded else Change.FAIL
        next_status(event.job_id, job.status, change, tuple(job.story))
        job.attempt.exit_code, job.attempt.reason = event.exit_code, event.reason
        self._finish_attempt(job, change, event.status_reason, now_ms)

    def _start_failed(self, event: events.StartFailed, now_ms: int) -> None:
        job = self._attempted(event.job_id, event.attempt)
        next_status(event.job_id, job.status, Change.FAIL, tuple(job.story))
        job.attempt.reason = event.reason
        self._finish_attempt(job, Change.FAIL, event.status_reason, now_ms)

    def _time_out(self, event: events.AttemptTimedOut, now_ms: int) -> None:  # noqa: ARG002
        job = self._job(event.job_id)
        if job.status is JobStatus.RUNNING and job.attempt.number == event.attempt and job.stop_reason is None:
            self._stop(job, TIMED_OUT)

    def _finish_attempt(self, job: Job, change: Change, status_reason: str, now_ms: int) -> None:
        """The attempt's end: give back its capacity, then retry or end the job.

        Stopped jobs are never retried: https://docs.aws.amazon.com/batch/latest/userguide/job_retries.html
        """
        attempt = job.attempt
        attempt.stopped_at = now_ms
        attempt.status_reason = status_reason
        if change is Change.FAIL and job.stop_reason is not None:
            attempt.status_reason = job.stop_reason
        self.capacity.release(attempt.compute_environment_arn, job.spec.demand)
        if change is Change.FAIL and job.stop_reason is None and wants_retry(job.spec.retry, attempt):
            job.started_at = None
            self._move(job, Change.RETRY)
            self._order.push_front(job)
            return
        self._end(job, change, now_ms, attempt.status_reason)

    # Transitions

    def _end(self, job: Job, change: Change, now_ms: int, reason: str) -> None:
        """Bring a job to its end, and with it, one after the other, those that its end decides."""
        ending = [(job, change, reason)]
        while ending:
            ended, how, why = ending.pop()
            self._move(ended, how)
            ended.status_reason = why
            ended.stopped_at = now_ms
            for dependent_id in self._dependencies.settle(ended.spec.job_id):
                dependent = self.jobs[dependent_id]
                if dependent.status is not JobStatus.PENDING:
                    continue
                dependent.outstanding.discard(ended.spec.job_id)
                if dependent.stop_reason is not None:
                    if not dependent.outstanding:
                        ending.append((dependent, Change.FAIL, dependent.stop_reason))
                elif how is Change.FAIL:
                    ending.append((dependent, Change.FAIL, DEPENDENCY_FAILED))
                elif not dependent.outstanding:
                    self._move(dependent, Change.RELEASE)
                    self._order.append(dependent)

    def _move(self, job: Job, change: Change) -> None:
        job.status = next_status(job.spec.job_id, job.status, change, tuple(job.story))
        job.story.append(job.status)
        job.status_reason = None
        self._actions.append(PublishState(job.spec.job_id, job.status))

    # Scheduling

    def _schedule(self) -> None:
        for queue in sorted(self.queues.values(), key=lambda queue: -queue.priority):
            while (head := self._order.head(queue.arn)) is not None:
                environment = self._choose_environment(queue, head)
                if environment is None:
                    break
                self._order.pop(queue.arn)
                self._place(head, environment)

    def _choose_environment(self, queue: JobQueue, job: Job) -> ComputeEnvironment | None:
        """The first environment in the queue's order with room now; a job that can never be placed learns why."""
        demand = job.spec.demand
        blocked = NO_VALID_ENVIRONMENT
        for arn in queue.compute_environments:
            environment = self.environments.get(arn)
            if environment is None or not environment.enabled:
                continue
            impossible = never_fits(environment, demand, self.capacity.host)
            if impossible is None:
                if self.capacity.fits_now(environment, demand):
                    return environment
                blocked = ""
            elif blocked:
                blocked = impossible
        job.status_reason = blocked or None
        return None

    def _place(self, job: Job, environment: ComputeEnvironment) -> None:
        number = len(job.attempts) + 1
        # Derived, not drawn, so that a replay gives the same log stream; 32 hex digits, as an ECS task id has.
        task_id = hashlib.md5(f"{job.spec.job_id}/{number}".encode(), usedforsecurity=False).hexdigest()
        job.attempts.append(
            Attempt(
                number=number,
                task_id=task_id,
                log_stream=f"{job.spec.log_stream_prefix}{task_id}",
                compute_environment_arn=environment.arn,
            )
        )
        self.capacity.reserve(environment.arn, job.spec.demand)
        self._move(job, Change.PLACE)
        self._actions.append(StartAttempt(job.spec.job_id, number))

    # Look-ups

    def _job(self, job_id: str) -> Job:
        try:
            return self.jobs[job_id]
        except KeyError:
            raise UnknownJobError(f"job {job_id}: no such job was submitted here") from None

    def _attempted(self, job_id: str, number: int) -> Job:
        job = self._job(job_id)
        if not job.status.is_placed or job.attempt.number != number:
            current = job.attempts[-1].number if job.attempts else 0
            raise UnknownJobError(
                f"job {job_id}: attempt {number} is not under way, the job is {job.status} after attempt {current}"
            )
        return job
