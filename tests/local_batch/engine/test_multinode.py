"""Multi-node parallel jobs: all nodes or none, the main node decides, the others follow."""

from __future__ import annotations

import pytest

from local_batch.engine import events
from local_batch.engine.attempts import TIMED_OUT
from local_batch.engine.capacity import JOB_REQUIREMENT, MAX_RESOURCE, HostCapacity
from local_batch.engine.core import QUEUE_DELETED
from local_batch.engine.jobs import RetryStrategy
from local_batch.engine.resources import ComputeEnvironment, InstanceSize, JobQueue, Platform
from local_batch.engine.states import JobStatus
from tests.local_batch.engine.cloud import (
    EC2,
    ON_EC2,
    SHARED,
    Cloud,
    container,
    job_spec,
    node_job,
    published,
    started,
    stopped,
    timers,
)

S = JobStatus
SMALL, LARGE = InstanceSize("m6i.large", 2, 7600), InstanceSize("m6i.2xlarge", 8, 31000)


def running(cloud: Cloud, job_id: str, nodes: int, main: int = 0) -> None:
    """Start the main node, then the others."""
    cloud.start(f"{job_id}#{main}")
    for index in range(nodes):
        if index != main:
            cloud.start(f"{job_id}#{index}")


def is_idle(cloud: Cloud) -> bool:
    """Nothing is held, of the environment and of the machine, and every address is free."""
    capacity = cloud.engine.capacity
    held = (capacity.host_vcpus, capacity.host_memory_mib, capacity.host_gpus, capacity.environment_vcpus[EC2])
    addresses = cloud.engine._records.addresses
    return not any(held) and sorted(addresses._free) == list(range(addresses._next))


def test_the_main_node_starts_first_and_the_others_once_it_runs() -> None:
    """Their records do not exist before; room for all of them is held from the beginning."""
    cloud = Cloud()
    assert started(cloud.submit(node_job("n", nodes=3, main=1))) == ["n#1"]
    assert (cloud.status("n"), cloud.engine.find("n#0")) == (S.STARTING, None)
    assert cloud.engine.capacity.environment_vcpus[EC2] == 6
    actions = cloud.start("n#1")
    assert (cloud.status("n"), started(actions)) == (S.RUNNING, ["n#0", "n#2"])
    assert published(actions, "n#0") == [S.RUNNABLE, S.STARTING]
    assert (cloud.job("n#0").created_at, cloud.job("n").started_at) == (cloud.now_ms, cloud.now_ms)
    assert [cloud.job(f"n#{index}").is_main_node for index in range(3)] == [False, True, False]
    assert len({cloud.job(f"n#{index}").attempt.address for index in range(3)}) == 3


def test_all_nodes_or_none() -> None:
    """One vCPU too few for the third node: none starts, until there is room for all."""
    cloud = Cloud()
    cloud.submit(job_spec("busy", queue=ON_EC2, vcpus=8))
    cloud.submit(job_spec("more", queue=ON_EC2, vcpus=4))
    assert started(cloud.submit(node_job("n", nodes=3))) == []
    assert (cloud.status("n"), cloud.job("n").status_reason) == (S.RUNNABLE, None)
    assert started(cloud.run("more")) == ["n#0"]


def test_nodes_of_several_jobs_have_addresses_of_their_own_and_reuse_free_ones() -> None:
    """The lowest free numbers, given back with each node's end."""
    cloud = Cloud()
    for name in ("a", "b"):
        cloud.submit(node_job(name, nodes=2))
        running(cloud, name, 2)
    addresses = [cloud.job(node).attempt.address for node in ("a#0", "a#1", "b#0", "b#1")]
    assert addresses == [0, 1, 2, 3]
    cloud.exit("a#1")
    cloud.exit("a#0")
    cloud.submit(node_job("c", nodes=2))
    running(cloud, "c", 2)
    assert {cloud.job("c#0").attempt.address, cloud.job("c#1").attempt.address} == {0, 1}


