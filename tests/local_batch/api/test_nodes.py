"""Multi-node parallel jobs as the API shows, lists and ends them: the job as a whole, and its nodes."""

from __future__ import annotations

from typing import Any

import pytest

from local_batch.api.errors import ApiError
from local_batch.api.job_events import job_event
from local_batch.engine.states import JobStatus
from tests.local_batch.api.front import ARN, Front, size


def group(front: Front, **more: Any) -> str:
    """A submission of three nodes, node 0 the main one, with room for all of them."""
    front.call("UpdateComputeEnvironment", computeEnvironment="machines", computeResources={"maxvCpus": 64})
    ranges = [
        {"targetNodes": "0", "container": {"image": "main:1", "resourceRequirements": size("2", "1024")}},
        {"targetNodes": "1:", "container": {"image": "tool:1", "resourceRequirements": size("1", "512")}},
    ]
    front.call(
        "RegisterJobDefinition",
        jobDefinitionName="group",
        type="multinode",
        nodeProperties={"numNodes": 3, "mainNode": 0, "nodeRangeProperties": ranges},
    )
    return front.submit(jobQueue="ec2", jobDefinition="group", **more)


def run(front: Front, job_id: str, *nodes: int) -> None:
    """Containers of these nodes run."""
    for node in nodes:
        front.start(f"{job_id}#{node}")


def end(front: Front, job_id: str, *nodes: int, exit_code: int = 0) -> None:
    """Containers of these nodes ended."""
    for node in nodes:
        front.exit(f"{job_id}#{node}", exit_code)


def rows(front: Front, job_id: str, status: str | None = None) -> list[dict[str, Any]]:
    """ListJobs of a job's nodes."""
    request = {"multiNodeJobId": job_id, **({"jobStatus": status} if status else {})}
    return list(front.call("ListJobs", **request)["jobSummaryList"])


def test_a_group_has_node_properties_and_no_container(front: Front) -> None:
    """Ranges as written; its attempt is in the list when it has ended, with the main node's log and no task."""
    job_id = group(front, retryStrategy={"attempts": 2})
    waiting = front.job(job_id)
    assert waiting["status"] == "STARTING"
    assert not {"container", "nodeDetails", "arrayProperties", "startedAt"} & waiting.keys()
    properties = waiting["nodeProperties"]
    assert (properties["numNodes"], properties["mainNode"]) == (3, 0)
    assert [item["targetNodes"] for item in properties["nodeRangeProperties"]] == ["0", "1:"]
    run(front, job_id, 0, 1, 2)
    started_at = front.job(f"{job_id}#0")["startedAt"]
    running = front.job(job_id)
    assert (running["status"], running["attempts"], running["startedAt"]) == ("RUNNING", [], started_at)
    end(front, job_id, 1, 2, 0)
    ended = front.job(job_id)
    main = front.job(f"{job_id}#0")
    assert (ended["status"], ended["stoppedAt"]) == ("SUCCEEDED", main["stoppedAt"])
    (attempt,) = ended["attempts"]
    assert attempt["container"] == {
        "exitCode": 0,
        "logStreamName": main["container"]["logStreamName"],
        "networkInterfaces": [],
    }
    assert (attempt["startedAt"], attempt["statusReason"]) == (started_at, "Essential container in task exited")


def test_a_node_is_described_as_a_job_with_an_address(front: Front) -> None:
    """Which node it is, its own container, address and instance; nothing of the group's strategy."""
    job_id = group(front, retryStrategy={"attempts": 2}, tags={"a": "1"}, timeout={"attemptDurationSeconds": 60})
    run(front, job_id, 0, 1, 2)
    nodes = [front.job(f"{job_id}#{index}") for index in range(3)]
    assert [node["nodeDetails"] for node in nodes] == [
        {"nodeIndex": index, "isMainNode": index == 0} for index in range(3)
    ]
    assert [node["container"]["image"] for node in nodes] == ["main:1", "tool:1", "tool:1"]
    addresses = [node["container"]["networkInterfaces"][0]["privateIpv4Address"] for node in nodes]
    assert addresses == ["127.0.0.2", "127.0.0.3", "127.0.0.4"]
    assert len({node["container"]["containerInstanceArn"] for node in nodes}) == 3
    assert len({node["container"]["logStreamName"] for node in nodes}) == 3
    for node in nodes:
        assert not {"nodeProperties", "retryStrategy", "arrayProperties"} & node.keys()
        assert (node["dependsOn"], node["tags"], node["jobArn"]) == ([], {"a": "1"}, f"{ARN}job/{node['jobId']}")
    end(front, job_id, 1, exit_code=9)
    worker = front.job(f"{job_id}#1")
    assert (worker["status"], front.job(job_id)["status"]) == ("FAILED", "RUNNING")
    (attempt,) = worker["attempts"]
    assert attempt["container"]["networkInterfaces"] == worker["container"]["networkInterfaces"]
    assert attempt["container"]["exitCode"] == 9


