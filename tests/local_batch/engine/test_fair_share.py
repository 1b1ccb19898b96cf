"""Fair shares: decayed use, weights, reservation, active shares, and who is placed because of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_batch.engine import events
from local_batch.engine.fair_share import MIN_WINDOW_SECONDS, PLACED_AS_SECONDS, QueueShares, Share
from local_batch.engine.jobs import RetryStrategy
from local_batch.engine.resources import JobQueue, SchedulingPolicy
from local_batch.engine.states import JobStatus
from tests.local_batch.engine.cloud import FARGATE, POLICY, SHARED, Cloud, job_spec, records, started

S = JobStatus
WINDOW_MS = 600_000
EPOCH_MS = 1_700_000_000_000

# What ran and for how long: thousandths of vCPUs, milliseconds.
stretches = st.lists(st.tuples(st.integers(0, 20_000), st.integers(1, 400_000)), min_size=1, max_size=30)


def brute_force(history: list[tuple[int, int]], window_ms: int) -> float:
    """The integral itself, over all that was: millivCPUs times milliseconds, each moment's weight falling linearly."""
    now_ms = sum(length for _, length in history)
    total, begin_ms = 0.0, 0
    for millivcpus, length in history:
        first, last = max(begin_ms, now_ms - window_ms), begin_ms + length
        if last > first:
            mean_age = now_ms - (first + last) / 2
            total += millivcpus * (last - first) * (1 - mean_age / window_ms)
        begin_ms += length
    return total


def counted(history: list[tuple[int, int]], window_ms: int, share: Share | None = None) -> tuple[Share, float]:
    """The share after all of it, and its decayed use in the same unit, without what running counts in advance."""
    share = share or Share(counted_ms=EPOCH_MS)
    now_ms = EPOCH_MS
    for millivcpus, length in history:
        share.advance(now_ms, window_ms)
        share.running_millivcpus = millivcpus
        now_ms += length
    in_advance = 2 * share.running_millivcpus * PLACED_AS_SECONDS * 1000 * window_ms
    return share, (share.weighted_use(now_ms, window_ms) - in_advance) / (2 * window_ms)


@given(history=stretches, window_seconds=st.sampled_from([60, 600, 3600]))
def test_use_decays_linearly_with_its_age(history: list[tuple[int, int]], window_seconds: int) -> None:
    """As the integral over the whole history says, to a thousandth of what a full window could hold."""
    window_ms = window_seconds * 1000
    most = max(millivcpus for millivcpus, _ in history) * window_ms
    _, use = counted(history, window_ms)
    assert use == pytest.approx(brute_force(history, window_ms), abs=most / 1000 + 1)


@given(history=stretches, cuts=st.lists(st.integers(0, 4_000_000), max_size=10))
def test_it_does_not_matter_when_use_is_looked_at(history: list[tuple[int, int]], cuts: list[int]) -> None:
    """A share that is looked at in between is the same to the last digit, so that replays agree."""
    share, _ = counted(history, WINDOW_MS)
    often, now_ms = Share(counted_ms=EPOCH_MS), EPOCH_MS
    for millivcpus, length in history:
        often.advance(now_ms, WINDOW_MS)
        often.running_millivcpus = millivcpus
        for cut in sorted(EPOCH_MS + cut for cut in cuts):
            if now_ms < cut < now_ms + length:
                often.weighted_use(cut, WINDOW_MS)
        now_ms += length
    assert often == share