def test_the_main_nodes_exit_is_the_jobs_and_stops_the_others() -> None:
    """Exit 0: SUCCEEDED when the last node is gone, with the main node's times; the stopped ones are FAILED."""
    cloud = Cloud()
    cloud.submit(node_job("n", nodes=3))
    running(cloud, "n", 3)
    cloud.exit("n#1")
    assert cloud.status("n") is S.RUNNING
    assert stopped(cloud.exit("n#0")) == ["n#2"]
    main_stopped_at = cloud.now_ms
    assert (cloud.status("n"), cloud.job("n").stopped_at) == (S.RUNNING, None)
    cloud.exit("n#2", 143)
    job = cloud.job("n")
    assert (job.status, job.stopped_at, job.status_reason) == (
        S.SUCCEEDED,
        main_stopped_at,
        "Essential container in task exited",
    )
    assert cloud.statuses("n") == [S.SUCCEEDED, S.SUCCEEDED, S.FAILED]
    assert (job.attempt.exit_code, job.attempt.started_at) == (0, cloud.job("n#0").started_at)
    assert job.log_stream(job.attempt) == cloud.job("n#0").log_stream(cloud.job("n#0").attempt)
    assert is_idle(cloud)


def test_a_childs_failure_means_nothing_to_the_others() -> None:
    """It is not retried, its room is given back, and the job goes on."""
    cloud = Cloud()
    cloud.submit(node_job("n", nodes=2, retry=RetryStrategy(attempts=3)))
    running(cloud, "n", 2)
    actions = cloud.exit("n#1", 1)
    assert (stopped(actions), started(actions)) == ([], [])
    assert (cloud.status("n#1"), cloud.status("n")) == (S.FAILED, S.RUNNING)
    assert cloud.engine.capacity.environment_vcpus[EC2] == 2
    cloud.exit("n#0")
    assert cloud.status("n") is S.SUCCEEDED
    assert is_idle(cloud)


def test_a_child_that_cannot_start_means_nothing_to_the_others() -> None:
    """Task failed to start is its own reason."""
    cloud = Cloud()
    cloud.submit(node_job("n", nodes=2))
    cloud.start("n#0")
    cloud.happen(events.StartFailed("n#1", 1, "CannotPullContainerError: none"))
    assert (cloud.status("n#1"), cloud.job("n#1").attempt.reason) == (S.FAILED, "CannotPullContainerError: none")
    cloud.exit("n#0")
    assert cloud.status("n") is S.SUCCEEDED
    assert is_idle(cloud)


def test_a_main_node_that_cannot_start_fails_the_job_before_it_has_children() -> None:
    """All that was held for the others is given back."""
    cloud = Cloud()
    cloud.submit(node_job("n", nodes=3))
    actions = cloud.happen(events.StartFailed("n#0", 1, "CannotPullContainerError: none"))
    job = cloud.job("n")
    assert (job.status, job.status_reason, job.started_at) == (S.FAILED, "Task failed to start", None)
    assert (job.attempt.reason, stopped(actions)) == ("CannotPullContainerError: none", [])
    assert list(job.children or ()) == [0]
    assert is_idle(cloud)


def test_a_failed_main_node_is_another_attempt_of_all_nodes() -> None:
    """Nodes are taken up again, with the attempt's number; the retry waits until the last node is gone."""
    cloud = Cloud()
    cloud.submit(node_job("n", nodes=2, retry=RetryStrategy(attempts=2)))
    running(cloud, "n", 2)
    assert stopped(cloud.exit("n#0", 1)) == ["n#1"]
    assert cloud.status("n") is S.RUNNING
    actions = cloud.exit("n#1", 143)
    assert (started(actions), published(actions, "n")) == (["n#0"], [S.RUNNABLE, S.STARTING])
    assert (cloud.status("n#1"), cloud.job("n").started_at) == (S.FAILED, None)
    assert started(cloud.start("n#0")) == ["n#1"]
    assert [attempt.number for attempt in cloud.job("n#1").attempts] == [1, 2]
    cloud.start("n#1")
    cloud.exit("n#0")
    cloud.exit("n#1", 143)
    job = cloud.job("n")
    assert (job.status, [attempt.exit_code for attempt in job.attempts]) == (S.SUCCEEDED, [1, 0])
    assert is_idle(cloud)


