"""Array jobs: children, the parent's states, dependencies child by child, cancel and terminate."""

from __future__ import annotations

import pytest

from local_batch.engine import events
from local_batch.engine.attempts import TIMED_OUT
from local_batch.engine.core import QUEUE_DELETED
from local_batch.engine.jobs import RetryStrategy
from local_batch.engine.lifecycle import CHILD_FAILED, DEPENDENCY_FAILED
from local_batch.engine.states import JobStatus, Story
from tests.local_batch.engine.cloud import (
    HIGH,
    NORMAL,
    SEQUENTIAL,
    Cloud,
    job_spec,
    n_to_n,
    published,
    started,
    stopped,
    timers,
)

S = JobStatus


def test_children_are_made_when_the_parent_waits_for_nothing_and_run_as_there_is_room() -> None:
    """Ids, indices, creation time and states of three children on two vCPUs; the parent is PENDING meanwhile."""
    cloud = Cloud(fargate_vcpus=2)
    assert started(cloud.submit(job_spec("a", array_size=3))) == ["a:0", "a:1"]
    assert cloud.statuses("a") == [S.STARTING, S.STARTING, S.RUNNABLE]
    parent, child = cloud.job("a"), cloud.job("a:2")
    assert (parent.status, parent.started_at, parent.attempts) == (S.PENDING, None, ())
    assert (child.index, child.created_at, child.arn[-7:]) == (2, cloud.now_ms, "job/a:2")
    assert cloud.job("a:0").log_stream(cloud.job("a:0").attempt) != cloud.job("a:1").log_stream(
        cloud.job("a:1").attempt
    )
    for index in range(3):
        cloud.run(f"a:{index}")
    assert (parent.status, parent.status_reason, parent.started_at) == (S.SUCCEEDED, None, None)
    assert Story.told(parent.story) == "SUBMITTED -> PENDING -> SUCCEEDED"


def test_the_summary_counts_children_in_all_seven_states() -> None:
    """Every state is a key, and the counts are those of the children."""
    cloud = Cloud(fargate_vcpus=3)
    cloud.submit(job_spec("a", array_size=5))
    assert cloud.job("a").summary == {**dict.fromkeys(S, 0), S.STARTING: 3, S.RUNNABLE: 2}
    cloud.start("a:0")
    cloud.run("a:1", exit_code=1)
    cloud.run("a:2")
    assert cloud.job("a").summary == {**dict.fromkeys(S, 0), S.RUNNING: 1, S.STARTING: 2, S.FAILED: 1, S.SUCCEEDED: 1}


def test_an_array_that_waits_for_a_job_has_no_children_until_it_succeeded() -> None:
    """The children's createdAt is the time of their making, not of the submission."""
    cloud = Cloud()
    cloud.submit(job_spec("first"))
    cloud.submit(job_spec("a", array_size=2, depends_on=("first",)))
    assert (cloud.status("a"), cloud.job("a").children, cloud.engine.find("a:0")) == (S.PENDING, None, None)
    cloud.run("first")
    assert cloud.statuses("a") == [S.STARTING, S.STARTING]
    assert cloud.job("a:0").created_at == cloud.now_ms > cloud.job("a").created_at


def test_an_array_behind_a_failed_job_fails_without_children() -> None:
    """Dependent Job failed, and all its counts are zero."""
    cloud = Cloud()
    cloud.submit(job_spec("first"))
    cloud.submit(job_spec("a", array_size=2, depends_on=("first",)))
    cloud.run("first", exit_code=1)
    parent = cloud.job("a")
    assert (parent.status, parent.status_reason, parent.children) == (S.FAILED, DEPENDENCY_FAILED, None)
    assert parent.summary == dict.fromkeys(S, 0)


def test_an_array_that_the_service_fails_late_never_has_children() -> None:
    """A limit that is checked after SubmitJob fails the parent."""
    cloud = Cloud()
    cloud.submit(job_spec("a", array_size=2), failure="too long")
    assert (cloud.status("a"), cloud.job("a").status_reason, cloud.job("a").children) == (S.FAILED, "too long", None)


