"""What containers are told at their addresses: credentials and ECS metadata, while they run."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from local_batch.engine import events
from local_batch.engine.jobs import Job
from local_batch.engine.resources import Platform
from local_batch.host.attempt_tokens import AttemptName, AttemptTokens
from local_batch.host.container_endpoints import ContainerEndpoints, JobSource
from local_batch.host.container_environment import CREDENTIALS, METADATA
from local_batch.host.seams import MiniStack
from local_batch.host.task_credentials import DURATION_SECONDS
from tests.local_batch.placed import ARN, PlacedJobs

ROLE = "arn:aws:iam::123456789012:role/worker"
TOKENS = AttemptTokens(b"key")


class FakeSts:
    """Where sessions are registered; its keys are words."""

    def __init__(self) -> None:
        self.sessions: dict[str, dict[str, Any]] = {}

    def assumed_role_arn(self, role_arn: str, session_name: str) -> tuple[str | None, object]:
        """As MiniStack's: the ARN, or a refusal."""
        if ":role/" not in role_arn:
            return None, (400, {}, b"")
        return f"{role_arn.replace(':iam:', ':sts:').replace(':role/', ':assumed-role/')}/{session_name}", None

    def role_id(self, role_arn: str) -> str:
        """As MiniStack's."""
        return f"AROA{len(role_arn)}"

    def gen_session_access_key(self) -> str:
        """As MiniStack's."""
        return "id"

    def gen_secret(self) -> str:
        """As MiniStack's."""
        return "key"

    def gen_session_token(self) -> str:
        """As MiniStack's."""
        return "token"

    def register_session(self, access_key: str, session: dict[str, Any]) -> None:
        """As MiniStack's."""
        self.sessions[access_key] = session


class Containers:
    """Endpoints of jobs, and what a container would see there."""

    def __init__(self, jobs: PlacedJobs) -> None:
        self.jobs = jobs
        self.sts = FakeSts()

        @contextlib.contextmanager
        def scope() -> Iterator[None]:
            yield

        cloud = SimpleNamespace(sts=self.sts, scope=scope)
        source = SimpleNamespace(lock=threading.RLock(), engine=jobs.engine)
        self._endpoints = ContainerEndpoints(cast("MiniStack", cloud), cast("JobSource", source), TOKENS)

    def get(self, path: str) -> tuple[int, dict[str, Any]] | None:
        """Status and document."""
        reply = self._endpoints.answer(path)
        return None if reply is None else (reply[0], json.loads(reply[2]))

    def ask(self, purpose: str, job: Job, attempt: int = 1, rest: str = "") -> tuple[int, dict[str, Any]]:
        """At the address of an attempt."""
        seen = self.get(f"{purpose}{TOKENS.issue(purpose, AttemptName(job.job_id, attempt))}{rest}")
        assert seen is not None
        return seen


@pytest.fixture
def containers() -> Containers:
    """On Fargate."""
    return Containers(PlacedJobs())


