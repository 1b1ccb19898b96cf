"""Jobs as DescribeJobs and ListJobs show them in each state, and their end by request."""

from __future__ import annotations

from typing import Any

import pytest

from local_batch.api.errors import ApiError
from local_batch.api.job_events import job_event
from local_batch.engine.states import JobStatus
from tests.local_batch.api.front import ARN, Front, definition, size

WHOLE = {"resourceRequirements": size("4", "8192")}
BEFORE_THE_START = {
    "jobArn",
    "jobName",
    "jobId",
    "jobQueue",
    "status",
    "attempts",
    "createdAt",
    "dependsOn",
    "jobDefinition",
    "parameters",
    "container",
    "tags",
    "platformCapabilities",
    "eksAttempts",
}
WAITING_CONTAINER = {
    "image",
    "command",
    "executionRoleArn",
    "volumes",
    "environment",
    "mountPoints",
    "ulimits",
    "networkInterfaces",
    "resourceRequirements",
    "secrets",
    "fargatePlatformConfiguration",
}
PLACED_CONTAINER = {*WAITING_CONTAINER, "taskArn", "logStreamName"}


def test_members_of_a_waiting_job(front: Front) -> None:
    """PENDING and RUNNABLE: no start, no attempt, no reason, no task; RUNNABLE behind a full environment alike."""
    first = front.submit(containerOverrides=WHOLE)
    pending, runnable = front.job(front.submit(dependsOn=[{"jobId": first}])), front.job(front.submit())
    assert (pending["status"], runnable["status"]) == ("PENDING", "RUNNABLE")
    for job in (pending, runnable):
        assert job.keys() == BEFORE_THE_START
        assert job["attempts"] == []
        assert job["container"].keys() == WAITING_CONTAINER
    assert pending["dependsOn"] == [{"jobId": first}]


def test_members_of_a_starting_job(front: Front) -> None:
    """It has a task, and a log stream by name, but no address yet."""
    job = front.job(front.submit())
    assert job["status"] == "STARTING"
    assert job.keys() == BEFORE_THE_START
    assert job["container"].keys() == PLACED_CONTAINER
    assert job["container"]["networkInterfaces"] == []
    cluster = front.call("DescribeComputeEnvironments", computeEnvironments=["fargate"])["computeEnvironments"][0]
    name = cluster["ecsClusterArn"].rpartition("/")[2]
    assert job["container"]["taskArn"].startswith(f"arn:aws:ecs:here-1:123456789012:task/{name}/")
    assert job["container"]["logStreamName"] == f"shell/default/{job['container']['taskArn'].rpartition('/')[2]}"


def test_members_of_a_running_job(front: Front) -> None:
    """Its attempt is not in the list before it has ended; the address is known."""
    job_id = front.submit()
    front.start(job_id)
    started_at = front.now_ms
    job = front.job(job_id)
    assert job["status"] == "RUNNING"
    assert job.keys() == {*BEFORE_THE_START, "startedAt"}
    assert (job["startedAt"], job["attempts"]) == (started_at, [])
    (interface,) = job["container"]["networkInterfaces"]
    assert interface["privateIpv4Address"] == "127.0.0.1"
    assert len(interface["attachmentId"]) == 36
    assert "exitCode" not in job["container"]


def test_members_of_a_job_that_succeeded(front: Front) -> None:
    """The container mirrors the last attempt; the Fargate one has no container instance."""
    job_id = front.submit()
    front.start(job_id)
    front.exit(job_id)
    job = front.job(job_id)
    assert (job["status"], job["statusReason"]) == ("SUCCEEDED", "Essential container in task exited")
    assert job.keys() == {*BEFORE_THE_START, "statusReason", "startedAt", "stoppedAt"}
    (attempt,) = job["attempts"]
    members = {"taskArn", "exitCode", "logStreamName", "networkInterfaces"}
    assert attempt["container"].keys() == members
    assert {name: job["container"][name] for name in members} == attempt["container"]
    assert (attempt["startedAt"], attempt["stoppedAt"]) == (job["startedAt"], job["stoppedAt"])
    assert attempt["statusReason"] == "Essential container in task exited"


def test_ec2_jobs_name_their_container_instance(front: Front) -> None:
    """And have the host's network, so no interface of their own."""
    job_id = front.submit(jobQueue="ec2", jobDefinition="tool")
    front.start(job_id)
    container = front.job(job_id)["container"]
    assert ":container-instance/AWSBatch-machines-" in container["containerInstanceArn"]
    assert container["networkInterfaces"] == []
    assert "fargatePlatformConfiguration" not in container