@given(before=stretches, after=stretches, windows=st.permutations([60_000, 600_000, 3_600_000]))
def test_another_window_counts_by_its_own_length(
    before: list[tuple[int, int]], after: list[tuple[int, int]], windows: list[int]
) -> None:
    """A policy with a shorter window forgets what is older; one with a longer window cannot bring back what is gone."""
    earlier, later, _ = windows
    share, now_ms = Share(counted_ms=EPOCH_MS), EPOCH_MS
    for history, window_ms in ((before, earlier), (after, later)):
        for millivcpus, length in history:
            share.advance(now_ms, window_ms)
            share.running_millivcpus = millivcpus
            now_ms += length
    in_advance = 2 * share.running_millivcpus * PLACED_AS_SECONDS * 1000 * later
    use = (share.weighted_use(now_ms, later) - in_advance) / (2 * later)
    whole = brute_force([*before, *after], later)
    # A bucket of the longer window is what may be counted too coarsely.
    slack = max(millivcpus for millivcpus, _ in (*before, *after)) * max(earlier, later) / 50 + 1
    assert use <= whole + slack
    if earlier > later:
        assert use >= whole - slack


@given(history=stretches, cuts=st.lists(st.integers(0, 12_000_000), max_size=10))
def test_it_does_not_matter_into_which_pieces_use_is_cut(history: list[tuple[int, int]], cuts: list[int]) -> None:
    """As long as nothing is forgotten the sums are the same to the last digit, however often they are brought up."""
    week_ms = 604_800_000
    whole, _ = counted(history, week_ms)
    often, now_ms = Share(counted_ms=EPOCH_MS), EPOCH_MS
    for millivcpus, length in history:
        for cut in sorted(EPOCH_MS + cut for cut in cuts):
            if now_ms - length < cut < now_ms:
                often.advance(cut, week_ms)
        often.advance(now_ms, week_ms)
        often.running_millivcpus = millivcpus
        now_ms += length
    assert (often.use, often.moment) == (whole.use, whole.moment)


@pytest.mark.parametrize("window_seconds", [40, 60, 80, 100])
def test_a_shorter_window_takes_its_part_of_what_was_counted_coarsely(window_seconds: int) -> None:
    """A vCPU that ran all the time: half of the window counts, though its buckets are nearly a minute long."""
    window_ms = window_seconds * 1000
    share = Share(counted_ms=EPOCH_MS, running_millivcpus=1000)
    share.advance(EPOCH_MS + 1_000_000, 3_600_000)
    share.running_millivcpus = 0
    use = share.weighted_use(EPOCH_MS + 1_000_000, window_ms) / (2 * window_ms)
    assert use == pytest.approx(1000 * window_ms / 2, rel=0.001)


def test_half_the_window_ago_counts_half() -> None:
    """The example of the CDK's documentation: 30 s into a decay of 60 s."""
    share = Share(counted_ms=EPOCH_MS, running_millivcpus=1000)
    share.advance(EPOCH_MS + 1, 60_000)
    share.running_millivcpus = 0
    use = share.weighted_use(EPOCH_MS + 30_000, 60_000) / (2 * 60_000)
    assert use == pytest.approx(500, rel=1e-3)


def test_a_clock_that_is_set_back_counts_nothing_twice() -> None:
    """Time stands still until the clock is where it was."""
    share = Share(counted_ms=EPOCH_MS, running_millivcpus=1000)
    share.advance(EPOCH_MS + 10_000, WINDOW_MS)
    share.advance(EPOCH_MS + 2_000, WINDOW_MS)
    share.advance(EPOCH_MS + 10_000, WINDOW_MS)
    assert share.use == 1000 * 10_000


def test_a_decay_of_zero_is_the_services_least_window() -> None:
    """600 seconds."""
    assert MIN_WINDOW_SECONDS == 600
    least, same = (QueueShares(SchedulingPolicy("p", "p", seconds)) for seconds in (0, 600))
    for shares in (least, same):
        shares.submitted("x", EPOCH_MS)
        shares.change("x", 2, EPOCH_MS)
    assert least.turn("x", EPOCH_MS + 50_000) == same.turn("x", EPOCH_MS + 50_000)