def test_credentials_are_those_of_the_job_role(containers: Containers) -> None:
    """In the form that SDKs expect; the session is named for the job."""
    array = containers.jobs.submit({"jobRoleArn": ROLE}, array_size=2)
    status, document = containers.ask(CREDENTIALS, containers.jobs.find(f"{array.job_id}:1"))
    session = containers.sts.sessions["id"]
    assert session["Arn"] == f"arn:aws:sts::123456789012:assumed-role/worker/{array.job_id}-1"
    expires_at = datetime.fromtimestamp(session["Expiration"], UTC)
    assert 0 < (expires_at - datetime.now(UTC)).total_seconds() <= DURATION_SECONDS
    assert (status, document) == (
        200,
        {
            "RoleArn": ROLE,
            "AccessKeyId": "id",
            "SecretAccessKey": session["SecretAccessKey"],
            "Token": session["SessionToken"],
            "Expiration": expires_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
    )


def test_addresses_die_with_their_attempt(containers: Containers) -> None:
    """A retried job's next attempt has other ones; the ended job's are of no use."""
    job = containers.jobs.submit({"jobRoleArn": ROLE})
    assert containers.ask(CREDENTIALS, job, attempt=2)[0] == 404
    containers.jobs.happen(events.ContainerStarted(job.job_id, 1))
    assert containers.ask(CREDENTIALS, job)[0] == 200
    assert containers.ask(METADATA, job)[0] == 200
    containers.jobs.happen(events.ContainerExited(job.job_id, 1, 0))
    for purpose in (CREDENTIALS, METADATA):
        assert containers.ask(purpose, job) == (
            404,
            {"code": "InvalidId", "message": "no running container has this address"},
        )


def test_strangers_are_told_nothing(containers: Containers) -> None:
    """Neither without a signature nor with one for something else, nor for a job that is not known."""
    job = containers.jobs.submit({"jobRoleArn": ROLE})
    metadata = TOKENS.issue(METADATA, AttemptName(job.job_id, 1))
    unknown = TOKENS.issue(CREDENTIALS, AttemptName("nobody", 1))
    for token in (metadata, unknown, job.job_id, ""):
        seen = containers.get(f"{CREDENTIALS}{token}")
        assert seen is not None
        assert seen[0] == 404


def test_refused_role_is_a_server_error(containers: Containers) -> None:
    """SDKs ask again, as they do on ECS."""
    job = containers.jobs.submit({"jobRoleArn": "worker"})
    assert containers.ask(CREDENTIALS, job)[0] == 500
    assert containers.sts.sessions == {}


def test_other_paths_are_somebody_elses(containers: Containers) -> None:
    """The server answers them."""
    assert containers.get("health") is None


def test_container_metadata_has_ecss_form(containers: Containers) -> None:
    """Names, task, limits, labels, log stream and the address of its own."""
    job = containers.jobs.submit()
    containers.jobs.happen(events.ContainerStarted(job.job_id, 1))
    status, document = containers.ask(METADATA, job)
    assert status == 200
    task_arn = document["Labels"]["com.amazonaws.ecs.task-arn"]
    assert task_arn.startswith("arn:aws:ecs:us-east-1:123456789012:task/AWSBatch-ce-")
    assert task_arn.endswith(job.task_id(job.attempt))
    assert document["Labels"]["com.amazonaws.ecs.task-definition-family"] == "shell"
    assert document["Labels"]["com.amazonaws.ecs.task-definition-version"] == "3"
    assert document["Limits"] == {"CPU": 2048, "Memory": 4096}
    assert (document["Name"], document["Image"], document["Type"]) == ("default", "shell:1", "NORMAL")
    assert document["LogOptions"]["awslogs-stream"] == job.log_stream(job.attempt)
    assert document["StartedAt"] == "2023-11-14T22:13:20.000Z"
    (network,) = document["Networks"]
    assert (network["NetworkMode"], network["IPv4Addresses"]) == ("awsvpc", ["127.0.0.1"])


def test_task_metadata_holds_the_container(containers: Containers) -> None:
    """On Fargate with the task's limits, in vCPUs."""
    job = containers.jobs.submit()
    status, document = containers.ask(METADATA, job, rest="/task")
    assert status == 200
    assert document["Containers"] == [containers.ask(METADATA, job)[1]]
    assert (document["LaunchType"], document["Limits"]) == ("FARGATE", {"CPU": 2, "Memory": 4096})
    assert (document["Family"], document["Revision"]) == ("shell", "3")
    assert document["Cluster"].partition(":cluster/")[2] == document["TaskARN"].split("/")[1]
    assert containers.ask(METADATA, job, rest="/task/stats")[0] == 404


def test_node_learns_its_own_address() -> None:
    """Each its own, as nodes on AWS have network interfaces."""
    containers = Containers(PlacedJobs(Platform.EC2))
    job = containers.jobs.submit_nodes({}, {}, {})
    networks = [
        containers.ask(METADATA, containers.jobs.find(f"{job.job_id}#{index}"))[1]["Networks"][0] for index in range(3)
    ]
    assert sorted(network["IPv4Addresses"][0] for network in networks) == ["127.0.0.2", "127.0.0.3", "127.0.0.4"]
    assert {network["NetworkMode"] for network in networks} == {"awsvpc"}


def test_other_jobs_on_ec2_share_the_hosts_network() -> None:
    """Which has no address of the container's, and limits are the container's alone."""
    containers = Containers(PlacedJobs(Platform.EC2))
    job = containers.jobs.submit()
    _, document = containers.ask(METADATA, job, rest="/task")
    assert document["Containers"][0]["Networks"] == [{"NetworkMode": "host", "IPv4Addresses": [""]}]
    assert document["LaunchType"] == "EC2"
    assert "Limits" not in document
    assert document["TaskARN"].startswith(ARN.replace(":batch:", ":ecs:"))
