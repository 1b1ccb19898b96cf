"""Priorities, capacity and the life of queues and environments, as a client sees them."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.service import WHOLE, Service, order


def test_the_higher_priority_queue_gets_the_shared_environment_first(service: Service) -> None:
    """With the environment full, a job of `high` overtakes an older one of `normal`."""
    first = service.submit("sleep 600", overrides=dict(WHOLE))
    service.wait(first, "RUNNING")
    low = service.submit(overrides=dict(WHOLE))
    high = service.submit(queue="high", overrides=dict(WHOLE))
    service.call("TerminateJob", "terminate_job", jobId=first, reason="make room")
    after, before = service.wait(low), service.wait(high)
    assert before["stoppedAt"] <= after["startedAt"]


def test_an_environment_never_runs_more_than_its_vcpus(service: Service) -> None:
    """On two vCPUs two one-vCPU jobs run, and the third waits until one has ended."""
    first, second, third = [service.submit("sleep 600") for _ in range(3)]
    for job_id in (first, second):
        service.wait(job_id, "RUNNING")
    assert service.job(third)["status"] == "RUNNABLE"
    service.call("TerminateJob", "terminate_job", jobId=first, reason="make room")
    service.wait(third, "RUNNING")
    ended = service.wait(first)
    assert service.job(third)["startedAt"] >= ended["stoppedAt"]
    for job_id in (second, third):
        service.call("TerminateJob", "terminate_job", jobId=job_id, reason="seen enough")
        service.wait(job_id)


def test_a_job_that_can_never_be_placed_says_why(service: Service) -> None:
    """RUNNABLE with AWS's reason; terminating it works."""
    job_id = service.submit(
        jobDefinition="shell",
        overrides={"resourceRequirements": [{"type": "VCPU", "value": "4"}, {"type": "MEMORY", "value": "8192"}]},
    )
    job = service.job(job_id)
    assert job["status"] == "RUNNABLE"
    assert job["statusReason"].startswith("MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE")
    service.batch.terminate_job(jobId=job_id, reason="too large")
    assert service.wait(job_id)["statusReason"] == "too large"


def test_a_disabled_queue_takes_no_jobs_and_can_be_deleted(service: Service) -> None:
    """Enabled queues cannot be deleted, attached environments neither."""
    batch = service.batch
    service.call(
        "CreateJobQueue",
        "create_job_queue",
        jobQueueName="short",
        priority=1,
        computeEnvironmentOrder=order(["fargate"]),
    )
    with pytest.raises(ClientError, match="Cannot delete, state must be DISABLED"):
        batch.delete_job_queue(jobQueue="short")
    service.call("UpdateJobQueue", "update_job_queue", jobQueue="short", state="DISABLED")
    with pytest.raises(ClientError, match="short is not in ENABLED state"):
        service.submit(queue="short")
    with pytest.raises(ClientError, match="Cannot delete, found existing JobQueue relationship"):
        batch.delete_compute_environment(computeEnvironment="fargate")
    service.call("DeleteJobQueue", "delete_job_queue", jobQueue="short")
    assert service.call("DescribeJobQueues", "describe_job_queues", jobQueues=["short"])["jobQueues"] == []


@pytest.mark.parametrize(
    ("environments", "text"),
    [
        ([], "at least one compute environment"),
        (["fargate", "fargate"], "Duplicate ComputeEnvironments within order list"),
        (["fargate", "machines"], "Fargate and EC2 compute environments can not be mixed"),
        (["nowhere"], "must be created and valid before attaching"),
        (["fargate"] * 4, "Only 3 environments are allowed in job queue request"),
    ],
)
def test_bad_lists_of_environments_are_refused(service: Service, environments: list[str], text: str) -> None:
    """In the service's own words."""
    with pytest.raises(ClientError, match=text):
        service.batch.create_job_queue(jobQueueName="bad", priority=1, computeEnvironmentOrder=order(environments))
    assert service.batch.describe_job_queues(jobQueues=["bad"])["jobQueues"] == []


def test_environments_and_queues_are_described_as_they_were_made(service: Service) -> None:
    """By name or ARN, with the fields that clients decide by."""
    described = service.call("DescribeComputeEnvironments", "describe_compute_environments")
    environments = {item["computeEnvironmentName"]: item for item in described["computeEnvironments"]}
    assert (environments["fargate"]["status"], environments["fargate"]["state"]) == ("VALID", "ENABLED")
    assert environments["machines"]["computeResources"]["instanceTypes"] == ["m6i.large", "m6i.xlarge"]
    arn = environments["fargate"]["computeEnvironmentArn"]
    queue = service.call("DescribeJobQueues", "describe_job_queues", jobQueues=["high"])["jobQueues"][0]
    assert queue["computeEnvironmentOrder"] == [{"order": 1, "computeEnvironment": arn}]
    assert queue["priority"] == 100


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"type": "UNMANAGED"}, "type: is not played by the local cloud"),
        ({"state": "DISABLED"}, "Compute Environment must be created in ENABLED state"),
        ({"computeEnvironmentName": "fargate"}, "Object already exists"),
        ({"computeEnvironmentName": "a b"}, "is not supported pattern"),
    ],
)
def test_environments_that_aws_would_refuse_are_refused(service: Service, change: dict[str, Any], text: str) -> None:
    """Nothing is half made."""
    request = {
        "computeEnvironmentName": "another",
        "type": "MANAGED",
        "computeResources": {"type": "FARGATE", "maxvCpus": 1, "subnets": ["s"], "securityGroupIds": ["g"]},
    }
    with pytest.raises(ClientError, match=text):
        service.batch.create_compute_environment(**{**request, **change})
    assert service.batch.describe_compute_environments(computeEnvironments=["another"])["computeEnvironments"] == []
