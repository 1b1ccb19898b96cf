"""What holds for an engine after every event, told without its own arithmetic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from local_batch.engine import events
from local_batch.engine.actions import Action, StartAttempt
from local_batch.engine.core import Engine
from local_batch.engine.jobs import Claim, DependencyType, Job
from local_batch.engine.resources import ComputeEnvironment, JobQueue, Platform
from local_batch.engine.states import JobStatus
from tests.local_batch.engine.cloud import Cloud

S = JobStatus
NO_CYCLE = (events.ContainerStarted, events.ProfileKept, events.JobTagged)


@dataclass
class WatchedCloud(Cloud):
    """A cloud in which nothing may happen that must not."""

    allowed: dict[str, float] = field(default_factory=dict)
    """What an environment, or the host, may hold: more than its maximum where that was lowered under what runs."""

    def happen(self, event: events.Event) -> list[Action]:
        """One event, and a look at everything."""
        actions = super().happen(event)
        if isinstance(event, events.ComputeEnvironmentSaved | events.HostResized):
            self.allowed = held(self.engine)
        placed = [action.job for action in actions if isinstance(action, StartAttempt) and not _is_follower(action.job)]
        self._check_capacity()
        check_jobs(self.engine)
        check_addresses(self.engine)
        check_order(self.engine, placed)
        if not isinstance(event, NO_CYCLE):
            check_nobody_waits_for_room(self.engine, placed, self.now_ms)
        return actions

    def _check_capacity(self) -> None:
        engine, holds = self.engine, held(self.engine)
        ledger = engine.capacity
        assert (ledger.host_vcpus, ledger.host_memory_mib, ledger.host_gpus) == (
            holds["vcpus"],
            holds["memory"],
            holds["gpus"],
        )
        for arn, used in ledger.environment_vcpus.items():
            assert used == holds.get(arn, 0)
        bounds = {environment.arn: float(environment.max_vcpus) for environment in engine.environments.values()}
        host = ledger.host
        bounds |= {"vcpus": host.vcpus, "memory": host.memory_mib, "gpus": host.gpus}
        for what, bound in bounds.items():
            self.allowed[what] = max(bound, min(self.allowed.get(what, 0), holds.get(what, 0)))
            runs_alone = what == "vcpus" and len({_whole(job) for job in engine.placed}) == 1
            assert holds.get(what, 0) <= self.allowed[what] or runs_alone


def held(engine: Engine) -> dict[str, float]:
    """What placed jobs hold: of each environment by its ARN, and of the host."""
    total: Counter[str] = Counter(vcpus=0, memory=0, gpus=0)
    for job in engine.placed:
        claims = [job.attempt.claim]
        if job.is_main_node and job.parent is not None:
            claims.append(job.parent.attempt.claim)
        for claim in claims:
            total[job.attempt.compute_environment_arn] += claim.environment_vcpus  # type: ignore[assignment]
            total["vcpus"] += claim.vcpus  # type: ignore[assignment]
            total["memory"] += claim.memory_mib
            total["gpus"] += claim.gpus
    return dict(total)


def everyone(engine: Engine) -> Iterator[Job]:
    """Jobs, children and nodes."""
    for job in engine.jobs.values():
        yield job
        yield from (job.children or {}).values()


def check_jobs(engine: Engine) -> None:
    """Dependencies, summaries, gangs, and the states of arrays."""
    placed = set(engine.placed)
    for job in everyone(engine):
        assert (job in placed) == (job.status.is_placed and not job.is_multinode)
        if job.attempts and not job.is_node:
            assert all(other.status is S.SUCCEEDED for other in _awaited(engine, job)), job.job_id
        if job.is_array:
            _check_array(job)
        if job.is_multinode and job.status.is_placed:
            _check_gang(job)


def _awaited(engine: Engine, job: Job) -> Iterator[Job]:
    """All that must have succeeded before the job may start."""
    for entry in job.spec.depends_on:
        other = engine.find(entry.job_id) if entry.job_id else None
        if entry.type is None:
            assert other is not None
            yield other
        elif entry.type is DependencyType.N_TO_N and job.index is not None:
            assert other is not None
            assert other.children is not None
            yield other.children[job.index]
        elif entry.type is DependencyType.SEQUENTIAL and job.index and job.parent is not None:
            assert job.parent.children is not None
            yield job.parent.children[job.index - 1]


def _check_array(array: Job) -> None:
    statuses = [child.status for child in (array.children or {}).values()]
    assert array.summary == {status: statuses.count(status) for status in S}
    assert array.status in (S.PENDING, S.SUCCEEDED, S.FAILED)
    if array.children is not None:
        has_ended = all(status.is_terminal for status in statuses)
        assert array.status is (S.PENDING if not has_ended else S.FAILED if S.FAILED in statuses else S.SUCCEEDED)


def _check_gang(job: Job) -> None:
    """Room for all nodes is held from the placement to the main node's end, and each node's to its own."""
    assert job.children is not None
    now = [node for node in job.children.values() if node.attempts and node.attempt.number == job.attempt.number]
    main = job.children[job.profile.main_node]
    if main.status.is_placed:
        total = sum(node.attempt.claim.vcpus for node in now) + job.attempt.claim.vcpus
        count = job.profile.num_nodes or 0
        assert total == sum(job.profile.container_of(index).demand.vcpus for index in range(count))
        assert job.status is main.status
        assert len(now) == (count if job.status is S.RUNNING and len(now) > 1 else 1)
        if job.status is S.RUNNING and job.stop_reason is None:
            assert len(now) == count
    else:
        assert job.attempt.claim == Claim()
        assert any(node.status.is_placed for node in now)


def check_addresses(engine: Engine) -> None:
    """No two nodes have the same, and each is either free or somebody's."""
    pool = engine._records.addresses
    used = [job.attempt.address for job in engine.placed if job.attempt.address is not None]
    assert sorted([*used, *pool._free]) == list(range(pool._next))


