"""Jobs that block their queue: the reason they show, who is told, and the queue's time limits for it."""

from __future__ import annotations

from local_batch.engine import events
from local_batch.engine.actions import Action, PublishBlocked
from local_batch.engine.capacity import JOB_REQUIREMENT, MAX_RESOURCE
from local_batch.engine.jobs import RetryStrategy
from local_batch.engine.resources import ComputeEnvironment, JobQueue, Platform, TimeLimit
from local_batch.engine.scheduler import NO_VALID_ENVIRONMENT
from local_batch.engine.states import JobStatus
from tests.local_batch.engine.cloud import (
    FARGATE,
    NORMAL,
    SHARED,
    Cloud,
    job_spec,
    node_job,
    published,
    started,
    timers,
)

S = JobStatus
LIMITS = (
    TimeLimit("MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE", 600),
    TimeLimit("MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT", 1200),
)
CANCELLED = "Canceled by JobStateTimeLimit action due to reason: MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE"


def limited(cloud: Cloud, *limits: TimeLimit) -> list[Action]:
    """Give the normal queue these limits, or LIMITS."""
    queue = JobQueue(NORMAL, "normal", 10, (FARGATE,), time_limits=limits or LIMITS)
    return cloud.happen(events.JobQueueSaved(queue))


def blocked(actions: list[Action]) -> list[tuple[str, str]]:
    """Who is said to block which queue."""
    return [(action.job.job_id, action.queue.name) for action in actions if isinstance(action, PublishBlocked)]


def reach_limit(cloud: Cloud, job_id: str, seconds: int) -> list[Action]:
    """The clock goes on by so many seconds since the job was blocked, and the timer rings."""
    since = cloud.job(job_id).blocked
    assert since is not None
    cloud.now_ms = since.since_ms + seconds * 1000
    return cloud.happen(events.TimeLimitReached(job_id, since.since_ms))


def test_a_job_blocked_at_the_head_is_published_once_and_gets_a_timer() -> None:
    """Those behind it are not blocked themselves; events that change nothing tell nobody again."""
    cloud = Cloud()
    limited(cloud)
    actions = cloud.submit(job_spec("a", vcpus=8))
    assert blocked(actions) == [("a", "normal")]
    assert timers(actions) == [("a", cloud.now_ms + 600_000)]
    assert blocked(cloud.submit(job_spec("b", vcpus=8))) == []
    assert (cloud.job("a").status_reason, cloud.job("b").status_reason) == (MAX_RESOURCE, None)


def test_the_time_limit_cancels_the_job_and_lets_the_next_go() -> None:
    """With AWS's words, no retry, and its dependents fail."""
    cloud = Cloud()
    limited(cloud)
    cloud.submit(job_spec("a", vcpus=8, retry=RetryStrategy(attempts=3)))
    cloud.submit(job_spec("b"))
    cloud.submit(job_spec("after", depends_on=("a",)))
    actions = reach_limit(cloud, "a", 600)
    job = cloud.job("a")
    assert (job.status, job.status_reason, job.is_cancelled) == (S.FAILED, CANCELLED, True)
    assert started(actions) == ["b"]
    assert cloud.status("after") is S.FAILED


def test_a_timer_that_rings_early_does_nothing() -> None:
    """The limit counts from when the job was blocked."""
    cloud = Cloud()
    limited(cloud)
    cloud.submit(job_spec("a", vcpus=8))
    assert published(reach_limit(cloud, "a", 599), "a") == []


def test_a_limit_is_for_its_own_reason() -> None:
    """The second limit is longer; where the queue has no limit for the reason, the job waits for ever."""
    cloud = Cloud()
    limited(cloud)
    actions = cloud.submit(job_spec("a", memory_mib=10_000_000))
    assert cloud.job("a").status_reason == JOB_REQUIREMENT
    assert timers(actions) == [("a", cloud.now_ms + 1_200_000)]
    assert published(reach_limit(cloud, "a", 600), "a") == []
    assert published(reach_limit(cloud, "a", 1200), "a") == [S.FAILED]
    limited(cloud, LIMITS[0])
    assert timers(cloud.submit(job_spec("b", memory_mib=10_000_000))) == []
    assert published(reach_limit(cloud, "b", 100_000), "b") == []


def test_another_reason_starts_another_countdown() -> None:
    """The late timer of the first reason is ignored."""
    cloud = Cloud()
    limited(cloud)
    cloud.submit(job_spec("a", vcpus=8))
    first = cloud.job("a").blocked
    assert first is not None
    disabled = ComputeEnvironment(FARGATE, "f", Platform.FARGATE, 4, enabled=False)
    assert blocked(cloud.happen(events.ComputeEnvironmentSaved(disabled))) == [("a", "normal")]
    assert cloud.job("a").status_reason == NO_VALID_ENVIRONMENT
    cloud.now_ms += 600_000
    cloud.happen(events.TimeLimitReached("a", first.since_ms))
    assert cloud.status("a") is S.RUNNABLE
    again = cloud.happen(events.ComputeEnvironmentSaved(ComputeEnvironment(FARGATE, "f", Platform.FARGATE, 4)))
    assert timers(again) == [("a", cloud.now_ms + 600_000)]


