"""Jobs on the local cloud, seen from the services around Batch: their credentials, events and logs."""

from __future__ import annotations

import json
import os
import signal
import time
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from local_batch import control
from tests.local_batch.api.recordings import load, misfits
from tests.local_batch.host.conftest import Client, client_for
from tests.local_batch.host.job_runner import JobRunner
from tests.local_batch.host.test_persistence import TRUST

PRINT_ENVIRONMENT = "import os, json; print(json.dumps(dict(os.environ)))"
PRINT_IDENTITY = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"

PRINT_TASK = """
import os, urllib.request
print(urllib.request.urlopen(os.environ["ECS_CONTAINER_METADATA_URI_V4"] + "/task").read().decode())
"""


@pytest.fixture
def jobs(client: Client, run_image: str) -> JobRunner:
    """A queue of the test's own."""
    return JobRunner(client, run_image)


@pytest.fixture
def job_role(client: Client) -> str:
    """The ARN of a role that tasks may assume."""
    name = f"role-{uuid.uuid4().hex[:8]}"
    role = client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=TRUST, Path="/jobs/")["Role"]
    arn: str = role["Arn"]
    return arn


def test_job_role_reaches_the_container_without_a_key_in_its_environment(jobs: JobRunner, job_role: str) -> None:
    """boto3's own chain fetches them from an address of this attempt, as on ECS."""
    job = jobs.finished(jobs.submit(PRINT_IDENTITY, jobRoleArn=job_role))
    assert job["status"] == "SUCCEEDED", jobs.lines(job)
    name = job_role.rpartition("/")[2]
    assert jobs.lines(job) == [f"arn:aws:sts::123456789012:assumed-role/{name}/{job['jobId']}"]

    shown = json.loads(jobs.lines(jobs.finished(jobs.submit(PRINT_ENVIRONMENT, jobRoleArn=job_role)))[0])
    assert "/_local_batch/credentials/" in shown["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
    assert not {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} & shown.keys()


def test_children_have_the_job_roles_rights_in_sessions_of_their_own(jobs: JobRunner, job_role: str) -> None:
    """Each is told from the others by the name of its session."""
    array = jobs.finished(jobs.submit(PRINT_IDENTITY, array_size=2, jobRoleArn=job_role))
    children = [jobs.describe(f"{array['jobId']}:{index}") for index in range(2)]
    name = job_role.rpartition("/")[2]
    assert [jobs.lines(child) for child in children] == [
        [f"arn:aws:sts::123456789012:assumed-role/{name}/{array['jobId']}-{index}"] for index in range(2)
    ]


def test_container_learns_about_itself_from_ecs(jobs: JobRunner) -> None:
    """At the address that ECS names, with the task that DescribeJobs shows."""
    job = jobs.finished(jobs.submit(PRINT_TASK))
    (line,) = jobs.lines(job)
    task = json.loads(line)
    assert task["TaskARN"] == job["container"]["taskArn"]
    (container,) = task["Containers"]
    assert container["LogOptions"]["awslogs-stream"] == job["container"]["logStreamName"]
    assert container["Networks"][0]["IPv4Addresses"] == ["127.0.0.1"]


def test_job_without_a_role_has_no_rights(jobs: JobRunner) -> None:
    """Neither the user's keys nor an instance profile shine through."""
    job = jobs.finished(jobs.submit(PRINT_IDENTITY))
    assert (job["status"], job["container"]["exitCode"]) == ("FAILED", 1)
    assert "NoCredentialsError" in jobs.lines(job)[-1]


def test_credentials_address_dies_with_the_job(jobs: JobRunner, job_role: str, client: Client) -> None:
    """What a job printed is of no use to anybody afterwards."""
    job = jobs.finished(
        jobs.submit("import os; print(os.environ['AWS_CONTAINER_CREDENTIALS_FULL_URI'])", jobRoleArn=job_role)
    )
    (address,) = jobs.lines(job)
    fetch = f"import urllib.request as r\ntry: r.urlopen({address!r})\nexcept r.HTTPError as e: print(e.code)"
    assert jobs.lines(jobs.finished(jobs.submit(fetch))) == ["404"]


def test_role_that_does_not_exist_fails_the_job_in_ecs_words(jobs: JobRunner) -> None:
    """Not with an error of the program that cannot find credentials."""
    job = jobs.finished(jobs.submit("print()", jobRoleArn="arn:aws:iam::123456789012:role/absent"))
    assert job["status"] == "FAILED"
    assert job["attempts"][0]["container"]["reason"].startswith(
        "ResourceInitializationError: ECS was unable to assume the role 'arn:aws:iam::123456789012:role/absent'"
    )


def test_container_knows_where_it_is(jobs: JobRunner) -> None:
    """Endpoint and region; SDKs in it need no setting of their own."""
    shown = json.loads(jobs.lines(jobs.finished(jobs.submit(PRINT_ENVIRONMENT)))[0])
    assert shown["AWS_ENDPOINT_URL"] == shown["AWS_ENDPOINT_URL_S3"]
    assert shown["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:")
    assert (shown["AWS_REGION"], shown["AWS_DEFAULT_REGION"]) == ("us-east-1", "us-east-1")
    assert shown["AWS_EXECUTION_ENV"] == "AWS_ECS_FARGATE"


def test_log_is_complete_when_the_job_has_ended(jobs: JobRunner) -> None:
    """Whoever saw the end and then asks for the log finds all of it, in order, however much it is."""
    job = jobs.finished(jobs.submit("for i in range(30000): print(i)"))
    batches = []
    logs = jobs._client("logs")
    options: dict[str, Any] = {"logGroupName": "/aws/batch/job", "logStreamName": job["container"]["logStreamName"]}
    token = None
    while True:
        page = logs.get_log_events(**options, startFromHead=True, **({"nextToken": token} if token else {}))
        batches += [event["message"] for event in page["events"]]
        if page["nextForwardToken"] == token:
            break
        token = page["nextForwardToken"]
    assert batches == [str(number) for number in range(30000)]


def test_log_stream_is_described(jobs: JobRunner, client: Client) -> None:
    """With the times of its first and last event."""
    job = jobs.finished(jobs.submit("print('once')"))
    (stream,) = client("logs").describe_log_streams(
        logGroupName="/aws/batch/job", logStreamNamePrefix=job["container"]["logStreamName"]
    )["logStreams"]
    assert job["createdAt"] <= stream["firstEventTimestamp"] <= stream["lastEventTimestamp"] <= job["stoppedAt"]


class Listener:
    """A rule on everything that Batch says about one queue; what it has heard is the test's own."""

    def __init__(self, client: Client, jobs: JobRunner) -> None:
        self._sqs, self._events, self._name = client("sqs"), client("events"), jobs.name
        self._url = self._sqs.create_queue(QueueName=jobs.name)["QueueUrl"]
        pattern = {"source": ["aws.batch"], "detail": {"jobQueue": [jobs.queue]}}
        self._events.put_rule(Name=jobs.name, EventPattern=json.dumps(pattern))
        target = f"arn:aws:sqs:us-east-1:123456789012:{jobs.name}"
        self._events.put_targets(Rule=jobs.name, Targets=[{"Id": "q", "Arn": target}])

    def heard(self, count: int) -> list[dict[str, Any]]:
        """The first events, in no order; fewer where no more came in time."""
        received: list[dict[str, Any]] = []
        deadline = time.monotonic() + 20
        while len(received) < count and time.monotonic() < deadline:
            messages = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages", [])
            for message in messages:
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
            received += [json.loads(message["Body"]) for message in messages]
        return received

    def end(self) -> None:
        """Nobody listens any more."""
        self._events.remove_targets(Rule=self._name, Ids=["q"])
        self._events.delete_rule(Name=self._name)


@pytest.fixture
def listener(client: Client, jobs: JobRunner) -> Iterator[Listener]:
    """To the queue of the test's own."""
    listener = Listener(client, jobs)
    yield listener
    listener.end()


def test_state_changes_reach_a_rule_of_eventbridge(jobs: JobRunner, listener: Listener) -> None:
    """Every state from RUNNABLE on, in order, as DescribeJobs would have shown it; none for the submission."""
    job = jobs.finished(jobs.submit("print()"))
    order = ["RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED"]
    received = sorted(listener.heard(len(order)), key=lambda event: order.index(event["detail"]["status"]))
    assert [event["detail"]["status"] for event in received] == order
    assert {event["detail-type"] for event in received} == {"Batch Job State Change"}
    assert {event["resources"][0] for event in received} == {job["jobArn"]}
    assert [misfits(load()["job_event"], event) for event in received] == [[]] * len(order)
    assert received[-1]["detail"]["container"]["exitCode"] == 0
    assert "exitCode" not in received[0]["detail"].get("container", {})


def test_states_of_children_and_their_parent_reach_a_rule_of_eventbridge(jobs: JobRunner, listener: Listener) -> None:
    """Each under an ARN of its own; the parent is never RUNNING."""
    arn = jobs.finished(jobs.submit("print()", array_size=2))["jobArn"]
    told: dict[str, set[str]] = {}
    for event in listener.heard(2 + 2 * 4):
        told.setdefault(event["resources"][0], set()).add(event["detail"]["status"])
    states = {"RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED"}
    assert {name: seen - {"PENDING"} for name, seen in told.items()} == {
        arn: {"SUCCEEDED"},
        f"{arn}:0": states,
        f"{arn}:1": states,
    }
    assert "PENDING" in told[arn]


def test_blocked_queue_reaches_a_rule_of_eventbridge(jobs: JobRunner, listener: Listener) -> None:
    """With the job that blocks it, which is larger than the environment, and why."""
    size = [{"type": "VCPU", "value": "8"}, {"type": "MEMORY", "value": "16384"}]
    job_id = jobs.submit("print()", resourceRequirements=size)
    (event,) = (event for event in listener.heard(2) if event["detail-type"] != "Batch Job State Change")
    assert misfits(load()["blocked_event"], event) == []
    assert event["resources"] == [jobs.describe(job_id)["jobArn"], jobs.queue]
    assert event["detail"]["statusReason"].startswith("MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE")


def test_job_of_a_killed_server_is_a_lost_host(state: Path, test_images: Path, run_image: str) -> None:
    """It is ended, not forgotten, and nothing of it runs on; a job that waited for room starts."""
    endpoint = control.start(state, images=[test_images], vcpus=0.25)
    jobs = JobRunner(partial(client_for, endpoint), run_image)
    mark = state / "ran-on"
    lost = jobs.submit(
        f"import time, pathlib; print('up', flush=True); time.sleep(3); pathlib.Path({str(mark)!r}).touch()"
    )
    waiting = jobs.submit("print('mine')")
    deadline = time.monotonic() + 30
    while jobs.describe(lost)["status"] != "RUNNING" and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(endpoint.pid, signal.SIGKILL)
    os.waitpid(endpoint.pid, 0)

    endpoint = control.start(state, images=[test_images], vcpus=0.25)
    again = JobRunner(partial(client_for, endpoint), run_image)
    assert again.finished(lost)["statusReason"].startswith("Host EC2 (instance ")
    finished = again.finished(waiting)
    assert (finished["status"], again.lines(finished)) == ("SUCCEEDED", ["mine"])
    time.sleep(3)
    assert not mark.exists()
