"""All that the engine knows: the tables that its parts work on."""

from __future__ import annotations

from local_batch.engine.actions import Action
from local_batch.engine.capacity import AddressPool, CapacityLedger, ClaimTable, HostCapacity
from local_batch.engine.dependencies import DependencyGraph
from local_batch.engine.fair_share import QueueShares
from local_batch.engine.jobs import Job, Profile
from local_batch.engine.resources import ComputeEnvironment, JobDefinition, JobQueue, SchedulingPolicy
from local_batch.engine.run_order import RunOrder


class UnknownJobError(Exception):
    """An event names a job, or an attempt of it, that the engine does not have; nothing was changed."""


class Records:
    """One for each engine. `actions` is what the event at hand asks of the world."""

    def __init__(self, host: HostCapacity) -> None:
        self.environments: dict[str, ComputeEnvironment] = {}
        self.queues: dict[str, JobQueue] = {}
        self.definitions: dict[str, JobDefinition] = {}
        self.policies: dict[str, SchedulingPolicy] = {}
        self.profiles: dict[str, Profile] = {}
        self.jobs: dict[str, Job] = {}
        self.placed: dict[str, Job] = {}
        """By id: single jobs, children and nodes whose attempt is under way, in the order of their placement."""
        self.capacity = CapacityLedger(host)
        self.claims = ClaimTable()
        self.addresses = AddressPool()
        self.order = RunOrder()
        self.graph = DependencyGraph()
        self.shares: dict[str, QueueShares] = {}
        """By queue. Those of a deleted queue are here until nothing of it runs any more."""
        self.actions: list[Action] = []

    def find(self, job_id: str) -> Job | None:
        """A job, a child (`uuid:index`) or a node (`uuid#index`)."""
        job = self.jobs.get(job_id)
        if job is not None or len(job_id) < 3:
            return job
        for mark in ":#":
            parent_id, found, index = job_id.rpartition(mark)
            if found and index.isascii() and index.isdecimal() and len(index) <= 5 and str(int(index)) == index:
                parent = self.jobs.get(parent_id)
                if parent is not None and parent.children is not None and parent.is_array == (mark == ":"):
                    return parent.children.get(int(index))
        return None

    def get(self, job_id: str) -> Job:
        """As find; raises UnknownJobError where there is none."""
        job = self.find(job_id)
        if job is None:
            raise UnknownJobError(f"job {job_id}: no such job was submitted here")
        return job

    def attempted(self, job_id: str, number: int) -> Job:
        """The job whose attempt with this number is under way; raises UnknownJobError."""
        job = self.placed.get(job_id)
        if job is None or job.attempts[-1].number != number:
            job = self.get(job_id)
            current = job.attempts[-1].number if job.attempts else 0
            raise UnknownJobError(
                f"job {job_id}: attempt {number} is not under way, the job is {job.status} after attempt {current}"
            )
        return job

    def shares_of(self, queue: JobQueue) -> QueueShares | None:
        """The shares of a queue with a scheduling policy."""
        return None if queue.policy_arn is None else self.shares[queue.arn]