def test_siblings_of_a_failed_child_go_on_and_the_parent_fails_last() -> None:
    """Array Child Job failed, once all children have ended."""
    cloud = Cloud(fargate_vcpus=1)
    cloud.submit(job_spec("a", array_size=3))
    cloud.run("a:0", exit_code=1)
    assert (cloud.status("a"), cloud.statuses("a")) == (S.PENDING, [S.FAILED, S.STARTING, S.RUNNABLE])
    cloud.run("a:1")
    actions = cloud.run("a:2")
    assert published(actions, "a") == [S.FAILED]
    assert cloud.job("a").status_reason == CHILD_FAILED


def test_children_are_retried_one_by_one() -> None:
    """Each child has attempts of its own; one that succeeds at its second is no failure of the array."""
    cloud = Cloud()
    cloud.submit(job_spec("a", array_size=2, retry=RetryStrategy(attempts=2)))
    cloud.run("a:0", exit_code=1)
    cloud.run("a:1")
    assert (cloud.status("a"), len(cloud.job("a:0").attempts)) == (S.PENDING, 2)
    cloud.run("a:0")
    assert cloud.status("a") is S.SUCCEEDED
    assert [len(cloud.job(child).attempts) for child in ("a:0", "a:1")] == [2, 1]


def test_a_timeout_is_each_childs_own() -> None:
    """Counted from the child's start; the parent has none."""
    cloud = Cloud()
    cloud.submit(job_spec("a", array_size=2, timeout_seconds=60))
    assert timers(cloud.start("a:0")) == [("a:0", cloud.now_ms + 60_000)]
    cloud.start("a:1")
    assert stopped(cloud.happen(events.AttemptTimedOut("a:1", 1))) == ["a:1"]
    cloud.exit("a:1", 137)
    cloud.exit("a:0")
    assert cloud.statuses("a") == [S.SUCCEEDED, S.FAILED]
    assert (cloud.status("a"), cloud.job("a:1").status_reason) == (S.FAILED, TIMED_OUT)


def test_a_child_may_be_cancelled_by_itself() -> None:
    """Its siblings run; the parent fails with them done."""
    cloud = Cloud(fargate_vcpus=1)
    cloud.submit(job_spec("a", array_size=3))
    cloud.happen(events.CancelRequested("a:1", "not this one"))
    assert (cloud.status("a:1"), cloud.job("a:1").status_reason) == (S.FAILED, "not this one")
    assert not cloud.job("a").is_cancelled
    cloud.run("a:0")
    cloud.run("a:2")
    assert (cloud.status("a"), cloud.job("a").status_reason) == (S.FAILED, CHILD_FAILED)


def test_cancelling_the_parent_cancels_the_children_that_have_not_started() -> None:
    """What is STARTING or RUNNING goes on; the parent ends with the last child."""
    cloud = Cloud(fargate_vcpus=2)
    cloud.submit(job_spec("a", array_size=4))
    cloud.start("a:0")
    cloud.happen(events.CancelRequested("a", "enough"))
    assert cloud.statuses("a") == [S.RUNNING, S.STARTING, S.FAILED, S.FAILED]
    assert (cloud.status("a"), cloud.job("a").is_cancelled, cloud.job("a:3").status_reason) == (
        S.PENDING,
        True,
        "enough",
    )
    cloud.exit("a:0")
    cloud.run("a:1")
    assert cloud.status("a") is S.FAILED


@pytest.mark.parametrize(("exit_code", "end"), [(0, S.SUCCEEDED), (1, S.FAILED)])
def test_children_that_run_when_their_parent_is_cancelled_go_on_and_are_retried(exit_code: int, end: S) -> None:
    """As if nothing had been asked; the parent, which says that it was cancelled, ends as they end."""
    cloud = Cloud(fargate_vcpus=2)
    cloud.submit(job_spec("a", array_size=2, retry=RetryStrategy(attempts=2)))
    cloud.start("a:0")
    assert stopped(cloud.happen(events.CancelRequested("a", "enough"))) == []
    assert started(cloud.exit("a:0", 1)) == ["a:0"]
    cloud.run("a:0", exit_code)
    cloud.run("a:1")
    assert (cloud.statuses("a"), cloud.status("a")) == ([end, S.SUCCEEDED], end)
    assert [cloud.job(name).is_cancelled for name in ("a", "a:0", "a:1")] == [True, False, False]


