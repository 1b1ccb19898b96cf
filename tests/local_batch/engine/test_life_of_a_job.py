"""A job's way through its states: dependencies, attempts, retries, time limits, cancel and terminate."""

from __future__ import annotations

import pytest

from local_batch.engine import events
from local_batch.engine.core import QUEUE_DELETED
from local_batch.engine.jobs import ExitRule, RetryStrategy
from local_batch.engine.lifecycle import DEPENDENCY_FAILED
from local_batch.engine.records import UnknownJobError
from local_batch.engine.states import IllegalTransitionError, JobStatus, Story
from tests.local_batch.engine.cloud import NORMAL, Cloud, job_spec, published, started, stopped, timers

S = JobStatus


def test_a_job_goes_through_its_states_in_order() -> None:
    """SUBMITTED, RUNNABLE, STARTING on submission; RUNNING when the container runs; SUCCEEDED on exit 0."""
    cloud = Cloud()
    assert published(cloud.submit(job_spec("a")), "a") == [S.RUNNABLE, S.STARTING]
    assert published(cloud.start("a"), "a") == [S.RUNNING]
    assert published(cloud.exit("a"), "a") == [S.SUCCEEDED]
    job = cloud.job("a")
    assert Story.told(job.story) == "SUBMITTED -> RUNNABLE -> STARTING -> RUNNING -> SUCCEEDED"
    assert job.status_reason == "Essential container in task exited"
    assert (job.created_at, job.started_at, job.stopped_at) == (cloud.now_ms - 2, cloud.now_ms - 1, cloud.now_ms)
    assert job.log_stream(job.attempt).startswith("shell/default/")


def test_dependents_wait_for_every_dependency() -> None:
    """A job with two dependencies is PENDING until the second has succeeded."""
    cloud = Cloud()
    for name in ("a", "b"):
        cloud.submit(job_spec(name))
    cloud.submit(job_spec("c", depends_on=("a", "b")))
    cloud.run("a")
    assert cloud.status("c") is S.PENDING
    assert started(cloud.run("b")) == ["c"]


def test_a_dependency_that_already_succeeded_is_satisfied() -> None:
    """Depending on a finished job does not wait."""
    cloud = Cloud()
    cloud.submit(job_spec("a"))
    cloud.run("a")
    assert started(cloud.submit(job_spec("b", depends_on=("a",)))) == ["b"]


def test_failure_cascades_to_all_that_wait() -> None:
    """A chain of 5,000 behind a failing job fails with AWS's text, without recursion."""
    cloud = Cloud()
    cloud.submit(job_spec("0"))
    for number in range(1, 5000):
        cloud.submit(job_spec(str(number), depends_on=(str(number - 1),)))
    cloud.run("0", exit_code=3)
    assert cloud.job("0").status_reason == "Essential container in task exited"
    assert {cloud.status(str(number)) for number in range(5000)} == {S.FAILED}
    assert {cloud.job(str(number)).status_reason for number in range(1, 5000)} == {DEPENDENCY_FAILED}


def test_a_dependency_that_already_failed_fails_the_job_at_once() -> None:
    """There is no waiting for what cannot come."""
    cloud = Cloud()
    cloud.submit(job_spec("a"))
    cloud.run("a", exit_code=1)
    assert published(cloud.submit(job_spec("b", depends_on=("a",))), "b") == [S.FAILED]
    assert cloud.job("b").status_reason == DEPENDENCY_FAILED


def test_an_unknown_dependency_changes_nothing() -> None:
    """The submission is refused and leaves no trace."""
    cloud = Cloud()
    with pytest.raises(UnknownJobError, match="job nobody: no such job was submitted here"):
        cloud.submit(job_spec("a", depends_on=("nobody",)))
    assert not cloud.engine.jobs


def test_retries_are_new_attempts_with_their_own_log_streams() -> None:
    """Three attempts: two failures retried, the third decides; each has its record."""
    cloud = Cloud()
    cloud.submit(job_spec("a", retry=RetryStrategy(attempts=3)))
    assert published(cloud.run("a", exit_code=1), "a")[-2:] == [S.RUNNABLE, S.STARTING]
    cloud.run("a", exit_code=2)
    cloud.run("a", exit_code=3)
    job = cloud.job("a")
    assert [attempt.exit_code for attempt in job.attempts] == [1, 2, 3]
    assert len({job.log_stream(attempt) for attempt in job.attempts}) == 3
    assert job.status is S.FAILED


