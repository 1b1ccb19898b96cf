"""Array jobs as the API shows, lists and ends them."""

from __future__ import annotations

from typing import Any

import pytest

from local_batch.api.errors import ApiError
from local_batch.api.job_events import job_event
from local_batch.engine.states import JobStatus
from tests.local_batch.api.front import ARN, Front

NONE = dict.fromkeys(("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED"), 0)


def array(front: Front, size: int = 3, **more: Any) -> str:
    """An array of single-vCPU jobs; four of them have room at once."""
    return front.submit(arrayProperties={"size": size}, **more)


def children(front: Front, parent: str, status: str | None = None, **more: Any) -> list[dict[str, Any]]:
    """ListJobs of an array's children: rows."""
    request = {"arrayJobId": parent, **more, **({"jobStatus": status} if status else {})}
    return list(front.call("ListJobs", **request)["jobSummaryList"])


def test_a_parent_counts_its_children_and_never_runs(front: Front) -> None:
    """All seven states, also those of nobody; what was asked for, and neither task nor times, until and at its end."""
    parent = array(front, 5)
    front.start(f"{parent}:0")
    job = front.job(parent)
    assert (job["status"], job["attempts"]) == ("PENDING", [])
    properties = job["arrayProperties"]
    assert properties.pop("statusSummaryLastUpdatedAt") == front.now_ms
    assert properties == {"size": 5, "statusSummary": {**NONE, "RUNNABLE": 1, "STARTING": 3, "RUNNING": 1}}
    assert job["container"]["networkInterfaces"] == []
    assert not {"taskArn", "logStreamName", "exitCode"} & job["container"].keys()
    for index in range(5):
        if index:
            front.start(f"{parent}:{index}")
        front.exit(f"{parent}:{index}")
    ended_at = front.now_ms
    job = front.job(parent)
    assert job["status"] == "SUCCEEDED"
    assert job["arrayProperties"] == {
        "size": 5,
        "statusSummary": {**NONE, "SUCCEEDED": 5},
        "statusSummaryLastUpdatedAt": ended_at,
    }
    assert not {"startedAt", "stoppedAt", "statusReason"} & job.keys()


def test_a_child_is_described_as_a_job_with_an_index(front: Front) -> None:
    """With an id and ARN of its own, everything else from its parent; its parent fails because of it."""
    parent = array(front, 2, retryStrategy={"attempts": 2}, tags={"a": "1"}, parameters={"p": "q"})
    front.start(f"{parent}:1")
    front.exit(f"{parent}:1", 1)
    front.start(f"{parent}:1")
    front.exit(f"{parent}:1", 2)
    job = front.job(f"{parent}:1")
    assert (job["jobId"], job["jobArn"]) == (f"{parent}:1", f"{ARN}job/{parent}:1")
    assert job["arrayProperties"] == {"index": 1, "statusSummary": {}}
    assert [attempt["container"]["exitCode"] for attempt in job["attempts"]] == [1, 2]
    assert (job["status"], job["dependsOn"], job["tags"], job["parameters"]) == ("FAILED", [], {"a": "1"}, {"p": "q"})
    assert job["createdAt"] == front.job(f"{parent}:0")["createdAt"]
    front.start(f"{parent}:0")
    front.exit(f"{parent}:0")
    whole = front.job(parent)
    assert (whole["status"], whole["statusReason"]) == ("FAILED", "Array Child Job failed")


def test_ids_of_children_that_are_not_there_are_left_out(front: Front) -> None:
    """One too high, one spelled otherwise, one of an array that still waits, one of a job that is no array."""
    first = front.submit()
    waiting = array(front, 2, dependsOn=[{"jobId": first}])
    parent = array(front, 2)
    ids = [f"{parent}:2", f"{parent}:01", f"{parent}:-1", f"{parent}:", f"{parent}#0", f"{waiting}:0", f"{first}:0"]
    assert front.call("DescribeJobs", jobs=[*ids, f"{parent}:1"])["jobs"] == [front.job(f"{parent}:1")]


def test_dependencies_are_shown_with_their_types(front: Front) -> None:
    """A plain one without; SEQUENTIAL without a job."""
    first = array(front, 2)
    plain, single = array(front, 2), front.submit()
    dependent = array(
        front, 2, dependsOn=[{"jobId": first, "type": "N_TO_N"}, {"jobId": single}, {"jobId": f"{plain}:1"}]
    )
    assert front.job(dependent)["dependsOn"] == [
        {"jobId": first, "type": "N_TO_N"},
        {"jobId": single},
        {"jobId": f"{plain}:1"},
    ]
    sequential = array(front, 2, dependsOn=[{"type": "SEQUENTIAL"}])
    assert front.job(sequential)["dependsOn"] == [{"type": "SEQUENTIAL"}]