def test_cancelling_an_array_that_waits_ends_it_with_its_dependencies() -> None:
    """PENDING without children: FAILED once the dependency has ended, and no child is ever made."""
    cloud = Cloud()
    cloud.submit(job_spec("first"))
    cloud.submit(job_spec("a", array_size=2, depends_on=("first",)))
    cloud.happen(events.CancelRequested("a", "enough"))
    assert cloud.status("a") is S.PENDING
    cloud.run("first")
    assert (cloud.status("a"), cloud.job("a").status_reason, cloud.job("a").children) == (S.FAILED, "enough", None)


def test_terminating_the_parent_ends_all_children() -> None:
    """Running ones are stopped, waiting ones fail at once, none is retried."""
    cloud = Cloud(fargate_vcpus=2)
    cloud.submit(job_spec("a", array_size=3, retry=RetryStrategy(attempts=3)))
    cloud.start("a:0")
    assert stopped(cloud.happen(events.TerminateRequested("a", "wrong input"))) == ["a:0", "a:1"]
    assert cloud.statuses("a") == [S.RUNNING, S.STARTING, S.FAILED]
    cloud.exit("a:0", 143)
    cloud.run("a:1", exit_code=143)
    assert cloud.statuses("a") == [S.FAILED] * 3
    assert {cloud.job(f"a:{index}").status_reason for index in range(3)} == {"wrong input"}
    assert (cloud.status("a"), cloud.job("a").is_terminated) == (S.FAILED, True)


def test_deleting_the_queue_ends_parent_and_children() -> None:
    """Waiting children say why, not that another child failed."""
    cloud = Cloud(fargate_vcpus=1)
    cloud.submit(job_spec("a", array_size=3, depends_on=(SEQUENTIAL,)))
    assert stopped(cloud.happen(events.JobQueueDeleted(NORMAL))) == ["a:0"]
    cloud.exit("a:0", 143)
    assert {cloud.job(f"a:{index}").status_reason for index in range(3)} == {QUEUE_DELETED}
    assert cloud.status("a") is S.FAILED


def test_sequential_children_run_one_after_the_other() -> None:
    """With room for all, child i+1 is PENDING until child i has succeeded."""
    cloud = Cloud()
    assert started(cloud.submit(job_spec("a", array_size=3, depends_on=(SEQUENTIAL,)))) == ["a:0"]
    assert cloud.statuses("a") == [S.STARTING, S.PENDING, S.PENDING]
    assert started(cloud.run("a:0")) == ["a:1"]
    assert started(cloud.run("a:1")) == ["a:2"]
    cloud.run("a:2")
    assert cloud.status("a") is S.SUCCEEDED


def test_a_failed_sequential_child_fails_all_after_it() -> None:
    """10,000 children, one because of the other, in one event and without recursion."""
    cloud = Cloud()
    cloud.submit(job_spec("a", array_size=10_000, depends_on=(SEQUENTIAL,)))
    cloud.run("a:0")
    cloud.run("a:1", exit_code=1)
    parent = cloud.job("a")
    assert (parent.status, parent.summary) == (S.FAILED, {**dict.fromkeys(S, 0), S.SUCCEEDED: 1, S.FAILED: 9_999})
    assert cloud.job("a:9999").status_reason == DEPENDENCY_FAILED


@pytest.mark.parametrize("exit_code", [0, 1])
def test_a_cancelled_sequential_array_ends_when_its_running_child_does(exit_code: int) -> None:
    """The PENDING children wait for the one before them, and then fail with the caller's reason."""
    cloud = Cloud()
    cloud.submit(job_spec("a", array_size=3, depends_on=(SEQUENTIAL,)))
    cloud.start("a:0")
    cloud.happen(events.CancelRequested("a", "enough"))
    assert cloud.statuses("a") == [S.RUNNING, S.PENDING, S.PENDING]
    assert started(cloud.exit("a:0", exit_code)) == []
    assert [cloud.job(f"a:{index}").status_reason for index in (1, 2)] == ["enough", "enough"]
    assert cloud.status("a") is S.FAILED