def test_a_node_first_made_in_the_second_attempt_counts_as_its_second() -> None:
    """The main node failed to start before the others existed."""
    cloud = Cloud()
    cloud.submit(node_job("n", nodes=2, retry=RetryStrategy(attempts=2)))
    cloud.happen(events.StartFailed("n#0", 1, "CannotPullContainerError: none"))
    running(cloud, "n", 2)
    assert [attempt.number for attempt in cloud.job("n#1").attempts] == [2]
    cloud.exit("n#1")
    cloud.exit("n#0")
    assert cloud.status("n") is S.SUCCEEDED


def test_terminating_stops_every_node_and_is_not_retried() -> None:
    """The caller's reason is the job's and its nodes'; exit code 0 does not make it a success."""
    cloud = Cloud()
    cloud.submit(node_job("n", nodes=2, retry=RetryStrategy(attempts=3)))
    running(cloud, "n", 2)
    assert stopped(cloud.happen(events.TerminateRequested("n", "wrong input"))) == ["n#0", "n#1"]
    assert stopped(cloud.exit("n#0", 0)) == []
    cloud.exit("n#1", 143)
    job = cloud.job("n")
    assert (job.status, job.status_reason, job.attempt.status_reason) == (S.FAILED, "wrong input", "wrong input")
    assert (cloud.job("n#1").status_reason, job.is_terminated) == ("wrong input", True)
    assert is_idle(cloud)


def test_terminating_a_node_is_terminating_its_job() -> None:
    """A node has no life of its own; cancelling one does nothing."""
    cloud = Cloud()
    cloud.submit(node_job("n", nodes=2))
    running(cloud, "n", 2)
    assert stopped(cloud.happen(events.CancelRequested("n#1", "no"))) == []
    assert stopped(cloud.happen(events.TerminateRequested("n#1", "enough"))) == ["n#0", "n#1"]


@pytest.mark.parametrize("has_started", [True, False])
def test_a_job_stopped_while_its_main_node_starts_never_has_others(*, has_started: bool) -> None:
    """Whether the container still started or not."""
    cloud = Cloud()
    cloud.submit(node_job("n", nodes=3))
    assert stopped(cloud.happen(events.TerminateRequested("n", "enough"))) == ["n#0"]
    if has_started:
        assert started(cloud.start("n#0")) == []
        cloud.exit("n#0", 143)
    else:
        cloud.happen(events.StartFailed("n#0", 1, "stopped"))
    assert (cloud.status("n"), cloud.job("n").status_reason, list(cloud.job("n").children or ())) == (
        S.FAILED,
        "enough",
        [0],
    )
    assert is_idle(cloud)


def test_terminating_while_the_other_nodes_are_stopped_prevents_the_retry() -> None:
    """The main node has failed already: nothing is stopped twice, and there is no second attempt."""
    cloud = Cloud()
    cloud.submit(node_job("n", nodes=2, retry=RetryStrategy(attempts=2)))
    running(cloud, "n", 2)
    cloud.exit("n#0", 1)
    assert stopped(cloud.happen(events.TerminateRequested("n", "enough"))) == []
    cloud.exit("n#1", 143)
    job = cloud.job("n")
    assert (job.status, job.status_reason, job.attempt.exit_code) == (S.FAILED, "enough", 1)
    assert job.attempt.status_reason == "Essential container in task exited"


def test_the_timeout_counts_the_whole_job_from_its_main_nodes_start() -> None:
    """One timer; all nodes are stopped; not retried."""
    cloud = Cloud()
    cloud.submit(node_job("n", nodes=2, timeout_seconds=60, retry=RetryStrategy(attempts=2)))
    assert timers(cloud.start("n#0")) == [("n", cloud.now_ms + 60_000)]
    assert timers(cloud.start("n#1")) == []
    assert stopped(cloud.happen(events.AttemptTimedOut("n", 1))) == ["n#0", "n#1"]
    cloud.exit("n#1", 143)
    cloud.exit("n#0", 137)
    assert (cloud.status("n"), cloud.job("n").status_reason) == (S.FAILED, TIMED_OUT)


