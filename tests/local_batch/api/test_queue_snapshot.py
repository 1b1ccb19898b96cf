"""GetJobQueueSnapshot, the rows of shares, and the event of a queue that cannot go on."""

from __future__ import annotations

from typing import Any

import pytest

from local_batch.api.errors import ApiError
from local_batch.api.job_events import queue_blocked_event
from tests.local_batch.api.front import ARN, Front, ec2_definition, size


def share_out(front: Front, **fair_share: Any) -> None:
    """A queue `shared` with a policy, and a definition that has a scheduling priority."""
    arn = front.call("CreateSchedulingPolicy", name="fair", fairsharePolicy=fair_share)["arn"]
    order = [{"order": 1, "computeEnvironment": "machines"}]
    request = {"jobQueueName": "shared", "priority": 1, "computeEnvironmentOrder": order, "schedulingPolicyArn": arn}
    front.call("CreateJobQueue", **request)
    front.call("RegisterJobDefinition", **ec2_definition("prioritised", schedulingPriority=5))


def submit(front: Front, share: str, vcpus: str = "1", **more: Any) -> str:
    """A job of this share on EC2 instances of 2 vCPUs, 8 in all."""
    overrides = {"resourceRequirements": size(vcpus, "1024")}
    request = {"jobQueue": "shared", "jobDefinition": "prioritised", "shareIdentifier": share, **more}
    return front.submit(containerOverrides=overrides, **request)


def snapshot(front: Front, queue: str) -> dict[str, Any]:
    """GetJobQueueSnapshot."""
    return front.call("GetJobQueueSnapshot", jobQueue=queue)


def usage(vcpus: float) -> list[dict[str, Any]]:
    """Capacity usage of so many vCPUs."""
    return [{"capacityUnit": "VCPU", "quantity": vcpus}]


def test_the_front_of_a_queue_is_its_first_hundred_runnable_jobs(front: Front) -> None:
    """By ARN, each with since when it stands there. What runs is use, what waits for others is neither."""
    assert snapshot(front, "normal") == {
        "frontOfQueue": {"jobs": [], "lastUpdatedAt": front.now_ms},
        "queueUtilization": {"totalCapacityUsage": usage(0.0), "lastUpdatedAt": front.now_ms},
    }
    half = {"resourceRequirements": size("0.5", "1024")}
    running = [front.submit(containerOverrides=half), *(front.submit() for _ in range(3))]
    runnable = [front.submit() for _ in range(101)]
    front.submit(dependsOn=[{"jobId": running[0]}])
    shown = snapshot(front, f"{ARN}job-queue/normal")
    jobs = shown["frontOfQueue"]["jobs"]
    assert [job["jobArn"] for job in jobs] == [f"{ARN}job/{job_id}" for job_id in runnable[:100]]
    created = [front.job(job_id)["createdAt"] for job_id in runnable[:100]]
    assert all(since >= at for since, at in zip((job["earliestTimeAtPosition"] for job in jobs), created, strict=True))
    assert shown["queueUtilization"]["totalCapacityUsage"] == usage(3.5)
    with pytest.raises(ApiError, match="JobQueue nowhere not found"):
        snapshot(front, "nowhere")


def test_use_is_told_by_share_where_a_queue_shares_out(front: Front) -> None:
    """The shares that use something, most first; the front is in the order in which their turn comes."""
    share_out(front)
    for share, vcpus in (("red", "2"), ("blue", "2"), ("red", "2"), ("green", "1"), ("red", "1")):
        submit(front, share, vcpus)
    waiting = {share: submit(front, share, "2") for share in ("red", "white")}
    shown = snapshot(front, "shared")
    assert shown["queueUtilization"]["totalCapacityUsage"] == usage(8.0)
    assert shown["queueUtilization"]["fairshareUtilization"] == {
        "activeShareCount": 3,
        "topCapacityUtilization": [
            {"shareIdentifier": "red", "capacityUsage": usage(5.0)},
            {"shareIdentifier": "blue", "capacityUsage": usage(2.0)},
            {"shareIdentifier": "green", "capacityUsage": usage(1.0)},
        ],
    }
    arns = [job["jobArn"] for job in shown["frontOfQueue"]["jobs"]]
    assert arns == [f"{ARN}job/{waiting['white']}", f"{ARN}job/{waiting['red']}"]


def test_at_most_twenty_shares_are_told_of(front: Front) -> None:
    """All of them are counted."""
    front.call("UpdateComputeEnvironment", computeEnvironment="machines", computeResources={"maxvCpus": 64})
    share_out(front)
    for number in range(22):
        submit(front, f"s{number:02}")
    shown = snapshot(front, "shared")["queueUtilization"]["fairshareUtilization"]
    assert (shown["activeShareCount"], len(shown["topCapacityUtilization"])) == (22, 20)


