"""Which job is placed where, and when."""

from __future__ import annotations

import pytest

from local_batch.engine import events
from local_batch.engine.capacity import JOB_REQUIREMENT, MAX_RESOURCE, HostCapacity
from local_batch.engine.resources import ComputeEnvironment, InstanceSize, JobQueue, Platform
from local_batch.engine.scheduler import NO_VALID_ENVIRONMENT
from local_batch.engine.states import JobStatus
from tests.local_batch.engine.cloud import (
    EC2,
    FARGATE,
    HIGH,
    NORMAL,
    ON_EC2,
    Cloud,
    Submission,
    job_spec,
    node_job,
    started,
)

S = JobStatus


def test_the_higher_priority_queue_is_served_first() -> None:
    """When room appears, `high` gets it although `normal` waited longer."""
    cloud = Cloud(fargate_vcpus=1)
    cloud.submit(job_spec("first"))
    cloud.submit(job_spec("normal"))
    cloud.submit(job_spec("high", queue=HIGH))
    assert started(cloud.run("first")) == ["high"]
    assert started(cloud.run("high")) == ["normal"]


def test_within_a_queue_first_come_first_served() -> None:
    """FIFO by submission."""
    cloud = Cloud(fargate_vcpus=1)
    for name in "abcd":
        cloud.submit(job_spec(name))
    order = ["a"]
    for name in "abc":
        order += started(cloud.run(name))
    assert order == ["a", "b", "c", "d"]


def test_a_head_that_does_not_fit_holds_back_its_queue_but_not_the_next() -> None:
    """Head-of-line blocking is per queue: small jobs behind a large one wait, the other queue goes on."""
    cloud = Cloud(fargate_vcpus=4)
    cloud.submit(job_spec("base", vcpus=2))
    cloud.submit(job_spec("large", vcpus=4, queue=HIGH))
    cloud.submit(job_spec("small", vcpus=1, queue=HIGH))
    assert started(cloud.submit(job_spec("other", vcpus=1))) == ["other"]
    assert cloud.status("small") is S.RUNNABLE


def test_an_environments_vcpus_are_never_exceeded() -> None:
    """Four vCPUs run four one-vCPU jobs; the fifth waits and says nothing is wrong."""
    cloud = Cloud(fargate_vcpus=4)
    for number in range(5):
        cloud.submit(job_spec(str(number)))
    assert [cloud.status(str(number)) for number in range(5)] == [S.STARTING] * 4 + [S.RUNNABLE]
    assert cloud.job("4").status_reason is None
    assert started(cloud.run("2")) == ["4"]


def test_the_machine_bounds_all_environments_together() -> None:
    """Two environments with room share a host with room for one."""
    cloud = Cloud(host=HostCapacity(vcpus=1, memory_mib=4096))
    cloud.submit(job_spec("fargate"))
    assert started(cloud.submit(job_spec("ec2", queue=ON_EC2))) == []
    assert started(cloud.run("fargate")) == ["ec2"]


def test_memory_of_the_machine_is_counted() -> None:
    """Two jobs of 1 GiB do not fit into 1.5 GiB."""
    cloud = Cloud(host=HostCapacity(vcpus=8, memory_mib=1536))
    cloud.submit(job_spec("a"))
    assert started(cloud.submit(job_spec("b"))) == []


def test_environments_are_tried_in_the_queues_order() -> None:
    """The second environment is used while the first is full or disabled."""
    cloud = Cloud(fargate_vcpus=1)
    other = "arn:ce/other"
    cloud.happen(events.ComputeEnvironmentSaved(ComputeEnvironment(other, "o", Platform.FARGATE, 4)))
    cloud.happen(events.JobQueueSaved(JobQueue(NORMAL, "normal", 10, (FARGATE, other))))
    cloud.submit(job_spec("a"))
    cloud.submit(job_spec("b"))
    assert [cloud.job(name).attempt.compute_environment_arn for name in "ab"] == [FARGATE, other]
    cloud.happen(events.ComputeEnvironmentSaved(ComputeEnvironment(FARGATE, "f", Platform.FARGATE, 8, enabled=False)))
    cloud.submit(job_spec("c"))
    assert cloud.job("c").attempt.compute_environment_arn == other