def test_each_child_waits_for_its_partner() -> None:
    """N_TO_N: child 1 goes when child 1 of the other array has succeeded, whatever child 0 does."""
    cloud = Cloud(fargate_vcpus=8)
    cloud.submit(job_spec("a", array_size=2))
    cloud.submit(job_spec("b", array_size=2, depends_on=(n_to_n("a"),)))
    assert (cloud.status("b"), cloud.statuses("b")) == (S.PENDING, [S.PENDING, S.PENDING])
    assert started(cloud.run("a:1")) == ["b:1"]
    cloud.run("a:0", exit_code=1)
    assert (cloud.status("b:0"), cloud.job("b:0").status_reason) == (S.FAILED, DEPENDENCY_FAILED)
    cloud.run("b:1")
    assert (cloud.status("b"), cloud.job("b").status_reason) == (S.FAILED, CHILD_FAILED)


def test_partners_that_have_ended_already_decide_at_once() -> None:
    """Child by child: what succeeded lets its partner run, what failed fails it."""
    cloud = Cloud(fargate_vcpus=8)
    cloud.submit(job_spec("a", array_size=3))
    cloud.run("a:0")
    cloud.run("a:1", exit_code=1)
    assert started(cloud.submit(job_spec("b", array_size=3, depends_on=(n_to_n("a"),)))) == ["b:0"]
    assert cloud.statuses("b") == [S.STARTING, S.FAILED, S.PENDING]
    cloud.run("a:2")
    assert started(cloud.submit(job_spec("c", array_size=3, depends_on=(n_to_n("a"),)))) == ["c:0", "c:2"]


@pytest.mark.parametrize("ends_first", [True, False])
def test_a_partner_that_ends_without_children_fails_all_that_wait_for_them(*, ends_first: bool) -> None:
    """The partner's own dependency failed, before or after the array that waits for it was submitted."""
    cloud = Cloud()
    cloud.submit(job_spec("first"))
    cloud.submit(job_spec("a", array_size=2, depends_on=("first",)))
    waiting = job_spec("b", array_size=2, depends_on=(n_to_n("a"),))
    if ends_first:
        cloud.run("first", exit_code=1)
        cloud.submit(waiting)
    else:
        cloud.submit(waiting)
        assert cloud.statuses("b") == [S.PENDING, S.PENDING]
        cloud.run("first", exit_code=1)
    assert (cloud.status("b"), cloud.statuses("b")) == (S.FAILED, [S.FAILED, S.FAILED])
    assert cloud.job("b:1").status_reason == DEPENDENCY_FAILED


def test_children_wait_for_a_partner_that_has_no_children_yet() -> None:
    """The partner gets its children later; each lets its partner go."""
    cloud = Cloud(fargate_vcpus=8)
    cloud.submit(job_spec("first"))
    cloud.submit(job_spec("a", array_size=2, depends_on=("first",)))
    cloud.submit(job_spec("b", array_size=2, depends_on=(n_to_n("a"),)))
    assert started(cloud.run("first")) == ["a:0", "a:1"]
    assert started(cloud.run("a:0")) == ["b:0"]
    assert started(cloud.run("a:1")) == ["b:1"]


def test_an_array_with_plain_and_child_by_child_dependencies_waits_for_both() -> None:
    """Children are made after the plain one; a partner that failed meanwhile fails its child then."""
    cloud = Cloud(fargate_vcpus=8)
    cloud.submit(job_spec("first"))
    cloud.submit(job_spec("a", array_size=2))
    cloud.submit(job_spec("b", array_size=2, depends_on=("first", n_to_n("a"))))
    cloud.run("a:0", exit_code=1)
    cloud.run("a:1")
    assert cloud.job("b").children is None
    assert started(cloud.run("first")) == ["b:1"]
    assert cloud.statuses("b") == [S.FAILED, S.STARTING]