def test_nodes_have_no_record_before_their_main_node_runs(front: Front) -> None:
    """The main one from STARTING on; before the start it has no address. Nor is there a node too many."""
    job_id = group(front)
    ids = [f"{job_id}#{index}" for index in range(4)]
    (main,) = front.call("DescribeJobs", jobs=ids)["jobs"]
    assert (main["jobId"], main["status"], main["container"]["networkInterfaces"]) == (ids[0], "STARTING", [])
    run(front, job_id, 0)
    assert [node["jobId"] for node in front.call("DescribeJobs", jobs=ids)["jobs"]] == ids[:3]
    assert front.call("DescribeJobs", jobs=[f"{job_id}:0", f"{job_id}#00"])["jobs"] == []


def test_a_second_attempt_adds_to_the_lists_of_group_and_nodes(front: Front) -> None:
    """While it runs the lists have the first, and the start is the second's."""
    job_id = group(front, retryStrategy={"attempts": 2})
    run(front, job_id, 0, 1, 2)
    end(front, job_id, 0, 1, 2, exit_code=1)
    run(front, job_id, 0)
    whole = front.job(job_id)
    assert whole["status"] == "RUNNING"
    (attempt,) = whole["attempts"]
    assert attempt["container"]["exitCode"] == 1
    assert whole["startedAt"] > attempt["stoppedAt"]
    main = front.job(f"{job_id}#0")
    assert attempt["container"]["logStreamName"] == main["attempts"][0]["container"]["logStreamName"]
    assert main["container"]["logStreamName"] != attempt["container"]["logStreamName"]


def test_a_queue_lists_the_group_and_the_group_its_nodes(front: Front) -> None:
    """The group as one job with its number of nodes; nodes by index, with a container that says nothing yet."""
    job_id = group(front)
    (row,) = front.call("ListJobs", jobQueue="ec2", jobStatus="STARTING")["jobSummaryList"]
    assert row["nodeProperties"] == {"numNodes": 3}
    assert row.keys() == {"jobArn", "jobId", "jobName", "createdAt", "status", "nodeProperties"}
    run(front, job_id, 0, 2)
    (row,) = front.call("ListJobs", jobQueue="ec2")["jobSummaryList"]
    assert (row["jobId"], "container" in row) == (job_id, False)
    main, worker = rows(front, job_id)
    assert main["nodeProperties"] == {"nodeIndex": 0, "isMainNode": True}
    assert (worker["jobId"], worker["container"]) == (f"{job_id}#2", {})
    assert [node["jobId"] for node in rows(front, job_id, "STARTING")] == [f"{job_id}#1"]
    run(front, job_id, 1)
    end(front, job_id, 0, 1, 2, exit_code=4)
    (row,) = front.call("ListJobs", jobQueue="ec2", jobStatus="FAILED")["jobSummaryList"]
    assert (row["container"], row["statusReason"]) == ({"exitCode": 4}, "Essential container in task exited")
    with pytest.raises(ApiError, match="is not an array job"):
        front.call("ListJobs", arrayJobId=job_id)


def test_the_end_of_a_group_is_asked_for_as_a_whole(front: Front) -> None:
    """CancelJob of a node does nothing; TerminateJob of a node ends the job, with the caller's reason on both."""
    job_id = group(front)
    run(front, job_id, 0, 1, 2)
    front.call("CancelJob", jobId=f"{job_id}#1", reason="r")
    front.call("CancelJob", jobId=job_id, reason="r")
    assert "isCancelled" not in front.job(job_id)
    front.call("TerminateJob", jobId=f"{job_id}#1", reason="wrong input")
    end(front, job_id, 0, 1, 2, exit_code=137)
    whole = front.job(job_id)
    assert (whole["status"], whole["statusReason"], whole["isTerminated"]) == ("FAILED", "wrong input", True)
    assert whole["attempts"][0]["statusReason"] == "wrong input"
    assert whole["attempts"][0]["container"]["exitCode"] == 137


def test_events_of_groups_and_nodes(front: Front) -> None:
    """The group's has its ranges, a node's which node it is; the ARN among its tags is the group's."""
    job_id = group(front)
    run(front, job_id, 0)
    node = front.dispatcher.engine.find(f"{job_id}#0")
    assert node is not None
    event = job_event(node, JobStatus.RUNNING)
    assert event["nodeDetails"] == {"nodeIndex": 0, "isMainNode": True}
    assert event["tags"] == {"resourceArn": f"{ARN}job/{job_id}"}
    whole = job_event(front.dispatcher.engine.jobs[job_id], JobStatus.RUNNING)
    assert whole["nodeProperties"]["numNodes"] == 3
    assert "container" not in whole
