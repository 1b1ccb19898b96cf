"""The detour of work with secrets over the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import cast

import pytest

from local_batch.executors.work import AttemptWork, Report, SecretReference, StartFailed
from local_batch.host.provisioned_executor import ProvisionedExecutor
from local_batch.host.secret_values import MayRead, SecretError, SecretValues

SECRET = SecretReference("PASSWORD", "/db/password")


def work(job_id: str, *secrets: SecretReference, platform: str = "AWS_ECS_FARGATE") -> AttemptWork:
    """The first attempt of a job."""
    return AttemptWork(job_id, 1, "i:1", (), {"AWS_EXECUTION_ENV": platform}, 1, 512, secrets=secrets)


class FakeExecutor:
    """Remembers what it was told; also the reporter, and the secrets, of which all but /db/password are not there."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.started: list[AttemptWork] = []
        self.reports: list[Report] = []
        self.threads: set[str] = set()

    def start(self, works: Sequence[AttemptWork]) -> None:
        """See Executor."""
        self.told += [f"start {item.job_id}" for item in works]
        self.started += works

    def stop(self, job_id: str, attempt: int, grace_seconds: float) -> None:
        """See Executor."""
        self.told.append(f"stop {job_id}")

    def close(self) -> None:
        """See Executor."""
        self.told.append("close")

    def report(self, reports: Sequence[Report]) -> None:
        """See Reporter."""
        self.reports += reports

    def values(self, references: Sequence[SecretReference], *, on_fargate: bool, may_read: MayRead) -> dict[str, str]:
        """As of SecretValues."""
        self.threads.add(threading.current_thread().name)
        for reference in references:
            if reference.value_from == "/fault":
                raise RuntimeError("fault")
            if reference.value_from != "/db/password":
                raise SecretError("on Fargate" if on_fargate else "on EC2")
        return {reference.name: "s3cret" for reference in references}


@pytest.fixture
def fake() -> FakeExecutor:
    """All that is behind the executor."""
    return FakeExecutor()


def in_a_loop(fake: FakeExecutor, use: Callable[[ProvisionedExecutor], None]) -> None:
    """Use an executor from a thread of its own, as the dispatcher does, until the loop has done what there was."""

    async def main() -> None:
        executor = ProvisionedExecutor(fake, fake, cast("SecretValues", fake))
        await asyncio.to_thread(use, executor)
        await asyncio.sleep(0)

    asyncio.run(main())


def test_work_without_secrets_goes_straight_on(fake: FakeExecutor) -> None:
    """On the thread that brought it."""

    def use(executor: ProvisionedExecutor) -> None:
        executor.start([work("a"), work("b", SECRET)])
        assert fake.told[:1] == ["start a"]
        executor.stop("a", 1, 30)
        executor.close()

    in_a_loop(fake, use)
    assert [item.job_id for item in fake.started] == ["a", "b"]
    assert {"stop a", "close"} <= set(fake.told)


def test_values_are_in_the_environment_that_the_executor_sees(fake: FakeExecutor) -> None:
    """And the references are not; they are read on the loop's thread."""
    in_a_loop(fake, lambda executor: executor.start([work("a", SECRET)]))
    (started,) = fake.started
    assert started.environment == {"AWS_EXECUTION_ENV": "AWS_ECS_FARGATE", "PASSWORD": "s3cret"}
    assert started.secrets == ()
    assert fake.threads == {"MainThread"}


def test_a_stop_does_not_overtake_the_start(fake: FakeExecutor) -> None:
    """Else it would be one of an attempt that is not known, and the attempt would run on."""

    def use(executor: ProvisionedExecutor) -> None:
        executor.start([work("a", SECRET)])
        executor.stop("a", 1, 30)

    in_a_loop(fake, use)
    assert fake.told == ["start a", "stop a"]


def test_what_cannot_be_had_fails_its_attempt_and_no_other(
    fake: FakeExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    """In the words of its platform; a fault of ours is in the server's log."""
    absent, fault = SecretReference("A", "/absent"), SecretReference("B", "/fault")
    works = [
        work("a", absent),
        work("b", SECRET, absent, platform="AWS_ECS_EC2"),
        work("c", fault),
        work("d", SECRET),
    ]
    in_a_loop(fake, lambda executor: executor.start(works))
    assert fake.reports[:2] == [StartFailed("a", 1, "on Fargate"), StartFailed("b", 1, "on EC2")]
    assert isinstance(fake.reports[2], StartFailed)
    assert fake.reports[2].reason.startswith("ResourceInitializationError:")
    assert "job c could not be provided" in caplog.text
    assert [item.job_id for item in fake.started] == ["d"]
