"""The front of a queue: who is next, and since when each is where it is."""

from __future__ import annotations

from local_batch.engine import events
from local_batch.engine.capacity import HostCapacity
from local_batch.engine.jobs import RetryStrategy
from tests.local_batch.engine.cloud import NORMAL, SHARED, Cloud, job_spec, started


def front(cloud: Cloud, queue: str = NORMAL) -> list[str]:
    """Ids in order."""
    return [job.job_id for job, _ in cloud.engine.front_of(queue, cloud.now_ms)]


def since(cloud: Cloud, queue: str = NORMAL) -> dict[str, int]:
    """When each came to its position, in milliseconds before now."""
    return {job.job_id: cloud.now_ms - at_ms for job, at_ms in cloud.engine.front_of(queue, cloud.now_ms)}


def full(cloud: Cloud) -> None:
    """A job takes all there is."""
    cloud.submit(job_spec("full", vcpus=4, retry=RetryStrategy(attempts=2)))
    cloud.start("full")


def test_the_front_holds_the_first_hundred_that_wait_in_the_order_in_which_they_will_run() -> None:
    """Running and PENDING jobs are not in it."""
    cloud = Cloud()
    assert cloud.engine.front_of(NORMAL, cloud.now_ms) == []
    full(cloud)
    cloud.submit(job_spec("after", depends_on=("full",)))
    cloud.submit(job_spec("a", array_size=150))
    assert front(cloud) == [f"a:{index}" for index in range(100)]


def test_a_job_is_at_its_position_since_it_lined_up_or_one_before_it_left() -> None:
    """The first comes to be first when the one before it is placed."""
    cloud = Cloud()
    full(cloud)
    for name in ("a", "b"):
        cloud.submit(job_spec(name, vcpus=4))
        cloud.now_ms += 1000
    assert since(cloud) == {"a": 2002, "b": 1000}
    cloud.exit("full")
    cloud.now_ms += 500
    assert since(cloud) == {"b": 500}


def test_a_cancelled_job_moves_those_behind_it_and_no_others() -> None:
    """In the middle of the queue, and at its head."""
    cloud = Cloud()
    full(cloud)
    for name in ("a", "b", "c"):
        cloud.submit(job_spec(name))
        cloud.now_ms += 1000
    before = since(cloud)
    cloud.happen(events.CancelRequested("b", "no"))
    assert since(cloud) == {"a": before["a"] + 1, "c": 0}
    cloud.now_ms += 10
    cloud.happen(events.CancelRequested("a", "no"))
    assert since(cloud) == {"c": 0}


def test_a_retried_job_moves_all_behind_it() -> None:
    """It is first again."""
    cloud = Cloud()
    full(cloud)
    cloud.submit(job_spec("other", vcpus=4))
    cloud.now_ms += 1000
    cloud.happen(events.HostResized(HostCapacity(vcpus=64, memory_mib=1)))
    cloud.exit("full", 1)
    cloud.now_ms += 5
    assert front(cloud) == ["full", "other"]
    assert since(cloud) == {"full": 5, "other": 5}


def test_looking_changes_nothing() -> None:
    """Two looks see the same, and the queue goes on as if nobody had looked."""
    cloud = Cloud()
    full(cloud)
    for name in ("a", "b", "c"):
        cloud.submit(job_spec(name, vcpus=4))
    cloud.happen(events.CancelRequested("a", "no"))
    assert front(cloud) == front(cloud) == ["b", "c"]
    assert started(cloud.exit("full")) == ["b"]


def test_shares_take_turns_at_the_front() -> None:
    """Equal weights, equal jobs: x and y alternate; within a share by priority."""
    cloud = Cloud()
    cloud.share_out()
    cloud.submit(job_spec("full", queue=SHARED, share="z", vcpus=4))
    for share in ("x", "y"):
        for number in range(3):
            cloud.submit(job_spec(f"{share}{number}", queue=SHARED, share=share, priority=int(number == 2)))
    assert front(cloud, SHARED) == ["x2", "y2", "x0", "y0", "x1", "y1"]


def test_a_share_of_half_the_weight_is_twice_as_often_at_the_front() -> None:
    """Lower weight factors get more."""
    cloud = Cloud()
    cloud.share_out(("x", 0.5))
    cloud.submit(job_spec("full", queue=SHARED, share="z", vcpus=4))
    for share in ("x", "y"):
        cloud.submit(job_spec(share, queue=SHARED, share=share, array_size=8))
    first = [job_id[0] for job_id in front(cloud, SHARED)[:9]]
    assert (first.count("x"), first.count("y")) == (6, 3)


def test_the_front_of_a_shared_queue_is_the_order_of_placement() -> None:
    """What is shown is what happens when room appears at once."""
    cloud = Cloud()
    cloud.share_out(("x", 0.3), ("y*", 2.0))
    cloud.submit(job_spec("full", queue=SHARED, share="z", vcpus=4))
    for share, vcpus in (("x", 2), ("y1", 0.5), ("w", 1)):
        cloud.submit(job_spec(share, queue=SHARED, share=share, array_size=5, vcpus=vcpus))
    expected = front(cloud, SHARED)
    cloud.now_ms += 50
    cloud.happen(events.ComputeEnvironmentSaved(cloud.larger_fargate(64)))
    assert [job.job_id for job in cloud.engine.placed][1:] == expected


def test_a_position_in_a_shared_queue_is_no_older_than_those_before_it() -> None:
    """A job of another share that came before it in turn moved it."""
    cloud = Cloud()
    cloud.share_out()
    cloud.submit(job_spec("full", queue=SHARED, share="z", vcpus=4))
    cloud.submit(job_spec("x0", queue=SHARED, share="x"))
    cloud.submit(job_spec("x1", queue=SHARED, share="x"))
    cloud.now_ms += 1000
    cloud.submit(job_spec("y0", queue=SHARED, share="y"))
    assert since(cloud, SHARED)["x0"] > 1000
    assert (since(cloud, SHARED)["y0"], since(cloud, SHARED)["x1"]) == (0, 0)
