"""What must hold however jobs come and end: random histories on the pure core."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from local_batch.engine import events
from local_batch.engine.core import Engine
from local_batch.engine.jobs import RetryStrategy
from local_batch.engine.states import JobStatus
from tests.local_batch.engine.cloud import FARGATE, HIGH, NORMAL, Cloud, job_spec

S = JobStatus
FARGATE_VCPUS = 3


class RandomHistory(RuleBasedStateMachine):
    """Submits, starts, ends, cancels and terminates jobs in any order the engine allows."""

    jobs = Bundle("jobs")

    @initialize()
    def deploy(self) -> None:
        """A small cloud, so that jobs compete."""
        self.cloud = Cloud(fargate_vcpus=FARGATE_VCPUS)

    @rule(
        target=jobs,
        dependencies=st.lists(jobs, max_size=3, unique=True),
        vcpus=st.sampled_from([0.5, 1, 2, 3]),
        attempts=st.integers(1, 3),
        queue=st.sampled_from([HIGH, NORMAL]),
    )
    def submit(self, dependencies: list[str], vcpus: float, attempts: int, queue: str) -> str:
        """SubmitJob on anything submitted before."""
        job_id = f"job-{len(self.cloud.engine.jobs)}"
        retry = RetryStrategy(attempts=attempts)
        self.cloud.submit(job_spec(job_id, queue=queue, vcpus=vcpus, depends_on=tuple(dependencies), retry=retry))
        return job_id

    @rule(job_id=jobs, exit_code=st.sampled_from([0, 0, 1, 143]))
    def progress(self, job_id: str, exit_code: int) -> None:
        """The container starts, or ends."""
        if self.cloud.status(job_id) is S.STARTING:
            self.cloud.start(job_id)
        elif self.cloud.status(job_id) is S.RUNNING:
            self.cloud.exit(job_id, exit_code)

    @rule(job_id=jobs, request=st.sampled_from([events.CancelRequested, events.TerminateRequested]))
    def stop(self, job_id: str, request: type[events.CancelRequested | events.TerminateRequested]) -> None:
        """CancelJob or TerminateJob in whatever state."""
        self.cloud.happen(request(job_id, "stop"))

    @rule(target=jobs, job_id=consumes(jobs))
    def lose_host(self, job_id: str) -> object:
        """The host goes away under the job."""
        if self.cloud.status(job_id).is_placed:
            self.cloud.exit(job_id, None)
        return multiple(job_id)

    @invariant()
    def capacity_is_never_exceeded(self) -> None:
        """The sum of what placed jobs demand is what is reserved, and at most the maximum."""
        placed = [job for job in self.cloud.engine.jobs.values() if job.status.is_placed]
        assert sum(job.spec.demand.vcpus for job in placed) <= FARGATE_VCPUS
        assert self.cloud.engine.capacity.environment_vcpus[FARGATE] == sum(job.spec.demand.vcpus for job in placed)

    @invariant()
    def no_job_starts_before_its_dependencies(self) -> None:
        """Whatever has an attempt has only succeeded dependencies."""
        for job in self.cloud.engine.jobs.values():
            if job.attempts:
                assert {self.cloud.status(job_id) for job_id in job.spec.depends_on} <= {S.SUCCEEDED}

    @invariant()
    def nobody_waits_for_room_that_is_there(self) -> None:
        """The head of the highest queue with RUNNABLE jobs does not fit."""
        for queue in (HIGH, NORMAL):
            head = self.cloud.engine._order.head(queue)
            if head is not None:
                free = FARGATE_VCPUS - self.cloud.engine.capacity.environment_vcpus[FARGATE]
                assert head.spec.demand.vcpus > free

    def teardown(self) -> None:
        """Every job reaches an end when the world goes on, and a replay gives the same state."""
        for _ in range(10_000):
            placed = [job for job in self.cloud.engine.jobs.values() if job.status.is_placed]
            if not placed:
                break
            self.progress(placed[0].spec.job_id, 0)
        assert all(job.status.is_terminal for job in self.cloud.engine.jobs.values())
        replayed = Engine(host=self.cloud.host)
        for now_ms, event in self.cloud.history:
            replayed.handle(event, now_ms)
        assert replayed.jobs == self.cloud.engine.jobs


RandomHistory.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None, print_blob=True)
TestRandomHistory = RandomHistory.TestCase
