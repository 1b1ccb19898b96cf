"""Array jobs, as a client of AWS Batch sees them."""

from __future__ import annotations

import itertools
from typing import Any

from tests.contract.service import SMALL, WHOLE, Service

STATES = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED")
CHILD = "Array Child Job failed"
DEPENDENCY = "Dependent Job failed"


def submit(service: Service, script: str, size: int, **more: Any) -> str:
    """An array job of small children; its id."""
    return service.submit(script, overrides=dict(SMALL), arrayProperties={"size": size}, **more)


def summary(**counts: int) -> dict[str, int]:
    """statusSummary: all seven states are there, however many children are in them."""
    return {state: counts.get(state, 0) for state in STATES}


def statuses(jobs: list[dict[str, Any]]) -> list[str]:
    """Their states."""
    return [job["status"] for job in jobs]


def test_each_child_runs_with_its_index(service: Service) -> None:
    """The parent has counts and no attempt; each child a record, a log and an index of its own."""
    parent = service.wait(submit(service, 'echo "$AWS_BATCH_JOB_ARRAY_INDEX of $AWS_BATCH_JOB_ARRAY_SIZE"', 5))
    assert parent["status"] == "SUCCEEDED"
    assert (parent["arrayProperties"]["size"], "index" in parent["arrayProperties"]) == (5, False)
    assert parent["arrayProperties"]["statusSummary"] == summary(SUCCEEDED=5)
    assert parent["attempts"] == []
    assert not {"startedAt", "stoppedAt", "statusReason"} & parent.keys()
    assert "exitCode" not in parent["container"]
    children = service.children(parent)
    assert [service.log(child) for child in children] == [[f"{index} of 5"] for index in range(5)]
    assert [child["arrayProperties"]["index"] for child in children] == list(range(5))
    assert {child["container"]["exitCode"] for child in children} == {0}
    assert {child["jobArn"].partition(":job/")[2] for child in children} == {child["jobId"] for child in children}


def test_a_failed_child_fails_the_parent_once_the_others_have_ended(service: Service) -> None:
    """Its siblings run on; what depends on the array fails with it."""
    array = submit(service, 'test "$AWS_BATCH_JOB_ARRAY_INDEX" != 1 || exit 7', 3)
    dependent = service.submit(dependsOn=[{"jobId": array}])
    parent = service.wait(array)
    assert (parent["status"], parent["statusReason"]) == ("FAILED", CHILD)
    assert parent["arrayProperties"]["statusSummary"] == summary(SUCCEEDED=2, FAILED=1)
    children = service.children(parent)
    assert statuses(children) == ["SUCCEEDED", "FAILED", "SUCCEEDED"]
    assert (children[1]["container"]["exitCode"], len(children[1]["attempts"])) == (7, 1)
    assert service.wait(dependent)["statusReason"] == DEPENDENCY


def test_children_are_retried_one_by_one(service: Service) -> None:
    """The one that failed is tried again, the others are not."""
    script = 'test "$AWS_BATCH_JOB_ARRAY_INDEX/$AWS_BATCH_JOB_ATTEMPT" != 1/1'
    parent = service.wait(submit(service, script, 3, retryStrategy={"attempts": 2}))
    assert parent["status"] == "SUCCEEDED"
    codes = [[attempt["container"]["exitCode"] for attempt in child["attempts"]] for child in service.children(parent)]
    assert codes == [[0], [1, 0], [0]]


def test_n_to_n_pairs_children_and_fails_them_in_pairs(service: Service) -> None:
    """A child starts when its partner has succeeded, and fails when its partner has failed."""
    first = submit(service, 'test "$AWS_BATCH_JOB_ARRAY_INDEX" != 1', 3)
    second = submit(service, "true", 3, dependsOn=[{"jobId": first, "type": "N_TO_N"}])
    parent = service.wait(second)
    assert (parent["status"], parent["statusReason"]) == ("FAILED", CHILD)
    before, after = service.children(service.wait(first)), service.children(parent)
    assert statuses(after) == ["SUCCEEDED", "FAILED", "SUCCEEDED"]
    assert (after[1]["statusReason"], after[1]["attempts"]) == (DEPENDENCY, [])
    assert all(after[index]["startedAt"] >= before[index]["stoppedAt"] for index in (0, 2))


