"""What must hold however jobs come and end: random histories on the pure core.

The seed of a run is printed at its beginning; `--hypothesis-seed` draws the same histories again.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from local_batch.engine import events
from local_batch.engine.actions import SetTimer
from local_batch.engine.capacity import HostCapacity
from local_batch.engine.core import Engine
from local_batch.engine.jobs import Dependency, ExitRule, Job, RetryStrategy
from local_batch.engine.records import UnknownJobError
from local_batch.engine.resources import (
    ComputeEnvironment,
    InstanceSize,
    JobQueue,
    Platform,
    SchedulingPolicy,
    TimeLimit,
)
from local_batch.engine.states import IllegalTransitionError, JobStatus
from local_batch.journal import Journal
from tests.local_batch.engine.cloud import (
    EC2,
    FARGATE,
    HIGH,
    NORMAL,
    ON_EC2,
    POLICY,
    SEQUENTIAL,
    SHARED,
    Submission,
    container,
    job_spec,
    n_to_n,
    node_job,
    records,
)
from tests.local_batch.engine.invariants import WatchedCloud, everyone, held

S = JobStatus
HOSTS = (HostCapacity(8, 16384, 2), HostCapacity(4, 6144, 1), HostCapacity(32, 65536, 4))
SIZES = (InstanceSize("m.small", 2, 8192), InstanceSize("g.large", 4, 16384, gpus=2), InstanceSize("m.large", 8, 65536))
QUEUES = {HIGH: (FARGATE,), NORMAL: (FARGATE,), ON_EC2: (EC2,), SHARED: (FARGATE, EC2)}
REASONS = ("MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE", "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT")

picks = st.integers(0, 1_000_000)
ends = st.sampled_from([0, 0, 0, 0, 1, 143, None, "no start"])
strategies = st.builds(
    RetryStrategy,
    attempts=st.integers(1, 3),
    rules=st.sampled_from([(), (ExitRule(retry=False, on_exit_code="1"),), (ExitRule(retry=True, on_reason="*"),)]),
)


def environment(arn: str, max_vcpus: int, *, enabled: bool = True) -> events.Event:
    """An environment of this size is saved."""
    platform, sizes = (Platform.EC2, SIZES) if arn == EC2 else (Platform.FARGATE, ())
    saved = ComputeEnvironment(arn, arn[-3:], platform, max_vcpus, enabled, instance_sizes=sizes)
    return events.ComputeEnvironmentSaved(saved)


def queue_saved(arn: str, priority: int, limit_seconds: int | None, *, enabled: bool = True) -> events.Event:
    """A queue with this priority, and these limits for what blocks it, is saved."""
    limits = () if limit_seconds is None else tuple(TimeLimit(reason, limit_seconds) for reason in REASONS)
    policy_arn = POLICY if arn == SHARED else None
    return events.JobQueueSaved(JobQueue(arn, arn[-3:], priority, QUEUES[arn], enabled, policy_arn, limits))


def policy_saved(decay: int, percent: int, weight: float) -> events.Event:
    """A policy with this window, reservation, and weight of the share x is saved."""
    weights = (("x", weight), ("y*", 2.0))
    return events.SchedulingPolicySaved(SchedulingPolicy(POLICY, "fair", decay, percent, weights))


environments = st.builds(
    environment,
    st.sampled_from([FARGATE, EC2]),
    st.sampled_from([2, 6, 6, 16]),
    enabled=st.sampled_from([True, True, False]),
)
queues = st.builds(
    queue_saved,
    st.sampled_from(list(QUEUES)),
    st.sampled_from([1, 10, 100]),
    st.sampled_from([None, 600, 1200]),
    enabled=st.booleans(),
)
policies = st.builds(
    policy_saved, st.sampled_from([0, 60, 3600]), st.sampled_from([0, 50]), st.sampled_from([0.25, 1.0, 4.0])
)


@dataclass(frozen=True)
class Plan:
    """A submission, before it is known what there is to depend on. A job has a size, nodes, or neither."""

    queue: str
    size: int | None
    nodes: int | None
    vcpus: float
    memory_mib: int
    gpus: int
    depends_on: list[tuple[int, str]]
    retry: RetryStrategy
    timeout_seconds: int | None
    share: str
    priority: int
    failure: str | None


plans = st.builds(
    Plan,
    queue=st.sampled_from([HIGH, NORMAL, ON_EC2, SHARED, SHARED]),
    size=st.sampled_from([None, 2, 3, 4]),
    nodes=st.sampled_from([None, None, 2, 3, 4]),
    vcpus=st.sampled_from([0.5] * 5 + [1] * 10 + [2] * 10 + [3] * 3 + [7, 20]),
    memory_mib=st.sampled_from([1024] * 25 + [5000] * 4 + [40000]),
    gpus=st.sampled_from([0] * 25 + [1] * 4 + [3]),
    depends_on=st.lists(st.tuples(picks, st.sampled_from(["whole", "partner", "sequential"])), max_size=3),
    retry=strategies,
    timeout_seconds=st.sampled_from([None, 60]),
    share=st.sampled_from(["x", "y1", "z"]),
    priority=st.integers(0, 2),
    failure=st.sampled_from([None] * 7 + ["too long"]),
)


def is_at_work(machine: RandomHistory) -> bool:
    """Attempts are under way."""
    return bool(machine.cloud.engine.placed)


class RandomHistory(RuleBasedStateMachine):
    """Everything that requests, executors, timers and restarts can do to an engine, in any order."""

    @initialize(
        host=st.sampled_from(HOSTS), percent=st.sampled_from([0, 50]), plans=st.lists(plans, min_size=3, max_size=8)
    )
    def deploy(self, host: HostCapacity, percent: int, plans: list[Plan]) -> None:
        """A small cloud, so that jobs compete."""
        self.cloud = WatchedCloud(fargate_vcpus=6, host=host)
        for event in (environment(EC2, 16), policy_saved(600, percent, 0.25), queue_saved(SHARED, 10, None)):
            self.cloud.happen(event)
        self.submit(plans, [])

    @rule(plans=st.lists(plans, min_size=1, max_size=6), ends=st.lists(st.tuples(picks, ends), max_size=6))
    def submit(self, plans: list[Plan], ends: list[tuple[int, int | str | None]]) -> None:
        """Jobs of all kinds, on anything submitted before; what runs goes on."""
        self.progress(ends)
        for plan in plans:
            if plan.queue in self.cloud.engine.queues:
                self.cloud.submit(self._submission(plan), plan.failure)

    @precondition(is_at_work)
    @rule(ends=st.lists(st.tuples(picks, ends), min_size=1, max_size=20))
    def progress(self, ends: list[tuple[int, int | str | None]]) -> None:
        """Containers start, do not start, end, or are lost with their host."""
        for pick, end in ends:
            placed = list(self.cloud.engine.placed)
            if placed:
                self._progress(placed[pick % len(placed)], end)

    @rule(pick=picks, request=st.sampled_from([events.CancelRequested, events.TerminateRequested]))
    def stop(self, pick: int, request: type[events.CancelRequested | events.TerminateRequested]) -> None:
        """CancelJob or TerminateJob on a job, a child or a node in whatever state."""
        jobs = list(everyone(self.cloud.engine))
        self.cloud.happen(request(jobs[pick % len(jobs)].job_id, "stop"))

    @precondition(lambda self: bool(self._timers()))
    @rule(pick=picks, late_ms=st.sampled_from([-1, 0, 0, 0, 100_000]))
    def ring(self, pick: int, late_ms: int) -> None:
        """Any timer that was ever set: early, in time, late, or of an attempt that ended long ago."""
        timers = self._timers()
        timer = timers[pick % len(timers)]
        self.cloud.now_ms = max(self.cloud.now_ms, timer.at_ms + late_ms)
        self.cloud.happen(timer.event)

    @rule(milliseconds=st.sampled_from([1, 1000, 60_000, 700_000]))
    def wait(self, milliseconds: int) -> None:
        """Time goes by."""
        self.cloud.now_ms += milliseconds

    @rule(event=st.one_of(environments, queues, policies))
    def save(self, event: events.Event) -> None:
        """Environments, queues and the policy become others; a queue that was deleted is made anew."""
        self.cloud.happen(event)

    @precondition(is_at_work)
    @rule(arn=st.sampled_from(list(QUEUES)))
    def delete_queue(self, arn: str) -> None:
        """With all that is in it."""
        if arn in self.cloud.engine.queues:
            self.cloud.happen(events.JobQueueDeleted(arn))

    @precondition(is_at_work)
    @rule(host=st.sampled_from(HOSTS))
    def restart(self, host: HostCapacity) -> None:
        """A new process, perhaps on another machine: what ran is lost."""
        lost = [(job.job_id, job.attempt.number) for job in self.cloud.engine.placed]
        self.cloud.happen(events.HostResized(host))
        for job_id, number in lost:
            self.cloud.happen(events.ContainerExited(job_id, number, None, None, "Host EC2 (instance i-0) terminated."))

    @rule(pick=picks, number=st.integers(0, 3))
    def report_nonsense(self, pick: int, number: int) -> None:
        """A report that cannot be is refused and changes nothing."""
        jobs = [job for job in everyone(self.cloud.engine) if not (job.attempts and job.attempt.number == number)]
        if jobs:
            before = records(self.cloud.engine)
            for event in (events.ContainerStarted, events.StartFailed):
                arguments = ("",) if event is events.StartFailed else ()
                with pytest.raises((UnknownJobError, IllegalTransitionError)):
                    self.cloud.engine.handle(
                        event(jobs[pick % len(jobs)].job_id, number, *arguments), self.cloud.now_ms
                    )
            assert records(self.cloud.engine) == before

    def teardown(self) -> None:
        """A replay gives the same state; and every job reaches an end when the world goes on."""
        if not hasattr(self, "cloud"):
            return
        self._replay()
        large = InstanceSize("x.large", 32, 262_144, gpus=4)
        self.cloud.happen(events.HostResized(HostCapacity(64, 262_144, 16)))
        self.cloud.happen(events.ComputeEnvironmentSaved(self.cloud.larger_fargate(64)))
        self.cloud.happen(
            events.ComputeEnvironmentSaved(
                ComputeEnvironment(EC2, "e", Platform.EC2, 256, instance_sizes=(*SIZES, large))
            )
        )
        while self.cloud.engine.placed:
            self._progress(next(iter(self.cloud.engine.placed)), 0)
        assert all(job.status.is_terminal for job in everyone(self.cloud.engine))
        assert set(held(self.cloud.engine).values()) == {0}
        self._replay()

    def _timers(self) -> list[SetTimer]:
        return [action for action in self.cloud.actions if isinstance(action, SetTimer)]

    def _submission(self, plan: Plan) -> Submission:
        job_id = f"job{len(self.cloud.engine.jobs)}"
        share = plan.share if plan.queue == SHARED else None
        if plan.nodes is None or plan.queue in (HIGH, NORMAL):
            return job_spec(
                job_id,
                queue=plan.queue,
                vcpus=plan.vcpus,
                memory_mib=plan.memory_mib,
                gpus=plan.gpus,
                depends_on=self._dependencies(plan.depends_on, plan.size),
                retry=plan.retry,
                timeout_seconds=plan.timeout_seconds,
                array_size=plan.size,
                share=share,
                priority=plan.priority,
            )
        # Its last node is of another size than the others.
        last = plan.nodes - 1
        whole = [(pick, "whole") for pick, _ in plan.depends_on]
        return node_job(
            job_id,
            queue=plan.queue,
            nodes=plan.nodes,
            main=plan.priority % plan.nodes,
            containers=(
                container(vcpus=plan.vcpus, gpus=plan.gpus, last_node=last),
                container(vcpus=1, memory_mib=plan.memory_mib, first_node=last, last_node=last),
            ),
            depends_on=[entry.job_id for entry in self._dependencies(whole, None) if entry.job_id],
            retry=plan.retry,
            timeout_seconds=plan.timeout_seconds,
            share=share,
        )

    def _dependencies(self, drawn: list[tuple[int, str]], size: int | None) -> list[Dependency]:
        jobs = [job for job in everyone(self.cloud.engine) if not job.is_node]
        arrays = [job for job in jobs if job.is_array and job.spec.array_size == size and size is not None]
        found: dict[Dependency, None] = {}
        for pick, kind in drawn:
            if kind == "whole" and jobs:
                found[Dependency(jobs[pick % len(jobs)].job_id)] = None
            elif kind == "partner" and arrays:
                found[n_to_n(arrays[pick % len(arrays)].job_id)] = None
            elif kind == "sequential" and size is not None:
                found[SEQUENTIAL] = None
        return list(found)

    def _progress(self, job: Job, end: int | str | None) -> None:
        if job.status is S.STARTING and end == "no start":
            self.cloud.happen(events.StartFailed(job.job_id, job.attempt.number, "CannotPullContainerError: none"))
        elif job.status is S.STARTING:
            self.cloud.start(job.job_id)
        else:
            self.cloud.exit(job.job_id, end if isinstance(end, int) else None)

    def _replay(self) -> None:
        """The journal's lines, read by another engine, leave it as this one is."""
        engine, again = self.cloud.engine, Engine(host=self.cloud.host)
        with tempfile.TemporaryDirectory() as directory:
            journal = Journal(Path(directory) / "journal.jsonl")
            for now_ms, event in self.cloud.history:
                journal.append(now_ms, [event])
            for now_ms, event in journal.replay():
                again.handle(event, now_ms)
            journal.close()
        assert records(again) == records(engine)
        assert [job.job_id for job in again.placed] == [job.job_id for job in engine.placed]
        assert again.pending_timers() == engine.pending_timers()
        for arn in engine.queues:
            fronts = [
                [(job.job_id, since_ms) for job, since_ms in one.front_of(arn, self.cloud.now_ms)]
                for one in (again, engine)
            ]
            assert fronts[0] == fronts[1]
            assert again.active_shares(arn, self.cloud.now_ms) == engine.active_shares(arn, self.cloud.now_ms)


class LongRandomHistory(RandomHistory):
    """The same, longer and more often."""


NORMAL_RUN = settings(
    max_examples=250,
    stateful_step_count=20,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
RandomHistory.TestCase.settings = NORMAL_RUN
LongRandomHistory.TestCase.settings = settings(NORMAL_RUN, max_examples=2000, stateful_step_count=100)
TestRandomHistory = RandomHistory.TestCase
TestLongRandomHistory = pytest.mark.slow(pytest.mark.timeout(3600)(LongRandomHistory.TestCase))