def test_each_attempt_has_its_record(front: Front) -> None:
    """A start that failed has a reason and a log stream's name, but neither start nor exit code.

    startedAt is that of the latest start.
    """
    job_id = front.submit(retryStrategy={"attempts": 3})
    front.fail_to_start(job_id, "CannotPullContainerError: gone")
    front.start(job_id)
    front.exit(job_id, 137, "OutOfMemoryError: Container killed due to memory usage")
    waiting = front.job(job_id)
    assert waiting["status"] == "STARTING"
    assert "startedAt" not in waiting
    front.start(job_id)
    front.exit(job_id, 3)
    job = front.job(job_id)
    pulled, killed, failed = job["attempts"]
    assert (pulled["statusReason"], pulled["container"]["reason"]) == (
        "Task failed to start",
        "CannotPullContainerError: gone",
    )
    assert "exitCode" not in pulled["container"]
    assert pulled["container"]["logStreamName"].startswith("shell/default/")
    assert "startedAt" not in pulled
    assert killed["container"]["exitCode"] == 137
    assert failed["container"]["exitCode"] == job["container"]["exitCode"] == 3
    assert "reason" not in job["container"]
    assert len({attempt["container"]["taskArn"] for attempt in job["attempts"]}) == 3


def test_a_reason_is_shown_whole(front: Front) -> None:
    """However long, with its lines; in job, attempt and row."""
    job_id, reason = front.submit(), "CannotCreateContainerError: its build failed:\n" + "x" * 1_000
    front.fail_to_start(job_id, reason)
    job = front.job(job_id)
    (row,) = front.call("ListJobs", jobQueue="normal", jobStatus="FAILED")["jobSummaryList"]
    shown = [item["container"]["reason"] for item in (job, *job["attempts"], row)]
    assert shown == [reason] * 3


def test_a_restart_shows_the_same(front: Front) -> None:
    """Ended jobs, one that failed on acceptance among them, and all resources, member by member."""
    ended = front.submit(tags={"a": "1"}, retryStrategy={"attempts": 2})
    front.start(ended)
    front.exit(ended, 1)
    front.start(ended)
    front.exit(ended)
    refused = front.submit(containerOverrides={"command": ["x" * 8_200]})
    front.call("UpdateComputeEnvironment", computeEnvironment="machines", computeResources={"maxvCpus": 4})
    questions: list[tuple[str, dict[str, Any]]] = [
        ("DescribeJobs", {"jobs": [ended, refused]}),
        ("DescribeComputeEnvironments", {}),
        ("DescribeJobQueues", {}),
        ("DescribeJobDefinitions", {}),
    ]
    restarted = Front(front.path, now_ms=front.now_ms)
    try:
        for operation, request in questions:
            assert restarted.call(operation, **request) == front.call(operation, **request)
    finally:
        restarted.dispatcher.close()


def test_an_event_is_the_detail_without_what_has_not_been(front: Front) -> None:
    """No start before the start, the job's ARN among the tags, and whether they go on."""
    job_id = front.submit(tags={"run": "1"})
    waiting = job_event(front.dispatcher.engine.jobs[job_id], JobStatus.STARTING)
    assert "startedAt" not in waiting
    assert waiting["propagateTags"] is False
    assert waiting["tags"] == {"resourceArn": f"{ARN}job/{job_id}", "run": "1"}
    front.start(job_id)
    assert job_event(front.dispatcher.engine.jobs[job_id], JobStatus.RUNNING)["startedAt"] == front.now_ms
    assert front.job(job_id)["tags"] == {"run": "1"}


def test_cancel_takes_back_what_has_not_started(front: Front) -> None:
    """RUNNABLE fails at once with the reason; STARTING and ended jobs are left alone, and the call succeeds."""
    placed, waiting = front.submit(containerOverrides=WHOLE), front.submit()
    for job_id in (placed, waiting):
        assert front.call("CancelJob", jobId=job_id, reason="not needed") == {}
    job = front.job(waiting)
    assert (job["status"], job["statusReason"], job["isCancelled"]) == ("FAILED", "not needed", True)
    assert front.job(placed)["status"] == "STARTING"
    assert "isCancelled" not in front.job(placed)
    assert front.call("CancelJob", jobId=waiting, reason="again") == {}
    assert front.job(waiting)["statusReason"] == "not needed"


def test_a_cancelled_pending_job_fails_when_its_dependencies_have_ended(front: Front) -> None:
    """As AWS documents it for PENDING."""
    first = front.submit()
    second = front.submit(dependsOn=[{"jobId": first}])
    front.call("CancelJob", jobId=second, reason="not needed")
    assert front.job(second)["status"] == "PENDING"
    assert front.job(second)["isCancelled"] is True
    front.start(first)
    front.exit(first)
    assert (front.job(second)["status"], front.job(second)["statusReason"]) == ("FAILED", "not needed")