def test_a_timeout_after_the_main_nodes_end_is_too_late() -> None:
    """While the others are being stopped the attempt is over: its failure is retried."""
    cloud = Cloud()
    cloud.submit(node_job("n", nodes=2, timeout_seconds=60, retry=RetryStrategy(attempts=2)))
    running(cloud, "n", 2)
    cloud.exit("n#0", 1)
    assert stopped(cloud.happen(events.AttemptTimedOut("n", 1))) == []
    assert started(cloud.exit("n#1", 143)) == ["n#0"]


def test_a_lost_host_is_retried_like_a_failed_main_node() -> None:
    """As after a restart: every node is reported lost, one after the other."""
    cloud = Cloud()
    cloud.submit(node_job("n", nodes=3, retry=RetryStrategy(attempts=2)))
    running(cloud, "n", 3)
    lost = [(job.job_id, job.attempt.number) for job in cloud.engine.placed]
    for job_id, number in lost:
        cloud.happen(events.ContainerExited(job_id, number, None, None, "Host EC2 (instance i-0) terminated."))
    job = cloud.job("n")
    assert (job.status, len(job.attempts)) == (S.STARTING, 2)
    assert job.attempts[0].status_reason == "Host EC2 (instance i-0) terminated."
    assert cloud.engine.capacity.environment_vcpus[EC2] == 6


def test_deleting_the_queue_stops_all_nodes() -> None:
    """A job that waits for its retry fails at once."""
    cloud = Cloud()
    cloud.submit(node_job("n", nodes=2, retry=RetryStrategy(attempts=2)))
    running(cloud, "n", 2)
    assert stopped(cloud.happen(events.JobQueueDeleted(ON_EC2))) == ["n#0", "n#1"]
    cloud.exit("n#0", 143)
    cloud.exit("n#1", 143)
    assert (cloud.status("n"), cloud.job("n").status_reason) == (S.FAILED, QUEUE_DELETED)


def test_a_job_cancelled_while_it_waits_for_its_retry_keeps_its_nodes_records() -> None:
    """The first attempt's ends stay visible."""
    cloud = Cloud()
    cloud.submit(node_job("n", nodes=2, retry=RetryStrategy(attempts=2)))
    running(cloud, "n", 2)
    cloud.exit("n#0", 1)
    environment = cloud.engine.environments[EC2]
    cloud.happen(
        events.ComputeEnvironmentSaved(
            ComputeEnvironment(EC2, "e", Platform.EC2, 16, enabled=False, instance_sizes=environment.instance_sizes)
        )
    )
    cloud.exit("n#1", 143)
    assert cloud.status("n") is S.RUNNABLE
    cloud.happen(events.CancelRequested("n", "enough"))
    assert (cloud.status("n"), cloud.statuses("n")) == (S.FAILED, [S.FAILED, S.FAILED])
    assert cloud.job("n").status_reason == "enough"


def test_each_range_of_nodes_has_its_container_and_a_node_the_narrowest_that_holds_it() -> None:
    """0:3 with an inner 1:2: the inner nodes take an instance of their own size."""
    cloud = Cloud()
    ranges = (container(vcpus=2, last_node=3), container(vcpus=3, first_node=1, last_node=2))
    cloud.submit(node_job("n", nodes=3, containers=ranges))
    assert cloud.job("n").status_reason == MAX_RESOURCE
    cloud.happen(
        events.ComputeEnvironmentSaved(ComputeEnvironment(EC2, "e", Platform.EC2, 18, instance_sizes=(SMALL, LARGE)))
    )
    running(cloud, "n", 3)
    assert [cloud.job(f"n#{index}").attempt.claim.environment_vcpus for index in range(3)] == [2, 8, 8]
    assert [cloud.job(f"n#{index}").attempt.claim.vcpus for index in range(3)] == [2, 3, 3]


def test_a_node_larger_than_any_instance_says_so() -> None:
    """The whole job cannot be placed for one of its nodes."""
    cloud = Cloud()
    ranges = (container(vcpus=2, last_node=0), container(vcpus=9, first_node=1, last_node=1))
    cloud.submit(node_job("n", nodes=2, containers=ranges))
    assert cloud.job("n").status_reason == JOB_REQUIREMENT