def test_a_share_has_its_own_weight_or_that_of_its_prefix() -> None:
    """Those that the policy does not name weigh 1."""
    policy = SchedulingPolicy("p", "p", weights=(("alice", 0.5), ("team-*", 2.0)))
    shares = QueueShares(policy)
    weights = [shares.weight_of(name) for name in ("alice", "team-a", "team-", "bob", "alice2")]
    assert weights == [0.5, 2.0, 2.0, 1.0, 1.0]
    shares.follow(SchedulingPolicy("p", "p", weights=(("bob", 3.0),)))
    assert [shares.weight_of(name) for name in ("alice", "bob")] == [1.0, 3.0]


def test_jobs_placed_at_one_moment_are_shared_out() -> None:
    """What runs counts at once: two shares with equal weights get two vCPUs each, though nothing has been used."""
    cloud = Cloud(fargate_vcpus=4)
    cloud.share_out()
    cloud.submit(job_spec("full", queue=SHARED, share="z", vcpus=4))
    for share in ("x", "y"):
        cloud.submit(job_spec(share, queue=SHARED, share=share, array_size=4))
    assert started(cloud.run("full")) == ["x:0", "y:0", "x:1", "y:1"]


def test_the_share_that_used_less_is_next() -> None:
    """x ran for a minute, y came later: y's jobs go first, until it has used as much."""
    cloud = Cloud(fargate_vcpus=1)
    cloud.share_out()
    cloud.submit(job_spec("x", queue=SHARED, share="x", array_size=3))
    cloud.start("x:0")
    cloud.submit(job_spec("y", queue=SHARED, share="y", array_size=3))
    cloud.now_ms += 60_000
    assert started(cloud.exit("x:0")) == ["y:0"]
    cloud.start("y:0")
    cloud.now_ms += 20_000
    assert started(cloud.exit("y:0")) == ["y:1"]
    cloud.start("y:1")
    cloud.now_ms += 50_000
    assert started(cloud.exit("y:1")) == ["x:1"]


def test_a_lower_weight_factor_gets_more() -> None:
    """At 0.25 four vCPUs of five."""
    cloud = Cloud(fargate_vcpus=5)
    cloud.share_out(("x", 0.25))
    cloud.submit(job_spec("full", queue=SHARED, share="z", vcpus=5))
    for share in ("y", "x"):
        cloud.submit(job_spec(share, queue=SHARED, share=share, array_size=8))
    placed = started(cloud.run("full"))
    assert sorted(job_id[0] for job_id in placed) == ["x", "x", "x", "x", "y"]


def test_scheduling_priority_orders_within_a_share_only() -> None:
    """High priorities of y do not go before x, whose turn it is."""
    cloud = Cloud(fargate_vcpus=1)
    cloud.share_out()
    cloud.submit(job_spec("full", queue=SHARED, share="y"))
    cloud.start("full")
    cloud.submit(job_spec("y-low", queue=SHARED, share="y", priority=1))
    cloud.submit(job_spec("y-high", queue=SHARED, share="y", priority=9999))
    cloud.submit(job_spec("y-high-too", queue=SHARED, share="y", priority=9999))
    cloud.submit(job_spec("x", queue=SHARED, share="x", priority=0))
    cloud.now_ms += 1000
    order = started(cloud.exit("full"))
    for _ in range(3):
        cloud.now_ms += 10_000
        order += started(cloud.run(order[-1]))
    assert order == ["x", "y-high", "y-high-too", "y-low"]


def test_a_retried_job_is_first_of_its_priority_not_of_its_share() -> None:
    """A job of higher priority goes before it."""
    cloud = Cloud(fargate_vcpus=1)
    cloud.share_out()
    cloud.submit(job_spec("again", queue=SHARED, share="x", priority=5, retry=RetryStrategy(attempts=2)))
    cloud.submit(job_spec("same", queue=SHARED, share="x", priority=5))
    cloud.submit(job_spec("higher", queue=SHARED, share="x", priority=6))
    order = started(cloud.run("again", exit_code=1))
    order += started(cloud.run("higher"))
    order += started(cloud.run("again"))
    assert order == ["higher", "again", "same"]