def test_a_job_that_could_be_placed_after_all_shows_no_reason_and_ignores_the_timer() -> None:
    """The environment grew in time."""
    cloud = Cloud()
    limited(cloud)
    cloud.submit(job_spec("a", vcpus=8))
    since = cloud.job("a").blocked
    assert since is not None
    cloud.happen(events.ComputeEnvironmentSaved(ComputeEnvironment(FARGATE, "f", Platform.FARGATE, 8)))
    assert (cloud.status("a"), cloud.job("a").status_reason) == (S.STARTING, None)
    cloud.now_ms += 600_000
    cloud.happen(events.TimeLimitReached("a", since.since_ms))
    assert cloud.status("a") is S.STARTING


def test_a_job_that_heads_its_queue_no_longer_is_not_blocked_any_more() -> None:
    """A retried job goes to the front and waits for room: the one behind it has lost its place, and its countdown."""
    cloud = Cloud(fargate_vcpus=4)
    limited(cloud)
    cloud.submit(job_spec("first", retry=RetryStrategy(attempts=2), vcpus=4))
    cloud.submit(job_spec("large", vcpus=8))
    cloud.start("first")
    since = cloud.job("large").blocked
    assert since is not None
    cloud.happen(events.ComputeEnvironmentSaved(ComputeEnvironment(FARGATE, "f", Platform.FARGATE, 3)))
    cloud.exit("first", 1)
    assert (cloud.job("first").status_reason, cloud.job("large").status_reason) == (MAX_RESOURCE, None)
    cloud.now_ms += 600_000
    cloud.happen(events.TimeLimitReached("large", since.since_ms))
    assert cloud.status("large") is S.RUNNABLE


def test_limits_given_later_count_from_the_beginning() -> None:
    """A job that is blocked already gets its timer when the queue gets its limits."""
    cloud = Cloud()
    cloud.submit(job_spec("a", vcpus=8))
    since = cloud.job("a").blocked
    assert since is not None
    assert timers(limited(cloud)) == [("a", since.since_ms + 600_000)]


def test_a_process_that_takes_over_gets_the_timers_of_blocked_jobs() -> None:
    """Of those that are blocked at that time, and of no others."""
    cloud = Cloud()
    limited(cloud)
    cloud.submit(job_spec("a", vcpus=8))
    cloud.submit(job_spec("b", vcpus=8))
    since = cloud.job("a").blocked
    assert since is not None
    assert timers([*cloud.engine.pending_timers()]) == [("a", since.since_ms + 600_000)]
    cloud.happen(events.CancelRequested("a", "enough"))
    cloud.happen(events.CancelRequested("b", "enough"))
    assert cloud.engine.pending_timers() == []


def test_limits_hold_for_children_and_multi_node_parallel_jobs() -> None:
    """Whatever heads the queue."""
    cloud = Cloud()
    limited(cloud)
    cloud.submit(job_spec("a", array_size=2, vcpus=8))
    reach_limit(cloud, "a:0", 600)
    assert (cloud.status("a:0"), cloud.status("a:1"), cloud.job("a:1").status_reason) == (
        S.FAILED,
        S.RUNNABLE,
        MAX_RESOURCE,
    )
    reach_limit(cloud, "a:1", 600)
    assert cloud.status("a") is S.FAILED
    cloud.submit(node_job("n", nodes=9, queue=NORMAL))
    reach_limit(cloud, "n", 600)
    assert cloud.job("n").status_reason == CANCELLED


def test_a_queue_that_is_gone_has_no_timers() -> None:
    """Its blocked job failed with it; the late timer finds it ended."""
    cloud = Cloud()
    limited(cloud)
    cloud.submit(job_spec("a", vcpus=8))
    since = cloud.job("a").blocked
    assert since is not None
    cloud.happen(events.JobQueueDeleted(NORMAL))
    assert cloud.engine.pending_timers() == []
    cloud.now_ms += 600_000
    assert cloud.happen(events.TimeLimitReached("a", since.since_ms)) == []


def test_in_a_shared_queue_the_job_whose_turn_it_is_is_the_blocked_one() -> None:
    """The reason and the countdown follow the turn."""
    cloud = Cloud()
    cloud.share_out()
    cloud.submit(job_spec("x", queue=SHARED, share="x", vcpus=8))
    cloud.submit(job_spec("y", queue=SHARED, share="y", vcpus=8))
    assert (cloud.job("x").status_reason, cloud.job("y").status_reason) == (MAX_RESOURCE, None)
    cloud.happen(events.CancelRequested("x", "enough"))
    assert cloud.job("y").status_reason == MAX_RESOURCE
