"""Our replies on arrays, multi-node parallel jobs and shares against recorded ones of the real service."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from local_batch.api.job_events import job_event
from local_batch.engine.states import JobStatus
from tests.local_batch.api.front import Front, multinode_definition, size
from tests.local_batch.api.recordings import load, misfits

RECORDS = load()
Reach = Callable[[Front], str]
KILLED = 137


def array(front: Front, *exit_codes: int) -> str:
    """An array of two; both run, and then as many end as there are exit codes."""
    job_id = front.submit(jobQueue="ec2", jobDefinition="tool", arrayProperties={"size": 2})
    for index in range(2):
        front.start(f"{job_id}:{index}")
    for index, exit_code in enumerate(exit_codes):
        front.exit(f"{job_id}:{index}", exit_code)
    return job_id


def array_of_dependents(front: Front) -> str:
    """An array that waits for another job, so that there are no children yet."""
    other = front.submit(jobQueue="ec2", jobDefinition="tool")
    return front.submit(jobQueue="ec2", jobDefinition="tool", arrayProperties={"size": 2}, dependsOn=[{"jobId": other}])


def half_done(front: Front) -> str:
    """An array one of whose children still runs."""
    return array(front, 0)


def succeeded(front: Front) -> str:
    """An array all of whose children succeeded."""
    return array(front, 0, 0)


def failed(front: Front) -> str:
    """An array with a child that failed."""
    return array(front, 0, 1)


def nodes(front: Front, **more: Any) -> str:
    """A job of two nodes whose main node starts at once."""
    front.call("RegisterJobDefinition", **multinode_definition("nodes", {"0:1": {"command": ["mpirun"]}}, num_nodes=2))
    return front.submit(jobQueue="ec2", jobDefinition="nodes", **more)


def waiting_nodes(front: Front) -> str:
    """Two nodes behind a job that has the whole environment."""
    requirements = {"resourceRequirements": size("8", "1024")}
    front.submit(jobQueue="ec2", jobDefinition="tool", containerOverrides=requirements)
    return nodes(front)


def running_nodes(front: Front, **more: Any) -> str:
    """Two nodes that run."""
    job_id = nodes(front, **more)
    front.start(f"{job_id}#0")
    front.start(f"{job_id}#1")
    return job_id


def end_nodes(front: Front, job_id: str, exit_code: int) -> None:
    """The main node ends, for which the other is stopped."""
    front.exit(f"{job_id}#0", exit_code)
    front.exit(f"{job_id}#1", KILLED)


def ended_nodes(front: Front, exit_code: int = 0) -> str:
    """Two nodes that have ended."""
    job_id = running_nodes(front)
    end_nodes(front, job_id, exit_code)
    return job_id


def failed_nodes(front: Front) -> str:
    """Two nodes whose main node failed."""
    return ended_nodes(front, 1)


def terminated_nodes(front: Front) -> str:
    """Two nodes that were killed on request."""
    job_id = running_nodes(front)
    front.call("TerminateJob", jobId=job_id, reason="enough")
    end_nodes(front, job_id, KILLED)
    return job_id


def retried_nodes(front: Front) -> str:
    """Two nodes in their second attempt."""
    job_id = running_nodes(front, retryStrategy={"attempts": 2})
    end_nodes(front, job_id, 1)
    front.start(f"{job_id}#0")
    return job_id


@pytest.mark.parametrize(
    ("record", "reach"),
    [
        ("pending_array", array),
        ("pending_array", half_done),
        ("pending_array", array_of_dependents),
        ("succeeded_array", succeeded),
        ("failed_array", failed),
        ("waiting_node_group", waiting_nodes),
        ("waiting_node_group", nodes),
        ("running_node_group", running_nodes),
        ("ended_node_group", ended_nodes),
        ("ended_node_group", failed_nodes),
        ("terminated_node_group", terminated_nodes),
        ("retried_node_group", retried_nodes),
    ],
)
def test_arrays_and_node_groups_are_described_as_the_service_describes_them(
    front: Front, record: str, reach: Reach
) -> None:
    """As a whole, in each state that was recorded."""
    assert misfits(RECORDS[record], front.job(reach(front))) == []


@pytest.mark.parametrize(
    ("record", "reach", "part"),
    [
        ("ended_array_child", succeeded, ":0"),
        ("ended_array_child", failed, ":1"),
        ("ended_node", ended_nodes, "#0"),
        ("ended_node", ended_nodes, "#1"),
    ],
)
def test_children_and_nodes_are_described_as_the_service_describes_them(
    front: Front, record: str, reach: Reach, part: str
) -> None:
    """Each by its own id."""
    assert misfits(RECORDS[record], front.job(reach(front) + part)) == []


@pytest.mark.parametrize(
    ("record", "status", "reach"),
    [
        ("failed_array_row", "FAILED", failed),
        ("ended_node_group_row", "SUCCEEDED", ended_nodes),
        ("ended_node_group_row", "FAILED", failed_nodes),
    ],
)
def test_arrays_and_node_groups_are_listed_as_the_service_lists_them(
    front: Front, record: str, status: str, reach: Reach
) -> None:
    """By queue and status."""
    job_id = reach(front)
    rows = front.call("ListJobs", jobQueue="ec2", jobStatus=status)["jobSummaryList"]
    assert misfits(RECORDS[record], next(row for row in rows if row["jobId"] == job_id)) == []


def test_node_groups_that_wait_are_listed_as_the_service_lists_them(front: Front) -> None:
    """The recorded one was caught in SUBMITTED, which ours have left when their submission is answered."""
    job_id = waiting_nodes(front)
    rows = front.call("ListJobs", jobQueue="ec2", jobStatus="RUNNABLE")["jobSummaryList"]
    row = next(row for row in rows if row["jobId"] == job_id)
    assert misfits(RECORDS["waiting_node_group_row"], {**row, "status": "SUBMITTED"}) == []


def test_children_are_listed_as_the_service_lists_them(front: Front) -> None:
    """Those of an array in one state."""
    job_id = failed(front)
    for status in ("SUCCEEDED", "FAILED"):
        (row,) = front.call("ListJobs", arrayJobId=job_id, jobStatus=status)["jobSummaryList"]
        assert misfits(RECORDS["array_child_row"], row) == []


def test_nodes_are_listed_as_the_service_lists_them(front: Front) -> None:
    """Running ones, for which no status needs to be given."""
    rows = front.call("ListJobs", multiNodeJobId=running_nodes(front))["jobSummaryList"]
    assert [misfits(RECORDS["running_node_row"], row) for row in rows] == [[], []]


def test_a_filter_lists_node_groups_as_the_service_does(front: Front) -> None:
    """With how many nodes there are."""
    ended_nodes(front)
    filters = [{"name": "JOB_DEFINITION", "values": ["nodes"]}]
    (row,) = front.call("ListJobs", jobQueue="ec2", filters=filters)["jobSummaryList"]
    assert misfits(RECORDS["filtered_row"], row) == []


def test_an_event_of_a_child_says_what_the_service_says(front: Front) -> None:
    """Its end, with its array's ARN among the tags."""
    job_id = succeeded(front)
    detail = json.loads(json.dumps(job_event(front.record(f"{job_id}:0"), JobStatus.SUCCEEDED)))
    assert misfits(RECORDS["array_child_event_detail"], detail) == []
    assert detail["tags"]["resourceArn"].endswith(f":job/{job_id}")