@pytest.mark.parametrize(("percent", "shares", "free"), [(50, 1, 8), (50, 2, 4), (50, 3, 2), (25, 1, 4), (0, 1, 0)])
def test_the_reservation_is_a_power_of_the_number_of_active_shares(percent: int, shares: int, free: int) -> None:
    """(computeReservation / 100) ^ ActiveFairShares of maxvCpus stay free: the example of the API reference."""
    cloud = Cloud(fargate_vcpus=16)
    cloud.share_out(reservation_percent=percent)
    for number in range(shares):
        cloud.submit(job_spec(f"keep{number}", queue=SHARED, share=f"s{number}"))
        cloud.run(f"keep{number}")
    cloud.submit(job_spec("a", queue=SHARED, share="s0", array_size=32))
    assert len(cloud.engine.placed) == 16 - free


def test_the_reservation_is_there_for_a_share_that_becomes_active() -> None:
    """Half of the environment is kept; with a second share a quarter is, and the difference is its."""
    cloud = Cloud(fargate_vcpus=8)
    cloud.share_out(reservation_percent=50)
    cloud.submit(job_spec("x", queue=SHARED, share="x", array_size=20))
    assert len(cloud.engine.placed) == 4
    assert started(cloud.submit(job_spec("y", queue=SHARED, share="y", array_size=20))) == ["y:0", "y:1"]


def test_a_reservation_does_not_keep_a_large_job_from_an_idle_environment() -> None:
    """What is reserved for others must not make a job wait for ever."""
    cloud = Cloud(fargate_vcpus=4)
    cloud.share_out(reservation_percent=99)
    assert started(cloud.submit(job_spec("x", queue=SHARED, share="x", vcpus=4))) == ["x"]


def test_a_share_is_active_with_jobs_and_for_the_window_after_them() -> None:
    """From the submission on, PENDING counts; and no longer than the decay window after the last end."""
    cloud = Cloud()
    cloud.share_out(decay_seconds=60)
    cloud.submit(job_spec("x", queue=SHARED, share="x"))
    cloud.submit(job_spec("y", queue=SHARED, share="y", array_size=2, depends_on=("x",)))
    assert cloud.engine.active_shares(SHARED, cloud.now_ms) == {"x", "y"}
    cloud.run("x")
    ended_ms = cloud.now_ms
    assert cloud.engine.active_shares(SHARED, ended_ms + 59_999) == {"x", "y"}
    assert cloud.engine.active_shares(SHARED, ended_ms + 60_000) == {"y"}
    cloud.run("y:0")
    cloud.run("y:1", exit_code=1)
    assert cloud.engine.active_shares(SHARED, cloud.now_ms + 60_000) == set()


def test_a_first_in_first_out_queue_has_no_shares() -> None:
    """None is active, nothing is reserved."""
    cloud = Cloud()
    cloud.submit(job_spec("a"))
    assert cloud.engine.active_shares("arn:jq/normal", cloud.now_ms) == set()


def test_shares_of_old_are_forgotten() -> None:
    """A thousand identifiers one after the other leave one behind."""
    cloud = Cloud()
    cloud.share_out(decay_seconds=60)
    for number in range(1000):
        cloud.submit(job_spec(str(number), queue=SHARED, share=f"s{number}"))
        cloud.run(str(number))
        cloud.now_ms += 60_000
    assert len(cloud.engine._records.shares[SHARED].shares) == 1
    assert len(cloud.engine._records.order.lines(SHARED)) <= 1


def test_shares_are_the_queues_own() -> None:
    """Use in one queue does not count in another that follows the same policy."""
    cloud = Cloud(fargate_vcpus=1)
    cloud.share_out()
    other = JobQueue("arn:jq/other", "other", 5, (FARGATE,), policy_arn=POLICY)
    cloud.happen(events.JobQueueSaved(other))
    cloud.submit(job_spec("x", queue=SHARED, share="x"))
    cloud.start("x")
    cloud.now_ms += 60_000
    cloud.submit(job_spec("x2", queue=other.arn, share="x"))
    cloud.submit(job_spec("y2", queue=other.arn, share="y"))
    assert started(cloud.exit("x")) == ["x2"]