def test_sequential_children_run_one_after_the_other(service: Service) -> None:
    """Although there is room for all of them at once."""
    parent = service.wait(submit(service, "sleep 0.1", 3, dependsOn=[{"type": "SEQUENTIAL"}]))
    children = service.children(parent)
    assert statuses(children) == ["SUCCEEDED"] * 3
    assert all(after["startedAt"] >= before["stoppedAt"] for before, after in itertools.pairwise(children))


def test_a_job_may_depend_on_one_child(service: Service) -> None:
    """It does not wait for the child's siblings."""
    array = submit(service, 'test "$AWS_BATCH_JOB_ARRAY_INDEX" = 0 || sleep 60', 2)
    service.until(lambda: service.job(array), lambda job: job["status"] == "PENDING")
    dependent = service.submit(dependsOn=[{"jobId": f"{array}:0"}])
    assert service.wait(dependent)["status"] == "SUCCEEDED"
    assert service.job(array)["status"] == "PENDING"
    service.call("TerminateJob", "terminate_job", jobId=array, reason="seen enough")
    parent = service.wait(array)
    assert (parent["status"], parent["statusReason"]) == ("FAILED", CHILD)
    assert [child["statusReason"] for child in service.children(parent)] == [
        "Essential container in task exited",
        "seen enough",
    ]


def test_one_child_can_be_terminated(service: Service) -> None:
    """Its siblings come to their own ends."""
    array = submit(service, 'test "$AWS_BATCH_JOB_ARRAY_INDEX" = 0 || sleep 60', 2)
    service.wait(f"{array}:1", "RUNNING")
    service.call("TerminateJob", "terminate_job", jobId=f"{array}:1", reason="this one")
    parent = service.wait(array)
    children = service.children(parent)
    assert [(child["status"], child["statusReason"]) for child in children] == [
        ("SUCCEEDED", "Essential container in task exited"),
        ("FAILED", "this one"),
    ]
    assert children[1]["isTerminated"] is True


def test_cancelling_the_parent_takes_back_what_waits_and_leaves_what_runs(service: Service) -> None:
    """CancelJob on an array cancels the children that have not started."""
    array = service.submit("sleep 600", overrides=dict(WHOLE), arrayProperties={"size": 2})
    service.wait(f"{array}:0", "RUNNING")
    service.call("CancelJob", "cancel_job", jobId=array, reason="not needed")
    waiting = service.wait(f"{array}:1")
    assert (waiting["status"], waiting["statusReason"], waiting["attempts"]) == ("FAILED", "not needed", [])
    assert service.job(f"{array}:0")["status"] == "RUNNING"
    assert service.job(array)["status"] == "PENDING"
    service.call("TerminateJob", "terminate_job", jobId=f"{array}:0", reason="nor this")
    assert service.wait(array)["statusReason"] == CHILD


def test_children_are_listed_by_their_array(service: Service) -> None:
    """With their indices, by status; the queue's list shows the parent alone."""
    array = submit(service, 'test "$AWS_BATCH_JOB_ARRAY_INDEX" != 2', 3)
    service.wait(array)

    def listed(**request: Any) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = service.call("ListJobs", "list_jobs", **request)["jobSummaryList"]
        return rows

    succeeded = listed(arrayJobId=array, jobStatus="SUCCEEDED")
    assert sorted(row["arrayProperties"]["index"] for row in succeeded) == [0, 1]
    (failed,) = listed(arrayJobId=array, jobStatus="FAILED")
    assert (failed["jobId"], failed["container"]["exitCode"]) == (f"{array}:2", 1)
    assert listed(arrayJobId=array) == []
    rows = [row for row in listed(jobQueue="normal", jobStatus="FAILED") if row["jobId"].startswith(array)]
    assert [(row["jobId"], row["arrayProperties"]["size"]) for row in rows] == [(array, 3)]


def test_a_large_array_is_known_at_once_and_ends_soon(service: Service) -> None:
    """Ten thousand children that wait cost nothing; taking them back is one request."""
    blocker = service.submit("sleep 60", overrides=dict(WHOLE))
    service.wait(blocker, "RUNNING")
    array = submit(service, "true", 10_000)
    parent = service.job(array)
    assert (parent["status"], parent["arrayProperties"]["statusSummary"]) == ("PENDING", summary(RUNNABLE=10_000))
    assert service.job(f"{array}:9999")["status"] == "RUNNABLE"
    service.call("TerminateJob", "terminate_job", jobId=array, reason="too many")
    parent = service.wait(array)
    assert parent["arrayProperties"]["statusSummary"] == summary(FAILED=10_000)
    service.call("TerminateJob", "terminate_job", jobId=blocker, reason="seen enough")
    service.wait(blocker)