def check_order(engine: Engine, placed: list[Job]) -> None:
    """Of those that this event placed: queues by priority, within a queue or share nobody before his turn."""
    priorities = [engine.queues[job.profile.queue_arn].priority for job in placed]
    assert priorities == sorted(priorities, reverse=True)
    for job in placed:
        waiting = [
            other
            for other in everyone(engine)
            if other.status is S.RUNNABLE and _line(other) == _line(job) and not other.is_node
        ]
        highest = max((other.profile.scheduling_priority for other in waiting), default=-1)
        if job.profile.share_identifier is not None:
            assert job.profile.scheduling_priority >= highest
        peers = [
            other
            for other in waiting
            if job.profile.share_identifier is None
            or other.profile.scheduling_priority == job.profile.scheduling_priority
        ]
        if len(_whole(job).attempts) == 1:
            assert not any(other.attempts for other in peers), "a retried job goes first"
            assert all((other.runnable_at or 0) >= (_whole(job).runnable_at or 0) for other in peers)


def check_nobody_waits_for_room(engine: Engine, placed: list[Job], now_ms: int) -> None:
    """The next of each queue does not fit, even without what this event gave to queues of lower priority."""
    for queue in engine.queues.values():
        front = engine.front_of(queue.arn, now_ms)
        if front:
            lower = [job for job in placed if engine.queues[job.profile.queue_arn].priority < queue.priority]
            assert not _has_room(engine, queue, front[0][0], lower, now_ms), front[0][0].job_id


def _has_room(engine: Engine, queue: JobQueue, job: Job, without: list[Job], now_ms: int) -> bool:
    holds = Counter(held(engine))
    for other in without:
        claim = _whole_claim(_whole(other))
        holds[_whole(other).attempt.compute_environment_arn] -= claim.environment_vcpus  # type: ignore[assignment]
        holds["vcpus"] -= claim.vcpus  # type: ignore[assignment]
        holds["memory"] -= claim.memory_mib
        holds["gpus"] -= claim.gpus
    reserved = 0.0
    if queue.policy_arn is not None:
        percent = engine.policies[queue.policy_arn].reservation_percent
        reserved = (percent / 100) ** len(engine.active_shares(queue.arn, now_ms)) if percent else 0.0
    host = engine.capacity.host
    for arn in queue.compute_environments:
        environment = engine.environments.get(arn)
        if environment is None or not environment.enabled:
            continue
        need = _needed(environment, job)
        if need is None or need.environment_vcpus > environment.max_vcpus:
            continue
        if need.memory_mib > host.memory_mib or need.gpus > host.gpus:
            continue
        most = environment.max_vcpus * (1 - reserved) if holds[arn] else environment.max_vcpus
        has_room = (
            holds[arn] + need.environment_vcpus <= most
            and (holds["vcpus"] + need.vcpus <= host.vcpus or not holds["vcpus"])
            and holds["memory"] + need.memory_mib <= host.memory_mib
            and holds["gpus"] + need.gpus <= host.gpus
        )
        if has_room or job.is_multinode:
            return has_room
    return False


def _needed(environment: ComputeEnvironment, job: Job) -> Claim | None:
    """What the job as a whole takes there; None where a container fits no instance."""
    total = Claim()
    for node in range(job.profile.num_nodes or 1):
        demand = job.profile.container_of(node).demand
        instance_vcpus: float = demand.vcpus
        if environment.platform is Platform.EC2:
            fitting = [
                size.vcpus
                for size in environment.instance_sizes
                if size.vcpus >= demand.vcpus and size.memory_mib >= demand.memory_mib and size.gpus >= demand.gpus
            ]
            if not fitting:
                return None
            if job.is_multinode:
                instance_vcpus = min(fitting)
        total = total.plus(Claim(instance_vcpus, demand.vcpus, demand.memory_mib, demand.gpus))
    return total


def _whole_claim(job: Job) -> Claim:
    nodes: Iterable[Job] = (job.children or {}).values() if job.is_multinode else ()
    claim = job.attempt.claim
    for node in nodes:
        if node.status.is_placed:
            claim = claim.plus(node.attempt.claim)
    return claim


def _whole(job: Job) -> Job:
    return job.parent if job.is_node and job.parent is not None else job


def _is_follower(job: Job) -> bool:
    """A node that starts because its main node runs: no placement of its own."""
    return job.is_node and not job.is_main_node


def _line(job: Job) -> tuple[str, str | None]:
    return job.profile.queue_arn, job.profile.share_identifier