@pytest.mark.parametrize("is_deleted", [True, False])
def test_what_was_held_is_given_back_though_the_environment_changed(*, is_deleted: bool) -> None:
    """Between the placement and the main node's start: other sizes, or no environment at all."""
    cloud = Cloud()
    cloud.submit(node_job("n", nodes=4))
    if is_deleted:
        cloud.happen(events.JobQueueSaved(JobQueue(ON_EC2, "ec2", 10, ())))
        cloud.happen(events.ComputeEnvironmentDeleted(EC2))
    else:
        larger = ComputeEnvironment(EC2, "e", Platform.EC2, 16, instance_sizes=(LARGE,))
        cloud.happen(events.ComputeEnvironmentSaved(larger))
    running(cloud, "n", 4)
    assert [cloud.job(f"n#{index}").attempt.claim.environment_vcpus for index in range(4)] == [2, 2, 2, 2]
    for index in range(3, -1, -1):
        assert cloud.engine.capacity.environment_vcpus[EC2] == 2 * (index + 1)
        cloud.exit(f"n#{index}")
    assert cloud.status("n") is S.SUCCEEDED
    assert is_idle(cloud)


def test_a_job_waits_for_the_first_environment_that_could_hold_it() -> None:
    """Though the second has room: a documented limit of multi-node parallel jobs."""
    cloud = Cloud()
    other = ComputeEnvironment("arn:ce/other", "o", Platform.EC2, 16, instance_sizes=(SMALL,))
    cloud.happen(events.ComputeEnvironmentSaved(other))
    cloud.happen(events.JobQueueSaved(JobQueue(ON_EC2, "ec2", 10, (EC2, other.arn))))
    cloud.submit(job_spec("busy", queue=ON_EC2, vcpus=8))
    assert started(cloud.submit(node_job("n", nodes=5))) == []
    assert started(cloud.submit(job_spec("behind", queue=ON_EC2))) == []
    assert started(cloud.run("busy")) == ["n#0", "behind"]


def test_nodes_are_never_placed_on_spot() -> None:
    """The queue's on-demand environment has them, however late it comes; without one they wait and say so."""
    cloud = Cloud()
    spot = ComputeEnvironment("arn:ce/spot", "s", Platform.EC2, 16, is_spot=True, instance_sizes=(SMALL,))
    cloud.happen(events.ComputeEnvironmentSaved(spot))
    cloud.happen(events.JobQueueSaved(JobQueue(ON_EC2, "ec2", 10, (spot.arn,))))
    assert started(cloud.submit(node_job("n", nodes=2))) == []
    assert cloud.job("n").status_reason == JOB_REQUIREMENT
    assert started(cloud.happen(events.JobQueueSaved(JobQueue(ON_EC2, "ec2", 10, (spot.arn, EC2))))) == ["n#0"]
    assert cloud.job("n").attempt.compute_environment_arn == EC2


def test_a_job_with_more_vcpus_than_this_machine_runs_alone() -> None:
    """All its nodes together count; memory beyond the machine never fits."""
    cloud = Cloud(host=HostCapacity(vcpus=4, memory_mib=4096))
    cloud.submit(job_spec("small", queue=ON_EC2))
    assert started(cloud.submit(node_job("n", nodes=4))) == []
    assert started(cloud.run("small")) == ["n#0"]
    cloud.submit(node_job("m", nodes=5))
    assert cloud.status("m") is S.RUNNABLE
    assert cloud.job("m").status_reason == JOB_REQUIREMENT


def test_nodes_count_for_their_share_until_each_ends() -> None:
    """What is held for nodes that have not started counts too."""
    cloud = Cloud()
    cloud.share_out()
    cloud.happen(events.JobQueueSaved(JobQueue(SHARED, "shared", 10, (EC2,), policy_arn="arn:sp/fair")))
    cloud.submit(node_job("n", nodes=3, queue=SHARED, share="x"))
    share = cloud.engine._records.shares[SHARED].shares["x"]
    assert share.running_millivcpus == 6000
    running(cloud, "n", 3)
    cloud.exit("n#2", 1)
    assert share.running_millivcpus == 4000
    cloud.exit("n#0")
    cloud.exit("n#1", 143)
    assert (share.running_millivcpus, share.jobs) == (0, 0)
