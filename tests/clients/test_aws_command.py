"""The `aws` command line, unchanged, against the local cloud: what a user types and what he sees."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.clients.cloud import BUCKET, PATIENCE_SECONDS, Shell
from tests.contract.service import IMAGE, container

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200), pytest.mark.xdist_group("clients-aws")]

LOG_GROUP = "/aws/batch/job"
ENDED = ("SUCCEEDED", "FAILED")


class Aws:
    """The command, and waits made of it, since it has no waiter for jobs."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell

    def __call__(self, *arguments: str) -> Any:
        """The document that `aws …` prints; None where it prints nothing."""
        printed = self.shell.run("aws", *arguments).stdout
        return json.loads(printed) if printed else None

    def text(self, *arguments: str) -> str:
        """What `aws … --output text` prints."""
        return self.shell.run("aws", *arguments, "--output", "text").stdout.strip()

    def error(self, *arguments: str) -> str:
        """What a refused command says; its exit code is 255, that of version 1 for every refusal."""
        return self.shell.run("aws", *arguments, code=255).stderr.strip()

    def register(self, name: str, **more: Any) -> str:
        """register-job-definition of a shell in a container; the name."""
        properties = json.dumps(container(**more))
        kind = ("--type", "container", "--platform-capabilities", "FARGATE")
        self(
            "batch",
            "register-job-definition",
            "--job-definition-name",
            name,
            *kind,
            "--container-properties",
            properties,
        )
        return name

    def submit(self, definition: str, name: str, *more: str) -> str:
        """submit-job to the Fargate queue; the job's id."""
        job = ("--job-name", name, "--job-queue", "fargate", "--job-definition", definition)
        return self.text("batch", "submit-job", *job, *more, "--query", "jobId")

    def job(self, job_id: str) -> dict[str, Any]:
        """describe-jobs of one."""
        (job,) = self("batch", "describe-jobs", "--jobs", job_id)["jobs"]
        return dict(job)

    def wait(self, job_id: str, *statuses: str) -> dict[str, Any]:
        """The job once it is in one of these states; terminal ones where none are given."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (job := self.job(job_id))["status"] not in (statuses or ENDED):
            assert time.monotonic() < deadline, f"still {job}"
        return job

    def log(self, stream: str) -> list[str]:
        """get-log-events, as soon as there are any: as on AWS, a log may come after its job's end."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        where = ("--log-group-name", LOG_GROUP, "--log-stream-name", stream)
        while not (events := self("logs", "get-log-events", *where)["events"]):
            assert time.monotonic() < deadline, f"no line in {stream}"
        return [event["message"] for event in events]


def command(script: str) -> tuple[str, str]:
    """The option that has the job run this script."""
    return "--container-overrides", json.dumps({"command": ["sh", "-c", script]})


@pytest.fixture
def aws(shell_of: Callable[[str], Shell]) -> Aws:
    """The command in a shell of its own."""
    return Aws(shell_of("awscli"))


def test_environments_and_queues_are_described(aws: Aws) -> None:
    """As JSON, as text and through --query."""
    (queue,) = aws("batch", "describe-job-queues", "--job-queues", "ec2")["jobQueues"]
    assert (queue["state"], queue["status"], queue["priority"]) == ("ENABLED", "VALID", 1)
    named = "computeEnvironments[].[computeEnvironmentName,computeResources.type]"
    rows = aws.text("batch", "describe-compute-environments", "--query", named).splitlines()
    assert sorted(row.split("\t") for row in rows) == [["ec2", "EC2"], ["fargate", "FARGATE"]]