def test_a_queue_lists_the_parent_and_the_array_its_children(front: Front) -> None:
    """The parent counts as one job; children by index, by status, RUNNING unless asked otherwise."""
    parent = array(front, 5)
    for index in (0, 3):
        front.start(f"{parent}:{index}")
    (row,) = front.call("ListJobs", jobQueue="normal", jobStatus="PENDING")["jobSummaryList"]
    assert row["arrayProperties"].pop("statusSummaryLastUpdatedAt") == front.now_ms
    assert row["arrayProperties"] == {"size": 5, "statusSummary": {**NONE, "RUNNABLE": 1, "STARTING": 2, "RUNNING": 2}}
    assert row.keys() == {"jobArn", "jobId", "jobName", "createdAt", "status", "arrayProperties"}
    assert front.call("ListJobs", jobQueue="normal")["jobSummaryList"] == []
    assert [child["arrayProperties"] for child in children(front, parent)] == [{"index": 0}, {"index": 3}]
    assert [child["jobId"] for child in children(front, parent, "STARTING")] == [f"{parent}:1", f"{parent}:2"]
    by_name = [{"name": "JOB_NAME", "values": ["another"]}]
    assert len(children(front, parent, filters=by_name)) == 2


def test_an_array_that_waits_has_no_children_to_list(front: Front) -> None:
    """No error: they are still to come."""
    parent = array(front, 2, dependsOn=[{"jobId": front.submit()}])
    assert front.job(parent)["arrayProperties"]["statusSummary"] == NONE
    assert children(front, parent, "PENDING") == []
    with pytest.raises(ApiError, match="is not an array job"):
        front.call("ListJobs", arrayJobId=f"{parent}:0")
    with pytest.raises(ApiError, match="is not a multi-node parallel job"):
        front.call("ListJobs", multiNodeJobId=parent)


def test_pages_of_children_hold_while_they_change(front: Front) -> None:
    """1000 rows at most, fewer where asked; what ends meanwhile is neither repeated nor skipped."""
    parent = array(front, 1_204)
    front.call("UpdateComputeEnvironment", computeEnvironment="fargate", state="DISABLED")
    first = front.call("ListJobs", arrayJobId=parent, jobStatus="RUNNABLE")
    assert [row["arrayProperties"]["index"] for row in first["jobSummaryList"]] == list(range(4, 1_004))
    front.call("CancelJob", jobId=f"{parent}:1003", reason="not needed")
    token = first["nextToken"]
    rest = front.call("ListJobs", arrayJobId=parent, jobStatus="RUNNABLE", maxResults=300, nextToken=token)
    assert [row["arrayProperties"]["index"] for row in rest["jobSummaryList"]] == list(range(1_004, 1_204))
    assert "nextToken" not in rest
    with pytest.raises(ApiError, match="nextToken: is one that an earlier page gave"):
        front.call("ListJobs", arrayJobId=array(front, 1_204), jobStatus="RUNNABLE", nextToken=token)


def test_ends_of_parent_and_child(front: Front) -> None:
    """Cancelling an array takes back what has not started; terminating one ends all; one child can be ended alone."""
    front.call("UpdateComputeEnvironment", computeEnvironment="fargate", computeResources={"maxvCpus": 2})
    parent = array(front, 4)
    front.call("CancelJob", jobId=f"{parent}:3", reason="this one")
    assert front.job(f"{parent}:3")["statusReason"] == "this one"
    front.call("CancelJob", jobId=parent, reason="all")
    states = [front.job(f"{parent}:{index}")["status"] for index in range(4)]
    assert states == ["STARTING", "STARTING", "FAILED", "FAILED"]
    assert front.job(parent)["isCancelled"] is True
    front.call("TerminateJob", jobId=f"{parent}:0", reason="at once")
    front.exit(f"{parent}:0", 137)
    assert (front.job(f"{parent}:0")["statusReason"], front.job(parent)["status"]) == ("at once", "PENDING")
    front.call("TerminateJob", jobId=parent, reason="too long")
    front.exit(f"{parent}:1", 143)
    whole = front.job(parent)
    assert (whole["status"], whole["statusReason"]) == ("FAILED", "Array Child Job failed")
    assert whole["isTerminated"] is True
    assert front.job(f"{parent}:1")["statusReason"] == "too long"


def test_events_of_arrays(front: Front) -> None:
    """A child's event is about the child; the ARN among its tags is its parent's."""
    parent = array(front, 2, tags={"run": "1"})
    front.start(f"{parent}:1")
    child = front.dispatcher.engine.find(f"{parent}:1")
    assert child is not None
    event = job_event(child, JobStatus.RUNNING)
    assert (event["jobArn"], event["arrayProperties"]) == (f"{ARN}job/{parent}:1", {"index": 1, "statusSummary": {}})
    assert event["tags"] == {"resourceArn": f"{ARN}job/{parent}", "run": "1"}
    whole = job_event(front.dispatcher.engine.jobs[parent], JobStatus.PENDING)
    assert whole["arrayProperties"].keys() == {"size", "statusSummary"}


@pytest.mark.parametrize("operation", ["ListTagsForResource", "TagResource", "UntagResource"])
def test_children_have_no_tags_of_their_own(front: Front, operation: str) -> None:
    """Their ARNs are not supported, as the reference says; the parent's is."""
    parent = array(front, 2, tags={"a": "1"})
    asked: dict[str, dict[str, Any]] = {"TagResource": {"tags": {"b": "2"}}, "UntagResource": {"tagKeys": ["a"]}}
    with pytest.raises(ApiError, match="does not exist"):
        front.call(operation, resourceArn=f"{ARN}job/{parent}:0", **asked.get(operation, {}))
    front.call("TagResource", resourceArn=f"{ARN}job/{parent}", tags={"b": "2"})
    assert front.job(f"{parent}:0")["tags"] == {"a": "1", "b": "2"}