def test_jobs_that_share_say_so(front: Front) -> None:
    """Identifier and priority in the description; identifier and vCPUs in the row."""
    share_out(front)
    job_id = submit(front, "red", "2", schedulingPriorityOverride=7)
    array = submit(front, "red", arrayProperties={"size": 2})
    job = front.job(job_id)
    assert (job["shareIdentifier"], job["schedulingPriority"]) == ("red", 7)
    assert front.job(f"{array}:1")["schedulingPriority"] == 5
    (row,) = front.call("ListJobs", jobQueue="shared", jobStatus="STARTING")["jobSummaryList"]
    assert (row["shareIdentifier"], row["capacityUsage"]) == ("red", usage(2.0))
    (row,) = front.call("ListJobs", jobQueue="shared", jobStatus="PENDING")["jobSummaryList"]
    assert (row["shareIdentifier"], row["capacityUsage"]) == ("red", [])
    fifo = front.job(front.submit(jobQueue="ec2", jobDefinition="prioritised"))
    assert not {"shareIdentifier", "schedulingPriority"} & fifo.keys()


def test_the_share_filter_goes_with_a_status(front: Front) -> None:
    """Alone it finds a share's jobs in any state; its rows leave nothing out."""
    share_out(front)
    red = [submit(front, "red") for _ in range(2)]
    blue = submit(front, "blue")
    for job_id in (*red, blue):
        front.start(job_id)
    front.exit(red[0])

    def found(*shares: str, **more: Any) -> list[dict[str, Any]]:
        filters = [{"name": "SHARE_IDENTIFIER", "values": list(shares)}]
        return list(front.call("ListJobs", jobQueue="shared", filters=filters, **more)["jobSummaryList"])

    assert [row["jobId"] for row in found("red")] == [red[1], red[0]]
    (row,) = found("red", jobStatus="RUNNING")
    assert (row["jobId"], row["jobDefinition"]) == (red[1], f"{ARN}job-definition/prioritised:1")
    assert {"startedAt", "shareIdentifier", "capacityUsage"} <= row.keys()
    assert [row["jobId"] for row in found("red", "blue", jobStatus="SUCCEEDED")] == [red[0]]
    assert found("nobody") == []


def test_a_group_in_a_snapshot_counts_with_all_its_nodes(front: Front) -> None:
    """From its placement on, though only its main node has started."""
    node = {"image": "tool:1", "resourceRequirements": size("2", "1024")}
    ranges = [{"targetNodes": "0:2", "container": node}]
    properties = {"numNodes": 3, "mainNode": 0, "nodeRangeProperties": ranges}
    front.call("RegisterJobDefinition", jobDefinitionName="group", type="multinode", nodeProperties=properties)
    job_id = front.submit(jobQueue="ec2", jobDefinition="group")
    assert snapshot(front, "ec2")["queueUtilization"]["totalCapacityUsage"] == usage(6.0)
    for index in range(3):
        front.start(f"{job_id}#{index}")
    assert snapshot(front, "ec2")["queueUtilization"]["totalCapacityUsage"] == usage(6.0)
    front.exit(f"{job_id}#2")
    assert snapshot(front, "ec2")["queueUtilization"]["totalCapacityUsage"] == usage(4.0)


def test_the_event_of_a_blocked_queue_is_about_the_job_that_blocks_it(front: Front) -> None:
    """RUNNABLE, with the reason that DescribeJobs and ListJobs give too."""
    job_id = front.submit(
        jobQueue="ec2", jobDefinition="tool", containerOverrides={"resourceRequirements": size("3", "1024")}
    )
    reason = front.job(job_id)["statusReason"]
    assert reason.startswith("MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - ")
    (row,) = front.call("ListJobs", jobQueue="ec2", jobStatus="RUNNABLE")["jobSummaryList"]
    assert row["statusReason"] == reason
    engine = front.dispatcher.engine
    event = queue_blocked_event(engine.jobs[job_id], engine.queues[f"{ARN}job-queue/ec2"])
    assert (event["status"], event["statusReason"], event["jobId"]) == ("RUNNABLE", reason, job_id)
    assert event["jobQueue"] == f"{ARN}job-queue/ec2"
    assert (event["tags"], event["propagateTags"], event["attempts"]) == (
        {"resourceArn": f"{ARN}job/{job_id}"},
        False,
        [],
    )