def test_a_job_runs_to_its_end_and_its_log_is_read(aws: Aws) -> None:
    """Registered, submitted with overrides and parameters, awaited, its lines read both ways there are."""
    name = aws.register("greet", command=["sh", "-c", "echo $GREETING Ref::whom"])
    assert (
        aws.text(
            "batch", "describe-job-definitions", "--job-definition-name", name, "--query", "length(jobDefinitions)"
        )
        == "1"
    )
    job_id = aws.submit(
        name,
        "greeting",
        *("--parameters", "whom=world", "--tags", "project=hpc"),
        *("--container-overrides", "environment=[{name=GREETING,value=hello}]"),
        *("--retry-strategy", "attempts=2", "--timeout", "attemptDurationSeconds=60"),
    )
    job = aws.wait(job_id)
    assert (job["status"], job["container"]["exitCode"], len(job["attempts"])) == ("SUCCEEDED", 0, 1)
    stream = job["container"]["logStreamName"]
    assert aws.log(stream) == ["hello world"]
    found = ("logs", "filter-log-events", "--log-group-name", LOG_GROUP, "--log-stream-names", stream)
    assert aws.text(*found, "--filter-pattern", "world", "--query", "events[].message") == "hello world"
    assert aws("batch", "list-tags-for-resource", "--resource-arn", job["jobArn"])["tags"]["project"] == "hpc"


def test_jobs_are_listed_by_state_name_definition_and_page(aws: Aws) -> None:
    """Every filter that list-jobs has, and its pages."""
    name = aws.register("listed")
    first, second = aws.submit(name, "listed-a"), aws.submit(name, "listed-b")
    failed = aws.submit(name, "listed-c", *command("exit 3"))
    for job_id in (first, second, failed):
        aws.wait(job_id)

    def listed(*filters: str) -> set[str]:
        return set(
            aws.text(
                "batch", "list-jobs", "--job-queue", "fargate", "--query", "jobSummaryList[].jobId", *filters
            ).split()
        )

    assert listed("--filters", "name=JOB_NAME,values=LISTED-*") == {first, second, failed}
    assert listed("--filters", f"name=JOB_DEFINITION,values={name}") == {first, second, failed}
    assert failed in listed("--job-status", "FAILED")
    assert first not in listed("--job-status", "FAILED")
    moment = aws.job(first)["createdAt"] + 1
    assert first in listed("--filters", f"name=BEFORE_CREATED_AT,values={moment}")
    later = listed("--filters", f"name=AFTER_CREATED_AT,values={moment}")
    assert (first in later, second in later, failed in later) == (False, True, True)
    pages = aws(
        "batch", "list-jobs", "--job-queue", "fargate", "--filters", "name=JOB_NAME,values=listed-*", "--page-size", "1"
    )
    assert {job["jobId"] for job in pages["jobSummaryList"]} == {first, second, failed}


def test_jobs_are_cancelled_and_terminated(aws: Aws) -> None:
    """Cancelled while it waits for another, terminated while it runs, each with the user's reason."""
    name = aws.register("stopped")
    running = aws.submit(name, "running", *command("sleep 600"))
    waiting = aws.submit(name, "waiting", "--depends-on", f"jobId={running}")
    aws.wait(running, "RUNNING")
    assert aws.job(waiting)["status"] == "PENDING"
    aws("batch", "cancel-job", "--job-id", waiting, "--reason", "not needed")
    aws("batch", "terminate-job", "--job-id", running, "--reason", "seen enough")
    cancelled, terminated = aws.wait(waiting), aws.wait(running)
    assert (cancelled["status"], cancelled["statusReason"]) == ("FAILED", "not needed")
    assert (terminated["status"], terminated["statusReason"]) == ("FAILED", "seen enough")


def test_refusals_read_as_they_do_on_aws(aws: Aws) -> None:
    """Code, operation and message on stderr."""
    name = aws.register("refused")
    job = ("--job-name", "job", "--job-definition", name)
    refused = "An error occurred (ClientException) when calling the SubmitJob operation: Error executing request, "
    nowhere = aws.error("batch", "submit-job", *job, "--job-queue", "nowhere")
    assert nowhere.startswith(f"{refused}Exception : JobQueue nowhere not found., RequestId: ")
    short = aws.error("batch", "submit-job", *job, "--job-queue", "fargate", "--timeout", "attemptDurationSeconds=5")
    rule = "AttemptDurationSeconds in Timeout must be at least 60 seconds."
    assert short.startswith(f"{refused}Exception : {rule}, RequestId: ")
    assert aws("batch", "describe-jobs", "--jobs", "00000000-0000-0000-0000-000000000000") == {"jobs": []}


