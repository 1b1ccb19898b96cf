"""Changes of jobs' states, pushed: Batch, EventBridge, a rule, SQS, as the stacks declare them, seen through boto3."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

import deployment_outputs
from local_batch import control
from runner import deployment
from runner.aws import AwsClients, connect
from runner.deployment import Deployment
from runner.target import Target
from tests.e2e.conftest import CHECKOUT, Shell
from tests.infra.synthesised import PUSHING_APP

NAME = "Pushed"
SECONDS = 60


@dataclass(frozen=True)
class Pushing:
    """A deployment that pushes, beside the one that does not."""

    clients: AwsClients
    deployed: Deployment
    silent: Deployment

    def submit(self, where: Deployment, name: str, **more: Any) -> str:
        """The id of a barrier: a job that does nothing."""
        job = self.clients.batch.submit_job(
            jobName=name, jobQueue=where.job_queue("normal"), jobDefinition=where.job_definition("barrier"), **more
        )
        return str(job["jobId"])

    def receive_until(self, job_id: str) -> list[dict[str, Any]]:
        """Details of the events up to the one of that job's success, in the order in which they came."""
        url = self.deployed.job_events_queue_url
        found: list[dict[str, Any]] = []
        deadline = time.monotonic() + SECONDS
        while (job_id, "SUCCEEDED") not in {(detail["jobId"], detail["status"]) for detail in found}:
            assert time.monotonic() < deadline, found
            answer = self.clients.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=20)
            messages = answer.get("Messages", [])
            found += [json.loads(message["Body"])["detail"] for message in messages]
            if messages:
                entries = [
                    {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                    for number, message in enumerate(messages)
                ]
                assert self.clients.sqs.delete_message_batch(QueueUrl=url, Entries=entries)["Failed"] == []
        return found


@pytest.fixture(scope="module")
def pushing(shell: Shell, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pushing]:
    """The stacks with pushed events, deployed by the real cdk command, and taken down by it."""
    folder = tmp_path_factory.mktemp("pushing")
    script, assembly = folder / "pushing_app.py", str(folder / "cdk.out")
    script.write_text(PUSHING_APP, encoding="utf-8")
    app = f"{sys.executable} {script}"
    cdk(shell, "synth", "--quiet", "--output", assembly, "--app", app, "--context", f"deployment={NAME}")
    cdk(shell, "deploy", "--all", "--app", assembly, "--require-approval", "never")
    clients = connect(Target(local=True), shell.home / "local")
    yield Pushing(
        clients,
        deployment.read(clients.cloudformation, NAME, is_local=True),
        deployment.read(clients.cloudformation, deployment_outputs.DEFAULT_DEPLOYMENT, is_local=True),
    )
    cdk(shell, "destroy", "--all", "--force", "--app", assembly)
    queues = clients.sqs.list_queues(QueueNamePrefix=NAME).get("QueueUrls", [])
    assert queues == []


def cdk(shell: Shell, *arguments: str) -> None:
    """`cdk …` against the shell's local cloud, in the checkout."""
    endpoint = control.status(shell.home / "local")
    assert endpoint is not None
    path = os.pathsep.join(str(CHECKOUT / part) for part in (".venv/bin", "node_modules/.bin"))
    done = subprocess.run(
        ["cdk", *arguments, "--ci"],
        cwd=CHECKOUT,
        env={**control.client_environment(endpoint), "PATH": f"{path}{os.pathsep}{os.environ['PATH']}", "CI": "true"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_deployment_says_whether_it_pushes(pushing: Pushing) -> None:
    """A URL where it does, nothing where it does not."""
    assert pushing.deployed.job_events_queue_url is not None
    assert "JobEvents" in pushing.deployed.job_events_queue_url
    assert pushing.silent.job_events_queue_url is None


def test_every_state_of_a_job_is_pushed(pushing: Pushing) -> None:
    """From RUNNABLE to SUCCEEDED, each once, as DescribeJobs would say it."""
    job_id = pushing.submit(pushing.deployed, "pushed")
    details = [detail for detail in pushing.receive_until(job_id) if detail["jobId"] == job_id]
    assert [detail["status"] for detail in details] == ["RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED"]
    assert {detail["jobName"] for detail in details} == {"pushed"}
    assert details[-1]["container"]["exitCode"] == 0


def test_children_and_dependents_are_pushed(pushing: Pushing) -> None:
    """Every child of an array is seen to its end, and the job that waited for all of them after that."""
    array = pushing.submit(pushing.deployed, "array", arrayProperties={"size": 3})
    last = pushing.submit(pushing.deployed, "last", dependsOn=[{"jobId": array}])
    ended = [detail["jobId"] for detail in pushing.receive_until(last) if detail["status"] == "SUCCEEDED"]
    assert sorted(ended[:-2]) == [f"{array}:{index}" for index in range(3)]
    assert ended[-2:] == [array, last]


def test_jobs_of_other_queues_are_not_pushed(pushing: Pushing) -> None:
    """The rule is bound to the queues of its deployment."""
    other = pushing.submit(pushing.silent, "other")
    own = pushing.submit(pushing.deployed, "own")
    deadline = time.monotonic() + SECONDS
    while pushing.clients.batch.describe_jobs(jobs=[other])["jobs"][0]["status"] != "SUCCEEDED":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert {detail["jobId"] for detail in pushing.receive_until(own)} == {own}


def test_an_empty_queue_is_waited_at(pushing: Pushing) -> None:
    """Long polling: no answer before its time where nothing happens, and one at once where something does."""
    url = pushing.deployed.job_events_queue_url
    began = time.monotonic()
    answer = pushing.clients.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1)
    assert answer.get("Messages", []) == []
    assert time.monotonic() - began >= 0.9
    pushing.receive_until(pushing.submit(pushing.deployed, "woken"))
    assert time.monotonic() - began < 20
