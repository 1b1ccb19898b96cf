"""Fair-share queues, and what is next in a queue, as a client of AWS Batch sees them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from tests.contract.service import WHOLE, Service, order


@pytest.fixture
def queue(service: Service) -> Iterator[str]:
    """A queue that shares out the Fargate environment, which is occupied until `free`; deleted at the end."""
    policy = {
        "shareDecaySeconds": 3600,
        "shareDistribution": [
            {"shareIdentifier": "light*", "weightFactor": 0.1},
            {"shareIdentifier": "heavy", "weightFactor": 10.0},
        ],
    }
    arn = service.call("CreateSchedulingPolicy", "create_scheduling_policy", name="fair", fairsharePolicy=policy)["arn"]
    service.call(
        "CreateJobQueue",
        "create_job_queue",
        jobQueueName="fair",
        priority=10,
        schedulingPolicyArn=arn,
        computeEnvironmentOrder=order(["fargate"]),
    )
    yield "fair"
    service.call("UpdateJobQueue", "update_job_queue", jobQueue="fair", state="DISABLED")
    service.call("DeleteJobQueue", "delete_job_queue", jobQueue="fair")
    service.call("DeleteSchedulingPolicy", "delete_scheduling_policy", arn=arn)


@pytest.fixture
def blocker(service: Service) -> Iterator[str]:
    """A job of another queue that takes the whole environment for as long as the test lets it."""
    job_id = service.submit("sleep 600", overrides=dict(WHOLE))
    service.wait(job_id, "RUNNING")
    yield job_id
    terminate(service, job_id)
    service.wait(job_id)


def terminate(service: Service, job_id: str) -> None:
    """End it."""
    service.call("TerminateJob", "terminate_job", jobId=job_id, reason="make room")


def submit(service: Service, share: str, priority: int = 1) -> str:
    """A job of this share that takes the whole environment."""
    return service.submit(
        queue="fair", overrides=dict(WHOLE), shareIdentifier=share, schedulingPriorityOverride=priority
    )


def started(service: Service, *job_ids: str) -> list[str]:
    """The jobs in the order in which they were started."""
    jobs = [service.wait(job_id) for job_id in job_ids]
    return [job["jobId"] for job in sorted(jobs, key=lambda job: int(job["startedAt"]))]


def front(service: Service, name: str) -> list[str]:
    """Ids of the jobs at the front of the queue, by the snapshot of it."""
    snapshot = service.call("GetJobQueueSnapshot", "get_job_queue_snapshot", jobQueue=name)
    jobs = snapshot["frontOfQueue"]["jobs"]
    assert all(job["earliestTimeAtPosition"] <= snapshot["frontOfQueue"]["lastUpdatedAt"] for job in jobs)
    return [job["jobArn"].partition(":job/")[2] for job in jobs]


def test_a_share_that_has_used_nothing_goes_before_one_that_has(service: Service, queue: str, blocker: str) -> None:
    """However many jobs of the other one have been waiting for longer."""
    heavy = [submit(service, "heavy") for _ in range(3)]
    light = submit(service, "light1")
    assert sorted(front(service, queue)) == sorted([*heavy, light])
    terminate(service, blocker)
    assert started(service, *heavy, light)[1] == light
    assert service.job(light)["shareIdentifier"] == "light1"


def test_within_a_share_the_higher_priority_goes_first(service: Service, queue: str, blocker: str) -> None:
    """In its own order among equals; the snapshot says so before it happens."""
    jobs = [submit(service, "light1", priority) for priority in (1, 7, 1)]
    expected = [jobs[1], jobs[0], jobs[2]]
    assert front(service, queue) == expected
    terminate(service, blocker)
    assert started(service, *jobs) == expected
    assert service.job(jobs[1])["schedulingPriority"] == 7


def test_a_share_belongs_to_a_queue_that_shares_out(service: Service, queue: str) -> None:
    """There it must be given, elsewhere it must not."""
    with pytest.raises(ClientError, match=r"(?i)share ?identifier"):
        service.submit(queue=queue)
    with pytest.raises(ClientError, match=r"(?i)share ?identifier"):
        service.submit(shareIdentifier="light1")


def test_the_snapshot_of_a_plain_queue_is_its_line(service: Service, blocker: str) -> None:
    """First come, first served; with what is in use."""
    waiting = [service.submit(overrides=dict(WHOLE)) for _ in range(2)]
    assert front(service, "normal") == waiting
    snapshot = service.call("GetJobQueueSnapshot", "get_job_queue_snapshot", jobQueue="normal")
    assert snapshot["queueUtilization"]["totalCapacityUsage"] == [{"capacityUnit": "VCPU", "quantity": 2.0}]
    terminate(service, blocker)
    assert started(service, *waiting) == waiting
    assert front(service, "normal") == []
