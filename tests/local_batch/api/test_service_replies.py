"""Our replies against recorded ones of the real service, state by state: the same members, types and words."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from local_batch.api.job_events import job_event, queue_blocked_event
from local_batch.engine.states import JobStatus
from tests.local_batch.api.front import Front, definition, ec2_definition, size
from tests.local_batch.api.recordings import load, misfits

RECORDS = load()
ALL_THAT_CAN_BE_SAID: dict[str, Any] = {
    "retryStrategy": {"attempts": 2, "evaluateOnExit": [{"onExitCode": "3", "action": "EXIT"}]},
    "timeout": {"attemptDurationSeconds": 60},
    "propagateTags": True,
    "tags": {"a": "b"},
    "parameters": {"c": "d"},
}
PULL_FAILED = "CannotPullContainerError: manifest unknown"
Reach = Callable[[Front], str]


def submit(front: Front, **more: Any) -> str:
    """A job on EC2, where most recorded jobs ran; it starts at once."""
    return front.submit(**{"jobQueue": "ec2", "jobDefinition": "tool", **more})


def waiting(front: Front, **more: Any) -> str:
    """A job behind another that has the whole environment."""
    submit(front, containerOverrides={"resourceRequirements": size("8", "1024")})
    return submit(front, **more)


def running(front: Front, **more: Any) -> str:
    """A job whose container runs."""
    job_id = submit(front, **more)
    front.start(job_id)
    return job_id


def ended(front: Front, exit_code: int | None = 0, reason: str | None = None, **more: Any) -> str:
    """A job whose container ended."""
    job_id = running(front, **more)
    front.exit(job_id, exit_code, reason)
    return job_id


def failed_twice(front: Front) -> str:
    """A job with two attempts in its list."""
    job_id = ended(front, 1, retryStrategy={"attempts": 2})
    front.start(job_id)
    front.exit(job_id, 1)
    return job_id


def start_failed(front: Front) -> str:
    """A job whose container never ran."""
    job_id = submit(front)
    front.fail_to_start(job_id, PULL_FAILED)
    return job_id


@pytest.mark.parametrize(
    ("record", "reach"),
    [
        ("bare_runnable_job", waiting),
        ("runnable_job", lambda front: waiting(front, **ALL_THAT_CAN_BE_SAID)),
        ("starting_job", submit),
        ("running_job", running),
        ("ended_job", ended),
        ("ended_job", lambda front: ended(front, 3, **ALL_THAT_CAN_BE_SAID)),
        ("ended_job", failed_twice),
        ("agent_trouble_job", lambda front: ended(front, None, "CannotInspectContainerError: no answer")),
        ("ended_fargate_job", lambda front: ended(front, 1, jobQueue="normal", jobDefinition="shell")),
    ],
    ids=["waiting", "waiting, all said", "starting", "running", "succeeded", "failed", "twice", "lost", "fargate"],
)
def test_a_single_job_is_described_as_the_service_describes_it(front: Front, record: str, reach: Reach) -> None:
    """In each state that was recorded."""
    assert misfits(RECORDS[record], front.job(reach(front))) == []


def test_a_job_that_waits_for_others_is_described_as_one_just_submitted(front: Front) -> None:
    """No recording of PENDING was found, and ours have left SUBMITTED when their submission is answered."""
    job = front.job(submit(front, dependsOn=[{"jobId": submit(front)}], **ALL_THAT_CAN_BE_SAID))
    assert job["status"] == "PENDING"
    assert misfits(RECORDS["submitted_job"], {**job, "status": "SUBMITTED"}) == []


def test_an_attempt_that_never_started_is_described_as_the_service_does(front: Front) -> None:
    """It names the log stream that it would have had."""
    (attempt,) = front.job(start_failed(front))["attempts"]
    assert misfits(RECORDS["start_failed_attempt"], attempt) == []


def test_an_attempt_whose_host_went_away_is_described_as_the_service_does(front: Front) -> None:
    """Here the host is the local cloud itself, which was stopped."""
    job_id = running(front)
    front.restart()
    (attempt,) = front.job(job_id)["attempts"]
    # Our own explanation of it is more than the service says.
    del attempt["container"]["reason"]
    assert misfits(RECORDS["host_lost_attempt"], attempt) == []


def test_a_job_that_blocks_its_queue_is_described_as_the_service_does(front: Front) -> None:
    """In DescribeJobs, in the list and in both events."""
    job_id = submit(front, containerOverrides={"resourceRequirements": size("16", "1024")})
    assert misfits(RECORDS["runnable_job"], front.job(job_id)) == []
    (row,) = front.call("ListJobs", jobQueue="ec2", jobStatus="RUNNABLE")["jobSummaryList"]
    assert misfits(RECORDS["waiting_row"], row) == []
    job = front.record(job_id)
    queue = front.dispatcher.engine.queues[job.profile.queue_arn]
    for detail in (job_event(job, JobStatus.RUNNABLE), queue_blocked_event(job, queue)):
        assert "statusReason" in detail
        assert misfits(RECORDS["runnable_event_detail"], json.loads(json.dumps(detail))) == []


@pytest.mark.parametrize(
    ("record", "status", "reach"),
    [
        ("waiting_row", "RUNNABLE", waiting),
        ("ended_row", "SUCCEEDED", ended),
        ("ended_row", "FAILED", lambda front: ended(front, 3)),
        ("start_failed_row", "FAILED", start_failed),
    ],
    ids=["waiting", "succeeded", "failed", "never started"],
)
def test_a_single_job_is_listed_as_the_service_lists_it(front: Front, record: str, status: str, reach: Reach) -> None:
    """By queue and status."""
    job_id = reach(front)
    rows = front.call("ListJobs", jobQueue="ec2", jobStatus=status)["jobSummaryList"]
    assert misfits(RECORDS[record], next(row for row in rows if row["jobId"] == job_id)) == []


def test_a_filter_lists_a_job_as_the_service_does(front: Front) -> None:
    """With its definition, and without its start and the reason of its status."""
    ended(front, jobName="looked-for")
    filters = [{"name": "JOB_NAME", "values": ["looked-for"]}]
    (row,) = front.call("ListJobs", jobQueue="ec2", filters=filters)["jobSummaryList"]
    assert misfits(RECORDS["filtered_row"], row) == []


@pytest.mark.parametrize(
    ("record", "status", "reach"),
    [
        ("runnable_event_detail", "RUNNABLE", waiting),
        ("starting_event_detail", "STARTING", submit),
        ("running_event_detail", "RUNNING", running),
        ("ended_event_detail", "SUCCEEDED", ended),
    ],
)
def test_an_event_says_what_the_service_says(front: Front, record: str, status: str, reach: Reach) -> None:
    """The detail of each change of state that was recorded."""
    job = front.record(reach(front))
    assert misfits(RECORDS[record], json.loads(json.dumps(job_event(job, JobStatus(status))))) == []


def test_a_submission_is_answered_as_the_service_does(front: Front) -> None:
    """Three members."""
    answer = front.call("SubmitJob", jobName="j", jobQueue="ec2", jobDefinition="tool")
    assert misfits(RECORDS["submitted"], answer) == []


@pytest.mark.parametrize(
    ("record", "request_"),
    [
        ("container_definition", ec2_definition("one")),
        ("container_definition", ec2_definition("one", **ALL_THAT_CAN_BE_SAID, platformCapabilities=["EC2"])),
        (
            "container_definition",
            {
                "jobDefinitionName": "one",
                "type": "container",
                "containerProperties": {"image": "tool:1", "vcpus": 1, "memory": 512},
            },
        ),
        ("fargate_definition", definition("one")),
    ],
    ids=["bare", "all said", "deprecated members", "fargate"],
)
def test_a_definition_is_described_as_the_service_describes_it(
    front: Front, record: str, request_: dict[str, Any]
) -> None:
    """And its registration is answered so."""
    assert misfits(RECORDS["registered"], front.call("RegisterJobDefinition", **request_)) == []
    (described,) = front.call("DescribeJobDefinitions", jobDefinitionName="one")["jobDefinitions"]
    assert misfits(RECORDS[record], described) == []


def test_a_queue_is_described_as_the_service_describes_it(front: Front) -> None:
    """One in use."""
    (queue,) = front.call("DescribeJobQueues", jobQueues=["ec2"])["jobQueues"]
    assert misfits(RECORDS["queue"], queue) == []


def test_an_environment_is_described_as_the_service_describes_it(front: Front) -> None:
    """One of EC2 instances."""
    (environment,) = front.call("DescribeComputeEnvironments", computeEnvironments=["machines"])["computeEnvironments"]
    assert misfits(RECORDS["ec2_environment"], environment) == []


def test_answers_have_the_headers_of_the_service(front: Front) -> None:
    """Whether the answer is a good one or a refusal."""
    for body in (b'{"jobs": ["nobody"]}', b'{"jobs": []}'):
        _, headers, _ = front.api.handle("POST", "/v1/describejobs", {}, body, {})
        given = {name.lower(): value for name, value in headers.items() if name.lower() != "x-amzn-errortype"}
        assert misfits(RECORDS["answer_headers"], given) == []


def test_a_body_that_is_no_json_is_refused_as_the_service_does(front: Front) -> None:
    """By its own text, with the error's name in the body."""
    status, _, body = front.api.handle("POST", "/v1/describejobs", {}, b"{", {})
    assert status == 400
    assert misfits(RECORDS["broken_json_body"], json.loads(body)) == []