def test_a_retried_job_goes_to_the_front_of_its_queue() -> None:
    """With room for one job, the retry runs before those that wait."""
    cloud = Cloud(fargate_vcpus=1)
    cloud.submit(job_spec("a", retry=RetryStrategy(attempts=2)))
    cloud.submit(job_spec("b"))
    assert started(cloud.run("a", exit_code=1)) == ["a"]
    assert started(cloud.run("a")) == ["b"]


@pytest.mark.parametrize(
    ("rules", "exit_code", "reason", "retried"),
    [
        ((ExitRule(retry=False, on_exit_code="3"),), 3, None, False),
        ((ExitRule(retry=False, on_exit_code="3"),), 4, None, True),
        ((ExitRule(retry=False, on_exit_code="1*"),), 137, None, False),
        ((ExitRule(retry=True, on_exit_code="3"), ExitRule(retry=False, on_reason="*")), 3, None, True),
        ((ExitRule(retry=True, on_exit_code="3"), ExitRule(retry=False, on_reason="*")), 4, None, False),
        ((ExitRule(retry=False, on_exit_code="137", on_reason="OutOfMemoryError:*"),), 137, None, True),
        (
            (ExitRule(retry=False, on_exit_code="137", on_reason="OutOfMemoryError:*"),),
            137,
            "OutOfMemoryError: x",
            False,
        ),
        ((ExitRule(retry=False, on_exit_code="3*"),), 137, None, True),
        ((ExitRule(retry=False, on_reason="Memory*"),), 137, "OutOfMemoryError: x", True),
        ((ExitRule(retry=False, on_status_reason="container*"),), 1, None, True),
        ((ExitRule(retry=False, on_exit_code="*"),), None, None, True),
        ((ExitRule(retry=False, on_status_reason="Essential*"),), 1, None, False),
    ],
)
def test_evaluate_on_exit_decides_in_order(
    rules: tuple[ExitRule, ...], exit_code: int | None, reason: str | None, *, retried: bool
) -> None:
    """All patterns of a rule must match, from the text's start; the first matching rule decides, none means retry."""
    cloud = Cloud()
    cloud.submit(job_spec("a", retry=RetryStrategy(attempts=2, rules=rules)))
    cloud.start("a")
    cloud.exit("a", exit_code, reason)
    assert (cloud.status("a") is S.STARTING) == retried


def test_a_start_failure_is_an_attempt_without_a_start() -> None:
    """CannotPullContainerError: the attempt has a reason and no startedAt, and counts."""
    cloud = Cloud()
    cloud.submit(job_spec("a", retry=RetryStrategy(attempts=2)))
    cloud.happen(events.StartFailed("a", 1, "CannotPullContainerError: none"))
    assert cloud.status("a") is S.STARTING
    cloud.happen(events.StartFailed("a", 2, "CannotPullContainerError: none"))
    job = cloud.job("a")
    assert job.status_reason == "Task failed to start"
    assert [(attempt.started_at, attempt.reason) for attempt in job.attempts] == [
        (None, "CannotPullContainerError: none"),
        (None, "CannotPullContainerError: none"),
    ]


def test_a_timeout_counts_from_the_attempts_start_and_is_not_retried() -> None:
    """The timer is set when the container runs; when it rings the attempt is stopped and the job fails."""
    cloud = Cloud()
    assert timers(cloud.submit(job_spec("a", timeout_seconds=60, retry=RetryStrategy(attempts=3)))) == []
    assert timers(cloud.start("a")) == [("a", cloud.now_ms + 60_000)]
    assert stopped(cloud.happen(events.AttemptTimedOut("a", 1))) == ["a"]
    cloud.exit("a", 143)
    assert cloud.status("a") is S.FAILED
    assert cloud.job("a").status_reason == "Job attempt duration exceeded timeout"
    assert cloud.job("a").attempt.status_reason == "Job attempt duration exceeded timeout"


def test_a_job_that_ends_well_on_the_timeouts_sigterm_has_succeeded() -> None:
    """A program that traps SIGTERM and exits 0 is recorded SUCCEEDED."""
    cloud = Cloud()
    cloud.submit(job_spec("a", timeout_seconds=60))
    cloud.start("a")
    cloud.happen(events.AttemptTimedOut("a", 1))
    cloud.exit("a", 0)
    assert cloud.status("a") is S.SUCCEEDED