def test_a_child_whose_end_makes_its_partners_counts_once() -> None:
    """An array that waits for child 0 as a whole, and child by child for both arrays: its own child 0 still waits."""
    cloud = Cloud(fargate_vcpus=8)
    for name in "ab":
        cloud.submit(job_spec(name, array_size=2))
    cloud.submit(job_spec("c", array_size=2, depends_on=("a:0", n_to_n("a"), n_to_n("b"))))
    assert started(cloud.run("a:0")) == []
    assert cloud.statuses("c") == [S.PENDING, S.PENDING]
    assert started(cloud.run("b:0")) == ["c:0"]


def test_a_child_with_two_partners_waits_for_both_and_fails_with_either() -> None:
    """Two N_TO_N dependencies of one array."""
    cloud = Cloud(fargate_vcpus=8)
    for name in "ab":
        cloud.submit(job_spec(name, array_size=2))
    cloud.submit(job_spec("c", array_size=2, depends_on=(n_to_n("a"), n_to_n("b"))))
    assert started(cloud.run("a:0")) == []
    assert started(cloud.run("b:0")) == ["c:0"]
    cloud.run("a:1", exit_code=1)
    assert cloud.status("c:1") is S.FAILED
    assert started(cloud.run("b:1")) == []


def test_sequential_and_partners_together() -> None:
    """A child waits for the one before it and for its partner; a partner's failure fails all after it too."""
    cloud = Cloud(fargate_vcpus=8)
    cloud.submit(job_spec("a", array_size=3))
    cloud.submit(job_spec("b", array_size=3, depends_on=(n_to_n("a"), SEQUENTIAL)))
    assert started(cloud.run("a:1")) == []
    assert started(cloud.run("a:0")) == ["b:0"]
    assert started(cloud.run("b:0")) == ["b:1"]
    cloud.run("a:2", exit_code=1)
    assert cloud.statuses("b") == [S.SUCCEEDED, S.STARTING, S.FAILED]
    cloud.submit(job_spec("c", array_size=3, depends_on=(SEQUENTIAL, n_to_n("b"))))
    cloud.run("b:1", exit_code=1)
    assert cloud.statuses("c") == [S.STARTING, S.FAILED, S.FAILED]


def test_a_cancelled_partner_is_a_failed_one() -> None:
    """The whole array cancelled while RUNNABLE: the children that wait for it fail as dependents."""
    cloud = Cloud(fargate_vcpus=1)
    cloud.submit(job_spec("busy", queue=HIGH))
    cloud.submit(job_spec("a", array_size=2))
    cloud.submit(job_spec("b", array_size=2, depends_on=(n_to_n("a"),)))
    cloud.happen(events.CancelRequested("a", "enough"))
    assert (cloud.statuses("a"), cloud.statuses("b")) == ([S.FAILED] * 2, [S.FAILED] * 2)
    assert cloud.job("b:0").status_reason == DEPENDENCY_FAILED


def test_a_cancelled_array_waits_for_its_partners() -> None:
    """PENDING children fail when their partners have ended, each at its time."""
    cloud = Cloud()
    cloud.submit(job_spec("a", array_size=2))
    cloud.submit(job_spec("b", array_size=2, depends_on=(n_to_n("a"),)))
    cloud.happen(events.CancelRequested("b", "enough"))
    assert cloud.statuses("b") == [S.PENDING, S.PENDING]
    cloud.run("a:1")
    assert cloud.statuses("b") == [S.PENDING, S.FAILED]
    cloud.run("a:0", exit_code=1)
    assert [cloud.job(f"b:{index}").status_reason for index in range(2)] == ["enough", "enough"]


def test_failure_runs_down_a_chain_of_large_arrays() -> None:
    """Five arrays of 2,000, each waiting for the last child by child: one event fails them all."""
    cloud = Cloud()
    cloud.submit(job_spec("first"))
    cloud.submit(job_spec("0", array_size=2_000, depends_on=("first",)))
    for number in range(1, 5):
        cloud.submit(job_spec(str(number), array_size=2_000, depends_on=(n_to_n(str(number - 1)),)))
    cloud.submit(job_spec("last", depends_on=("4",)))
    cloud.run("first", exit_code=1)
    assert {job.status for job in cloud.engine.jobs.values()} == {S.FAILED}
    assert cloud.job("4").summary == {**dict.fromkeys(S, 0), S.FAILED: 2_000}