def test_terminate_ends_what_runs_and_is_not_retried(front: Front) -> None:
    """Job and attempt carry the caller's words."""
    job_id = front.submit(retryStrategy={"attempts": 3})
    front.start(job_id)
    front.call("TerminateJob", jobId=job_id, reason="wrong input")
    front.exit(job_id, 137)
    job = front.job(job_id)
    assert (job["status"], job["statusReason"], job["isTerminated"]) == ("FAILED", "wrong input", True)
    assert [attempt["statusReason"] for attempt in job["attempts"]] == ["wrong input"]


def test_terminating_what_has_not_started_cancels_it(front: Front) -> None:
    """It is cancelled, and a request to terminate it was accepted: it says both, in a PENDING job at once."""
    placed = front.submit(containerOverrides=WHOLE)
    waiting, pending = front.submit(), front.submit(dependsOn=[{"jobId": placed}])
    for job_id, status in ((waiting, "FAILED"), (pending, "PENDING")):
        front.call("TerminateJob", jobId=job_id, reason="wrong input")
        job = front.job(job_id)
        assert (job["status"], job["isCancelled"], job["isTerminated"]) == (status, True, True)
    assert front.job(waiting)["statusReason"] == "wrong input"
    (row,) = front.call("ListJobs", jobQueue="normal", jobStatus="FAILED")["jobSummaryList"]
    assert (row["isCancelled"], row["isTerminated"]) == (True, True)


@pytest.mark.parametrize("operation", ["CancelJob", "TerminateJob"])
def test_ending_a_job_that_is_not_there_succeeds(front: Front, operation: str) -> None:
    """The service does not tell; but it wants an id, and a reason of 1 to 1024 characters."""
    assert front.call(operation, jobId="nobody", reason="r") == {}
    for reason in ("", "x" * 1025):
        with pytest.raises(ApiError, match=f"reason must have 1 to 1024 characters, got {len(reason)}"):
            front.call(operation, jobId="nobody", reason=reason)
    with pytest.raises(ApiError, match="Job ID must not be empty"):
        front.call(operation, jobId="", reason="r")


def test_describe_takes_one_to_a_hundred_ids_and_leaves_out_unknown_ones(front: Front) -> None:
    """In the order asked for; AWS's text has two spaces."""
    first, second = front.submit(), front.submit()
    described = front.call("DescribeJobs", jobs=[second, "nobody", first])["jobs"]
    assert [job["jobId"] for job in described] == [second, first]
    for ids in ([], [first] * 101):
        with pytest.raises(ApiError, match="Maximum number of jobs supported is  100"):
            front.call("DescribeJobs", jobs=ids)


def listed(front: Front, **request: Any) -> list[str]:
    """ListJobs of queue `normal`: ids."""
    return [row["jobId"] for row in front.call("ListJobs", jobQueue="normal", **request)["jobSummaryList"]]


def test_list_shows_running_jobs_unless_asked_otherwise(front: Front) -> None:
    """One status at a time, newest first; other queues' jobs are not among them."""
    ids = [front.submit() for _ in range(6)]
    front.submit(jobQueue="ec2", jobDefinition="tool")
    for job_id in ids[:3]:
        front.start(job_id)
    front.exit(ids[0], 1)
    assert listed(front) == [ids[2], ids[1]]
    assert listed(front, jobStatus="FAILED") == [ids[0]]
    assert listed(front, jobStatus="RUNNABLE") == [ids[5]]


def test_a_row_has_what_there_is_to_say(front: Front) -> None:
    """Times, reason and container only once there are any; isCancelled and isTerminated only when true.

    By a filter it is another row: with its definition, but without start and reason.
    """
    job_id = front.submit()
    (row,) = front.call("ListJobs", jobQueue="normal", jobStatus="STARTING")["jobSummaryList"]
    assert row.keys() == {"jobArn", "jobId", "jobName", "createdAt", "status"}
    front.start(job_id)
    front.call("TerminateJob", jobId=job_id, reason="r")
    front.exit(job_id, 143)
    (row,) = front.call("ListJobs", jobQueue="normal", jobStatus="FAILED")["jobSummaryList"]
    assert (row["container"], row["statusReason"], row["isTerminated"]) == ({"exitCode": 143}, "r", True)
    assert row["startedAt"] <= row["stoppedAt"]
    by_name = [{"name": "JOB_NAME", "values": ["job"]}]
    (found,) = front.call("ListJobs", jobQueue="normal", filters=by_name)["jobSummaryList"]
    assert found["jobDefinition"] == f"{ARN}job-definition/shell:1"
    assert found.keys() == (row.keys() | {"jobDefinition"}) - {"startedAt", "statusReason"}