def test_a_job_too_large_for_any_environment_says_so() -> None:
    """AWS's text for a vCPU demand above maxvCpus."""
    cloud = Cloud(fargate_vcpus=4)
    cloud.submit(job_spec("a", vcpus=8))
    assert (cloud.status("a"), cloud.job("a").status_reason) == (S.RUNNABLE, MAX_RESOURCE)


def test_a_job_too_large_for_any_instance_type_says_so() -> None:
    """16 vCPUs are within the EC2 environment's maximum, but no instance of it has as many."""
    cloud = Cloud()
    cloud.submit(job_spec("a", vcpus=16, queue=ON_EC2))
    assert (cloud.status("a"), cloud.job("a").status_reason) == (S.RUNNABLE, JOB_REQUIREMENT)


@pytest.mark.parametrize("submission", [job_spec("a", vcpus=17, queue=ON_EC2), node_job("a", nodes=2, vcpus=9)])
def test_a_job_too_large_for_environment_and_instance_types_names_the_environment(submission: Submission) -> None:
    """17 and 2 x 9 vCPUs: above maxvCpus, whatever instances there are."""
    cloud = Cloud()
    cloud.submit(submission)
    assert (cloud.status("a"), cloud.job("a").status_reason) == (S.RUNNABLE, MAX_RESOURCE)


def test_a_job_with_more_memory_than_this_machine_says_so() -> None:
    """The host is a bound as an account's quota is."""
    cloud = Cloud(host=HostCapacity(vcpus=2, memory_mib=512))
    cloud.submit(job_spec("a"))
    assert cloud.job("a").status_reason == JOB_REQUIREMENT


def test_gpus_are_those_of_this_machine() -> None:
    """Two jobs of two GPUs each share four; one of five never runs, as no instance and no host has as many."""
    gpu_size = InstanceSize("g5.12xlarge", 48, 192 * 1024, gpus=4)
    cloud = Cloud()
    cloud.happen(
        events.ComputeEnvironmentSaved(ComputeEnvironment(EC2, "e", Platform.EC2, 96, instance_sizes=(gpu_size,)))
    )
    for name in "abc":
        cloud.submit(job_spec(name, queue=ON_EC2, gpus=2))
    assert [cloud.status(name) for name in "abc"] == [S.STARTING, S.STARTING, S.RUNNABLE]
    assert started(cloud.run("a")) == ["c"]
    cloud.submit(job_spec("d", queue=ON_EC2, gpus=5))
    assert cloud.job("d").status_reason == JOB_REQUIREMENT


def test_a_job_with_more_vcpus_than_this_machine_runs_alone() -> None:
    """A laptop can try what is meant for a larger instance, one such job at a time."""
    cloud = Cloud(host=HostCapacity(vcpus=2, memory_mib=16384))
    cloud.submit(job_spec("small"))
    cloud.submit(job_spec("large", vcpus=4))
    cloud.submit(job_spec("behind"))
    assert [cloud.status(name) for name in ("small", "large", "behind")] == [S.STARTING, S.RUNNABLE, S.RUNNABLE]
    assert cloud.job("large").status_reason is None
    assert started(cloud.run("small")) == ["large"]
    assert cloud.status("behind") is S.RUNNABLE
    assert started(cloud.run("large")) == ["behind"]


def test_with_every_environment_disabled_jobs_wait_and_say_why() -> None:
    """Enabling the environment again places the job and clears the reason."""
    cloud = Cloud()
    disabled = ComputeEnvironment(EC2, "e", Platform.EC2, 16, enabled=False)
    sizes = cloud.engine.environments[EC2].instance_sizes
    cloud.happen(events.ComputeEnvironmentSaved(disabled))
    cloud.submit(job_spec("a", queue=ON_EC2))
    assert cloud.job("a").status_reason == NO_VALID_ENVIRONMENT
    enabled = ComputeEnvironment(EC2, "e", Platform.EC2, 16, instance_sizes=sizes)
    assert started(cloud.happen(events.ComputeEnvironmentSaved(enabled))) == ["a"]
    assert cloud.job("a").status_reason is None


def test_cancelled_jobs_do_not_hold_their_place_in_line() -> None:
    """A cancelled head is passed over."""
    cloud = Cloud(fargate_vcpus=1)
    for name in "abc":
        cloud.submit(job_spec(name))
    cloud.happen(events.CancelRequested("b", "no"))
    assert started(cloud.run("a")) == ["c"]
