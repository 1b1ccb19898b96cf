"""The engine: handle(event, now) -> actions, the only thing that changes anything.

Every event that may make a placement possible ends in one scheduling cycle (scheduler.py). Replaying the same events
with the same times gives the same state: nothing here reads a clock or draws a number.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from local_batch.engine import events
from local_batch.engine.actions import Action, SetTimer
from local_batch.engine.attempts import Attempts
from local_batch.engine.capacity import CapacityLedger, HostCapacity
from local_batch.engine.fair_share import QueueShares
from local_batch.engine.jobs import Job, Profile
from local_batch.engine.lifecycle import Lifecycle
from local_batch.engine.records import Records, UnknownJobError
from local_batch.engine.resources import ComputeEnvironment, JobDefinition, JobQueue, SchedulingPolicy
from local_batch.engine.scheduler import Scheduler
from local_batch.engine.states import Change

QUEUE_DELETED = "JobQueue deleted"
TIME_LIMIT = "Canceled by JobStateTimeLimit action due to reason: "

_CHANGES_NO_PLACEMENT = (events.ContainerStarted, events.ProfileKept, events.JobTagged, events.JobDefinitionSaved)


class Engine:
    """All state of the local Batch service. Read it freely between events; change it through handle alone."""

    def __init__(self, *, host: HostCapacity) -> None:
        self._records = Records(host)
        self._lifecycle = Lifecycle(self._records)
        self._attempts = Attempts(self._records, self._lifecycle)
        self._scheduler = Scheduler(self._records, self._attempts)
        self._handlers: dict[type[Any], Callable[[Any, int], None]] = {
            events.HostResized: self._resize_host,
            events.ComputeEnvironmentSaved: self._save_environment,
            events.ComputeEnvironmentDeleted: self._delete_environment,
            events.JobQueueSaved: self._save_queue,
            events.JobQueueDeleted: self._delete_queue,
            events.JobDefinitionSaved: self._save_definition,
            events.SchedulingPolicySaved: self._save_policy,
            events.SchedulingPolicyDeleted: self._delete_policy,
            events.ProfileKept: self._keep_profile,
            events.JobSubmitted: self._submit,
            events.JobTagged: self._tag,
            events.CancelRequested: self._cancel,
            events.TerminateRequested: self._terminate,
            events.ContainerStarted: self._attempts.started,
            events.ContainerExited: self._attempts.exited,
            events.StartFailed: self._attempts.start_failed,
            events.AttemptTimedOut: lambda event, _: self._attempts.timed_out(event),
            events.TimeLimitReached: self._reach_time_limit,
        }

    def handle(self, event: events.Event, now_ms: int) -> list[Action]:
        """Apply one event; what must be done about it, in order.

        Raises IllegalTransitionError or UnknownJobError for an event that cannot be, and then changes nothing.
        """
        actions = self._records.actions = []
        self._handlers[type(event)](event, now_ms)
        if not isinstance(event, _CHANGES_NO_PLACEMENT):
            self._scheduler.cycle(now_ms)
        return actions

    # What there is

    @property
    def environments(self) -> dict[str, ComputeEnvironment]:
        """Compute environments by ARN."""
        return self._records.environments

    @property
    def queues(self) -> dict[str, JobQueue]:
        """Job queues by ARN."""
        return self._records.queues

    @property
    def definitions(self) -> dict[str, JobDefinition]:
        """Revisions of job definitions by ARN."""
        return self._records.definitions

    @property
    def policies(self) -> dict[str, SchedulingPolicy]:
        """Scheduling policies by ARN."""
        return self._records.policies

    @property
    def profiles(self) -> dict[str, Profile]:
        """Profiles by key."""
        return self._records.profiles

    @property
    def jobs(self) -> dict[str, Job]:
        """What was submitted, in that order, by id; children and nodes are with their parents."""
        return self._records.jobs

    @property
    def placed(self) -> Collection[Job]:
        """Jobs, children and nodes whose attempt is under way, in the order of their placement."""
        return self._records.placed.values()

    @property
    def capacity(self) -> CapacityLedger:
        """What is reserved."""
        return self._records.capacity

    def find(self, job_id: str) -> Job | None:
        """A job, a child (`uuid:index`) or a node (`uuid#index`); None where there is none."""
        return self._records.find(job_id)

    def front_of(self, queue_arn: str, now_ms: int) -> list[tuple[Job, int]]:
        """See Scheduler.front_of."""
        return self._scheduler.front_of(queue_arn, now_ms)

    def active_shares(self, queue_arn: str, now_ms: int) -> set[str]:
        """The active share identifiers of a queue with a scheduling policy; none of one without."""
        shares = self._records.shares_of(self._records.queues[queue_arn])
        return set() if shares is None else shares.active(now_ms)

    def pending_timers(self) -> list[SetTimer]:
        """The timers of jobs that are blocked at the head of their queues, for a process that takes over."""
        return self._scheduler.pending_timers()

    # Resources

    def _resize_host(self, event: events.HostResized, now_ms: int) -> None:  # noqa: ARG002 - handlers have one shape
        self._records.capacity.host = event.host

    def _save_environment(self, event: events.ComputeEnvironmentSaved, now_ms: int) -> None:  # noqa: ARG002
        self._records.environments[event.environment.arn] = event.environment
        self._records.claims.forget(event.environment.arn)

    def _delete_environment(self, event: events.ComputeEnvironmentDeleted, now_ms: int) -> None:  # noqa: ARG002
        del self._records.environments[event.arn]
        self._records.claims.forget(event.arn)

    def _save_queue(self, event: events.JobQueueSaved, now_ms: int) -> None:  # noqa: ARG002
        queue, records = event.queue, self._records
        if queue.policy_arn is not None:
            policy = records.policies[queue.policy_arn]
            # A queue that was deleted and made anew shares out with what still runs of the old one.
            shares = records.shares.get(queue.arn)
            if shares is None or (queue.arn not in records.queues and not shares.has_jobs):
                shares = records.shares[queue.arn] = QueueShares(policy)
            shares.follow(policy)
        records.queues[queue.arn] = queue
        self._scheduler.queues_changed()
        self._records.actions += self._scheduler.timers_of(queue)

    def _delete_queue(self, event: events.JobQueueDeleted, now_ms: int) -> None:
        parts = [
            part for job in self._records.jobs.values() if job.profile.queue_arn == event.arn for part in _parts(job)
        ]
        self._stop_placed(parts, QUEUE_DELETED)
        self._lifecycle.fail(parts, QUEUE_DELETED, now_ms)
        del self._records.queues[event.arn]
        self._records.order.forget(event.arn)
        self._scheduler.queues_changed()

    def _save_definition(self, event: events.JobDefinitionSaved, now_ms: int) -> None:  # noqa: ARG002
        self._records.definitions[event.definition.arn] = event.definition

    def _save_policy(self, event: events.SchedulingPolicySaved, now_ms: int) -> None:  # noqa: ARG002
        self._records.policies[event.policy.arn] = event.policy
        for queue in self._records.queues.values():
            if queue.policy_arn == event.policy.arn:
                self._records.shares[queue.arn].follow(event.policy)

    def _delete_policy(self, event: events.SchedulingPolicyDeleted, now_ms: int) -> None:  # noqa: ARG002
        del self._records.policies[event.arn]

    # Requests about jobs

    def _keep_profile(self, event: events.ProfileKept, now_ms: int) -> None:  # noqa: ARG002
        self._records.profiles[event.profile.key] = event.profile

    def _submit(self, event: events.JobSubmitted, now_ms: int) -> None:
        spec = event.spec
        profile = self._records.profiles.get(spec.profile)
        if profile is None:
            raise UnknownJobError(f"job {spec.job_id}: its profile {spec.profile} was not kept before it")
        dependencies = [self._records.get(entry.job_id) for entry in spec.depends_on if entry.job_id]
        job = Job(spec=spec, profile=profile, created_at=now_ms, tags=spec.tags)
        self._lifecycle.submit(job, dependencies, event.failure)

    def _tag(self, event: events.JobTagged, now_ms: int) -> None:  # noqa: ARG002
        self._records.get(event.job_id).tags = event.tags

    def _cancel(self, event: events.CancelRequested, now_ms: int) -> None:
        job = self._records.get(event.job_id)
        if job.is_node or job.status.is_terminal:
            return
        if job.is_array and job.children is not None:
            job.is_cancelled = True
        self._lifecycle.withdraw(_parts(job), event.reason, now_ms)

    def _terminate(self, event: events.TerminateRequested, now_ms: int) -> None:
        job = self._records.get(event.job_id)
        # A node has no life of its own: ending one is ending its job.
        whole = job.parent if job.is_node and job.parent is not None else job
        if whole.status.is_terminal:
            return
        parts = _parts(whole)
        for job in (whole, *parts):
            # Also of what has not started, which withdraw cancels: the request was accepted.
            if not job.status.is_terminal:
                job.is_terminated = True
        self._stop_placed(parts, event.reason)
        self._lifecycle.withdraw(parts, event.reason, now_ms)

    def _stop_placed(self, jobs: Iterable[Job], reason: str) -> None:
        for job in jobs:
            if job.status.is_placed:
                job.is_terminated = True
                self._attempts.stop(job, reason)

    def _reach_time_limit(self, event: events.TimeLimitReached, now_ms: int) -> None:
        """Cancel the job if it has been blocked for the same reason, at the head of its queue, ever since."""
        job = self._records.find(event.job_id)
        if job is None or job.blocked is None or job.blocked.since_ms != event.since_ms:
            return
        queue = self._records.queues[job.profile.queue_arn]
        for limit in queue.time_limits:
            is_over = now_ms >= event.since_ms + limit.max_seconds * 1000
            if is_over and job.blocked.reason.startswith(limit.reason):
                job.is_cancelled = True
                job.stop_reason = f"{TIME_LIMIT}{limit.reason}"
                self._lifecycle.end(job, Change.FAIL, now_ms, job.stop_reason)
                return


def _parts(job: Job) -> list[Job]:
    """What is cancelled when the job is: its children once it has them, else itself."""
    return list(job.children.values()) if job.is_array and job.children is not None else [job]