@pytest.fixture
def share(front: Front) -> dict[str, Any]:
    """What puts a job into a share; one of its jobs runs, in the queue `shared`."""
    front.shared_queue("shared")
    members = {"shareIdentifier": "red", "schedulingPriorityOverride": 0}
    front.start(front.submit(jobQueue="shared", jobDefinition="tool", **members))
    return members


def test_the_jobs_of_a_share_are_listed_as_the_service_lists_them(front: Front, share: dict[str, Any]) -> None:
    """By share and status, which hides nothing."""
    filters = [{"name": "SHARE_IDENTIFIER", "values": [share["shareIdentifier"]]}]
    (row,) = front.call("ListJobs", jobQueue="shared", jobStatus="RUNNING", filters=filters)["jobSummaryList"]
    assert misfits(RECORDS["share_row"], row) == []


def test_a_queue_is_looked_at_as_the_service_does(front: Front, share: dict[str, Any]) -> None:
    """One with shares, one without, both with a job that waits."""
    requirements = {"resourceRequirements": size("8", "1024")}
    members: dict[str, Any]
    for queue, members in (("shared", share), ("ec2", {})):
        front.submit(jobQueue=queue, jobDefinition="tool", containerOverrides=requirements, **members)
        snapshot = front.call("GetJobQueueSnapshot", jobQueue=queue)
        assert snapshot["frontOfQueue"]["jobs"]
        assert ("fairshareUtilization" in snapshot["queueUtilization"]) == (queue == "shared")
        assert misfits(RECORDS["queue_snapshot"], snapshot) == []