def test_a_saved_policy_counts_from_then_on() -> None:
    """New weights decide the next placement."""
    cloud = Cloud(fargate_vcpus=1)
    cloud.share_out()
    cloud.submit(job_spec("x", queue=SHARED, share="x", array_size=3))
    cloud.submit(job_spec("y", queue=SHARED, share="y", array_size=3))
    cloud.start("x:0")
    cloud.now_ms += 10_000
    cloud.happen(events.SchedulingPolicySaved(SchedulingPolicy(POLICY, "fair", weights=(("x", 0.001),))))
    assert started(cloud.exit("x:0")) == ["y:0"]
    cloud.start("y:0")
    cloud.now_ms += 10_000
    order = started(cloud.exit("y:0"))
    cloud.start("x:1")
    cloud.now_ms += 10_000
    assert order + started(cloud.exit("x:1")) == ["x:1", "x:2"]


@pytest.mark.parametrize("is_shared", [True, False])
def test_a_queue_made_anew_while_jobs_of_the_old_one_end(*, is_shared: bool) -> None:
    """Those that are being stopped give back what their share used, whatever kind the new queue is."""
    cloud = Cloud()
    cloud.share_out()
    cloud.submit(job_spec("old", queue=SHARED, share="x", vcpus=2))
    cloud.submit(job_spec("waits", queue=SHARED, share="y", depends_on=("old",)))
    cloud.start("old")
    cloud.happen(events.JobQueueDeleted(SHARED))
    policy = POLICY if is_shared else None
    cloud.happen(events.JobQueueSaved(JobQueue(SHARED, "shared", 10, (FARGATE,), policy_arn=policy)))
    new = job_spec("new", queue=SHARED, share="x" if is_shared else None)
    cloud.submit(new)
    cloud.exit("old", 143)
    cloud.run("new")
    assert [cloud.status(name) for name in ("old", "waits", "new")] == [S.FAILED, S.FAILED, S.SUCCEEDED]
    share = cloud.engine._records.shares[SHARED].shares["x"]
    assert (share.running_millivcpus, share.jobs) == (0, 0)


def test_a_queue_made_anew_when_nothing_of_the_old_one_runs_starts_from_nothing() -> None:
    """No use of the old one counts."""
    cloud = Cloud()
    cloud.share_out()
    cloud.submit(job_spec("old", queue=SHARED, share="x"))
    cloud.run("old")
    cloud.happen(events.JobQueueDeleted(SHARED))
    cloud.share_out()
    assert cloud.engine.active_shares(SHARED, cloud.now_ms) == set()


def test_looking_at_the_shares_does_not_change_what_comes() -> None:
    """Two clouds with the same events, one of which is looked at all the time, are the same."""
    clouds = [Cloud(fargate_vcpus=3), Cloud(fargate_vcpus=3)]
    for cloud in clouds:
        cloud.share_out(("x", 0.3), decay_seconds=60)
        for share in ("x", "y", "z"):
            cloud.submit(job_spec(share, queue=SHARED, share=share, array_size=20))
    for step in range(60):
        for cloud in clouds:
            first = next(iter(cloud.engine.placed)).job_id
            cloud.start(first)
            cloud.now_ms += 1 + 7_919 * step % 13_000
        for moment in range(5):
            clouds[1].engine.front_of(SHARED, clouds[1].now_ms - 1000 * moment)
            clouds[1].engine.active_shares(SHARED, clouds[1].now_ms)
        for cloud in clouds:
            cloud.exit(next(iter(cloud.engine.placed)).job_id)
        if step == 30:
            for cloud in clouds:
                cloud.share_out(("y", 0.3), decay_seconds=3600)
    assert records(clouds[0].engine) == records(clouds[1].engine)