def test_a_timer_of_an_earlier_attempt_is_ignored() -> None:
    """Each attempt has a countdown of its own."""
    cloud = Cloud()
    cloud.submit(job_spec("a", timeout_seconds=60, retry=RetryStrategy(attempts=2)))
    cloud.run("a", exit_code=1)
    cloud.start("a")
    assert stopped(cloud.happen(events.AttemptTimedOut("a", 1))) == []
    assert cloud.status("a") is S.RUNNING


def test_cancel_takes_back_what_has_not_started() -> None:
    """RUNNABLE fails with the caller's reason; its dependents fail; RUNNING is left alone."""
    cloud = Cloud(fargate_vcpus=1)
    cloud.submit(job_spec("running"))
    cloud.start("running")
    cloud.submit(job_spec("waiting"))
    cloud.submit(job_spec("after", depends_on=("waiting",)))
    cloud.happen(events.CancelRequested("waiting", "not needed"))
    cloud.happen(events.CancelRequested("running", "not needed"))
    assert cloud.job("waiting").status_reason == "not needed"
    assert cloud.job("waiting").is_cancelled
    assert cloud.job("after").status_reason == DEPENDENCY_FAILED
    assert cloud.status("running") is S.RUNNING
    assert not cloud.job("running").is_cancelled


def test_a_pending_job_is_cancelled_once_its_dependencies_have_ended() -> None:
    """CancelJob on PENDING: FAILED only after the dependencies complete, and never started."""
    cloud = Cloud()
    cloud.submit(job_spec("a"))
    cloud.submit(job_spec("b", depends_on=("a",)))
    cloud.happen(events.CancelRequested("b", "changed my mind"))
    assert cloud.status("b") is S.PENDING
    assert started(cloud.run("a")) == []
    assert (cloud.status("b"), cloud.job("b").status_reason) == (S.FAILED, "changed my mind")


@pytest.mark.parametrize("exit_code", [0, 143])
def test_terminate_ends_a_running_job_as_failed_whatever_it_exits_with(exit_code: int) -> None:
    """The reason given is the job's and the attempt's statusReason, and there is no retry."""
    cloud = Cloud()
    cloud.submit(job_spec("a", retry=RetryStrategy(attempts=5)))
    cloud.start("a")
    assert stopped(cloud.happen(events.TerminateRequested("a", "wrong input"))) == ["a"]
    assert stopped(cloud.happen(events.TerminateRequested("a", "again"))) == []
    cloud.exit("a", exit_code)
    job = cloud.job("a")
    assert (job.status, job.status_reason, job.attempt.status_reason) == (S.FAILED, "wrong input", "wrong input")
    assert job.is_terminated


def test_deleting_a_queue_ends_its_jobs() -> None:
    """Waiting jobs fail at once, running ones are stopped; both say why."""
    cloud = Cloud(fargate_vcpus=1)
    cloud.submit(job_spec("running"))
    cloud.start("running")
    cloud.submit(job_spec("waiting"))
    assert stopped(cloud.happen(events.JobQueueDeleted(NORMAL))) == ["running"]
    cloud.exit("running", 143)
    assert {cloud.job(name).status_reason for name in ("running", "waiting")} == {QUEUE_DELETED}


def test_an_illegal_event_raises_with_the_jobs_story_and_changes_nothing() -> None:
    """A second start of the same attempt is a bug of the shell, and says so."""
    cloud = Cloud()
    cloud.submit(job_spec("a"))
    cloud.start("a")
    before = cloud.job("a").story
    with pytest.raises(
        IllegalTransitionError,
        match="job a: a RUNNING job cannot container started, after SUBMITTED -> RUNNABLE -> STARTING -> RUNNING",
    ):
        cloud.start("a")
    assert cloud.job("a").story == before


def test_a_report_about_another_attempt_is_refused() -> None:
    """A late exit of attempt 1 cannot end attempt 2."""
    cloud = Cloud()
    cloud.submit(job_spec("a", retry=RetryStrategy(attempts=2)))
    cloud.run("a", exit_code=1)
    with pytest.raises(UnknownJobError, match="attempt 1 is not under way, the job is STARTING after attempt 2"):
        cloud.happen(events.ContainerExited("a", 1, 0))