def test_an_array_job_is_submitted_and_its_children_looked_at(aws: Aws) -> None:
    """One submit-job, three children with their indices, the parent's summary of them."""
    name = aws.register("array", command=["sh", "-c", "echo child $AWS_BATCH_JOB_ARRAY_INDEX"])
    parent = aws.submit(name, "array", "--array-properties", "size=3")
    array = aws.wait(parent)
    assert array["status"] == "SUCCEEDED"
    assert array["arrayProperties"]["size"] == 3
    assert array["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 3
    children = ("batch", "list-jobs", "--array-job-id", parent, "--job-status", "SUCCEEDED")
    indices = aws.text(*children, "--query", "jobSummaryList[].arrayProperties.index").split()
    assert sorted(indices) == ["0", "1", "2"]
    stream = aws.job(f"{parent}:2")["container"]["logStreamName"]
    assert aws.log(stream) == ["child 2"]


def test_a_multi_node_job_is_submitted_and_its_nodes_looked_at(aws: Aws) -> None:
    """Two nodes, each with its record `id#index` and its log: one ends while the main node goes on until terminated."""
    name = "$AWS_BATCH_JOB_NODE_INDEX of $AWS_BATCH_JOB_NUM_NODES"
    script = f"echo node {name}; test $AWS_BATCH_JOB_NODE_INDEX = 1 || exec sleep 600"
    size = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "512"}]
    node = {"image": IMAGE, "command": ["sh", "-c", script], "resourceRequirements": size}
    nodes = {"numNodes": 2, "mainNode": 0, "nodeRangeProperties": [{"targetNodes": "0:", "container": node}]}
    definition = ("--job-definition-name", "gang", "--type", "multinode", "--node-properties", json.dumps(nodes))
    aws("batch", "register-job-definition", *definition)
    submission = ("--job-name", "gang", "--job-queue", "ec2", "--job-definition", "gang", "--query", "jobId")
    parent = aws.text("batch", "submit-job", *submission)
    stream = aws.wait(f"{parent}#1", "SUCCEEDED")["container"]["logStreamName"]
    for status, index in (("RUNNING", 0), ("SUCCEEDED", 1)):
        listed = ("batch", "list-jobs", "--multi-node-job-id", parent, "--job-status", status)
        assert aws.text(*listed, "--query", "jobSummaryList[].jobId") == f"{parent}#{index}"
    assert aws.log(stream) == ["node 1 of 2"]
    aws("batch", "terminate-job", "--job-id", parent, "--reason", "seen")
    assert aws.wait(parent)["statusReason"] == "seen"


def test_the_front_of_a_queue_is_shown(aws: Aws) -> None:
    """The snapshot names the job that waits while another has all vCPUs."""
    size = [{"type": "VCPU", "value": "8"}, {"type": "MEMORY", "value": "16384"}]
    name = aws.register("front", command=["sleep", "600"], resourceRequirements=size)
    running = aws.submit(name, "running")
    aws.wait(running, "RUNNING")
    waiting = aws.submit(name, "waiting")
    aws.wait(waiting, "RUNNABLE")
    front = aws("batch", "get-job-queue-snapshot", "--job-queue", "fargate")["frontOfQueue"]
    assert [job["jobArn"] for job in front["jobs"]] == [aws.job(waiting)["jobArn"]]
    for job_id in (waiting, running):
        aws("batch", "terminate-job", "--job-id", job_id, "--reason", "seen")
    assert [aws.wait(job_id)["statusReason"] for job_id in (waiting, running)] == ["seen", "seen"]


def test_files_are_copied_and_listed(aws: Aws) -> None:
    """`aws s3` finds the bucket with nothing but the variables."""
    local = aws.shell.directory / "numbers.txt"
    local.write_text("1\n2\n", encoding="utf-8")
    aws.shell.run("aws", "s3", "cp", "--quiet", str(local), f"s3://{BUCKET}/aws/numbers.txt")
    assert aws.shell.run("aws", "s3", "ls", f"s3://{BUCKET}/aws/").stdout.split()[2:] == ["4", "numbers.txt"]
    back = aws.shell.directory / "back"
    aws.shell.run("aws", "s3", "sync", "--quiet", f"s3://{BUCKET}/aws", str(back))
    assert (back / "numbers.txt").read_text(encoding="utf-8") == "1\n2\n"