def test_filters_look_at_jobs_in_any_state(front: Front) -> None:
    """Names in any case and with a star, definitions of any revision or one, times; a status beside is ignored."""
    for name in ("shell", "shell-two"):
        front.call("RegisterJobDefinition", **definition(name))
    one = front.submit(jobName="Alpha-1", jobDefinition="shell:1")
    two = front.submit(jobName="alpha-2")
    three = front.submit(jobName="beta", jobDefinition="shell-two")
    created = front.job(two)["createdAt"]

    def filtered(name: str, *values: str) -> list[str]:
        return listed(front, filters=[{"name": name, "values": list(values)}], jobStatus="FAILED")

    assert filtered("JOB_NAME", "ALPHA*") == [two, one]
    assert filtered("JOB_NAME", "alpha-1", "beta") == [three, one]
    assert filtered("JOB_DEFINITION", "shell") == [two, one]
    assert filtered("JOB_DEFINITION", "shell*") == [three, two, one]
    assert filtered("JOB_DEFINITION", "SHELL") == []
    assert filtered("JOB_DEFINITION", f"{ARN}job-definition/shell:2") == [two]
    assert filtered("BEFORE_CREATED_AT", str(created)) == [one]
    assert filtered("AFTER_CREATED_AT", str(created)) == [three]


def test_the_filter_by_definition_is_case_sensitive(front: Front) -> None:
    """Names that differ by case alone are two definitions; with a star too."""
    front.call("RegisterJobDefinition", **definition("Shell-Two"))
    front.call("RegisterJobDefinition", **definition("shell-two"))
    upper, lower = front.submit(jobDefinition="Shell-Two"), front.submit(jobDefinition="shell-two")
    found = {
        value: listed(front, filters=[{"name": "JOB_DEFINITION", "values": [value]}])
        for value in ("Shell-Two", "shell-two", "SHELL-TWO", "Shell*", "shell-t*", "SHELL*")
    }
    assert list(found.values()) == [[upper], [lower], [], [upper], [lower], []]


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        ({}, "Exactly one of jobQueue, arrayJobId and multiNodeJobId must be specified."),
        ({"jobQueue": "normal", "arrayJobId": "x"}, "Exactly one of jobQueue, arrayJobId and multiNodeJobId"),
        ({"arrayJobId": "x"}, "arrayJobId x is not an array job."),
        ({"multiNodeJobId": "x"}, "multiNodeJobId x is not a multi-node parallel job."),
        ({"jobQueue": "nowhere"}, "JobQueue nowhere not found."),
        ({"jobQueue": "normal", "jobStatus": "DONE"}, "jobStatus: is one of SUBMITTED, .*, got 'DONE'"),
        ({"jobQueue": "normal", "filters": [{"name": "JOB_NAME", "values": ["a"]}] * 2}, "Only one filter"),
        ({"jobQueue": "normal", "filters": [{"name": "JOB_NAME"}]}, "must have a name and at least one value"),
        (
            {"jobQueue": "normal", "filters": [{"name": "COLOUR", "values": ["a"]}]},
            "Filter names are .* and SHARE_IDENTIFIER, got 'COLOUR'.",
        ),
        (
            {"jobQueue": "normal", "filters": [{"name": "AFTER_CREATED_AT", "values": ["yesterday"]}]},
            "Times in filters are milliseconds since 1970, got 'yesterday'",
        ),
        ({"jobQueue": "normal", "maxResults": 0}, "maxResults: is 1 to 1000, got 0"),
    ],
)
def test_questions_that_cannot_be_answered_are_refused(front: Front, request_: dict[str, Any], text: str) -> None:
    """An empty answer would say that there is no such job."""
    with pytest.raises(ApiError, match=text):
        front.call("ListJobs", **request_)


def test_pages_hold_while_jobs_come_and_go(front: Front) -> None:
    """A new job, and the end of the last job shown, neither repeat nor skip a row."""
    ids = [front.submit() for _ in range(4)]
    for job_id in ids:
        front.start(job_id)
    page = front.call("ListJobs", jobQueue="normal", maxResults=2)
    assert [row["jobId"] for row in page["jobSummaryList"]] == [ids[3], ids[2]]
    front.exit(ids[2])
    front.submit()
    rest = front.call("ListJobs", jobQueue="normal", maxResults=2, nextToken=page["nextToken"])
    assert [row["jobId"] for row in rest["jobSummaryList"]] == [ids[1], ids[0]]
    assert "nextToken" not in rest


def test_a_filtered_page_has_at_most_a_hundred_rows(front: Front) -> None:
    """However many are asked for; without a filter 1000."""
    for _ in range(101):
        front.submit()
    name = [{"name": "JOB_NAME", "values": ["job"]}]
    page = front.call("ListJobs", jobQueue="normal", filters=name, maxResults=1000)
    assert len(page["jobSummaryList"]) == 100
    rest = front.call("ListJobs", jobQueue="normal", filters=name, nextToken=page["nextToken"])
    assert len(rest["jobSummaryList"]) == 1
    assert len(front.call("ListJobs", jobQueue="normal", jobStatus="RUNNABLE")["jobSummaryList"]) == 97
