"""A local cloud that enforces policies: the stacks' own roles suffice for their work, and for nothing else."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

import deployment_outputs
from image_tags import image_tag
from local_batch import control
from local_batch.host.state_directory import Endpoint
from runner import deployment
from runner.aws import connect
from runner.deployment import Deployment
from runner.target import Target
from tests.e2e.conftest import CHECKOUT, Shell

pytestmark = pytest.mark.xdist_group("iam")

SECONDS = 60
DENIED = {"AccessDenied", "AccessDeniedException"}
DOCKERFILE = """\
FROM python:3.11
COPY probe.py /opt/probe.py
ENTRYPOINT ["python", "/opt/probe.py"]
"""
PROBE = '''\
"""Makes the calls it is given with the credentials of its job, and prints what came of each."""

import json
import sys

import boto3
from botocore.exceptions import ClientError

outcomes = {}
for name, (service, operation, request) in json.loads(sys.argv[1]).items():
    try:
        getattr(boto3.client(service), operation)(**request)
        outcomes[name] = "allowed"
    except ClientError as error:
        outcomes[name] = error.response["Error"]["Code"]
print(json.dumps(outcomes))
'''
FUNCTION = """\
import boto3
from botocore.exceptions import ClientError


def handler(event, context):
    try:
        boto3.client("batch").describe_job_queues()
    except ClientError as error:
        return error.response["Error"]["Message"]
"""
Call = tuple[str, str, dict[str, Any]]
"""Service, method of boto3's client, arguments."""


@dataclass(frozen=True)
class Guarded:
    """The deployment on its enforcing local cloud."""

    shell: Shell
    endpoint: Endpoint
    deployed: Deployment
    probe_image: str

    def client(self, service: str, credentials: Mapping[str, str] | None = None) -> Any:
        """A boto3 client: the owner's, or one with the credentials that IAM or STS gave."""
        given = credentials or {"AccessKeyId": "local", "SecretAccessKey": "local"}
        return boto3.client(
            service,
            endpoint_url=self.endpoint.endpoint,
            region_name=self.endpoint.region,
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given.get("SessionToken"),
        )

    def container(self, definition: str) -> dict[str, Any]:
        """The container of a definition of the deployment; of the first node where it has several."""
        described = self.client("batch").describe_job_definitions(
            jobDefinitions=[self.deployed.job_definition(definition)]
        )["jobDefinitions"][0]
        nodes = described.get("nodeProperties")
        container = nodes["nodeRangeProperties"][0]["container"] if nodes else described["containerProperties"]
        return dict(container)

    def user(self, name: str, *statements: dict[str, Any]) -> dict[str, str]:
        """Access key of a new user to whom a managed policy of these statements is attached."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        if statements:
            document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
            policy = iam.create_policy(PolicyName=name, PolicyDocument=document)["Policy"]["Arn"]
            iam.attach_user_policy(UserName=name, PolicyArn=policy)
        return dict(iam.create_access_key(UserName=name)["AccessKey"])

    def role(self, name: str, principal: dict[str, str], *statements: dict[str, Any]) -> str:
        """ARN of a new role with an inline policy."""
        trust = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
        iam = self.client("iam")
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
        if statements:
            document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
            iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=document)
        return str(role["Role"]["Arn"])

    def run(self, name: str, calls: Mapping[str, Call] | None = None, **container: Any) -> dict[str, Any]:
        """DescribeJobs of a job of the probe, ended; `container` in place of dopi's own roles."""
        batch, own = self.client("batch"), self.container("dopi")
        definition = batch.register_job_definition(
            jobDefinitionName=name,
            type="container",
            platformCapabilities=["FARGATE"],
            containerProperties={
                "image": self.probe_image,
                "command": [json.dumps(calls or {})],
                "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "2048"}],
                "executionRoleArn": own["executionRoleArn"],
                "logConfiguration": own["logConfiguration"],
                **container,
            },
        )
        job_id = batch.submit_job(
            jobName=name, jobQueue=self.deployed.job_queue("normal"), jobDefinition=definition["jobDefinitionArn"]
        )["jobId"]
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            job: dict[str, Any] = batch.describe_jobs(jobs=[job_id])["jobs"][0]
            if job["status"] in ("SUCCEEDED", "FAILED"):
                return job
            time.sleep(0.1)
        raise TimeoutError(f"{name} is still {job['status']}")

    def outcomes(self, name: str, role: str, calls: Mapping[str, Call]) -> dict[str, str]:
        """What came of each call that a job with this role made: `allowed`, or the error's code."""
        job = self.run(name, calls, jobRoleArn=role)
        assert job["status"] == "SUCCEEDED", job
        lines = self.client("logs").get_log_events(
            logGroupName=self.deployed.log_group, logStreamName=job["container"]["logStreamName"]
        )["events"]
        return dict(json.loads(lines[-1]["message"]))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """The stacks on a local cloud with enforcement, and an image that probes what its role may."""
    home = tmp_path_factory.mktemp("iam")
    probe = home / "images" / "probe"
    probe.mkdir(parents=True)
    (probe / "Dockerfile").write_text(DOCKERFILE, encoding="utf-8")
    (probe / "probe.py").write_text(PROBE, encoding="utf-8")
    shell = Shell(home)
    images = ("--images", str(CHECKOUT / "containers"), "--images", str(probe.parent))
    shell.hpc("local", "up", "--enforce-iam", "--vcpus", "8", "--memory-mib", "16384", *images)
    shell.hpc("deploy", "--local")
    endpoint = control.status(home / "local")
    assert endpoint is not None
    clients = connect(Target(local=True), home / "local")
    deployed = deployment.read(clients.cloudformation, deployment_outputs.DEFAULT_DEPLOYMENT, is_local=True)
    yield Guarded(shell, endpoint, deployed, _reference(probe, endpoint))
    shell.hpc("destroy", "--local")
    shell.hpc("local", "down", "--delete")


def _reference(folder: Path, endpoint: Endpoint) -> str:
    return f"{endpoint.account}.dkr.ecr.{endpoint.region}.amazonaws.com/{folder.name}:{image_tag(folder)}"


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    """The error's code."""
    return str(error.value.response["Error"]["Code"])


def test_a_graph_of_jobs_runs_with_the_rights_of_its_roles(guarded: Guarded) -> None:
    """Results are written by the job roles, lines by the execution roles."""
    guarded.shell.hpc("run", "examples/dopi.yaml", "--local")


def test_an_mpi_job_runs_with_the_rights_of_its_roles(guarded: Guarded) -> None:
    """The program is fetched by the job role, the secret of the nodes' keys by the execution role."""
    done = guarded.shell.hpc("mpi", "--local", "--nodes", "2", "--ranks-per-node", "2", "mpi/hello.c")
    assert "PASSED" in done.stdout


@pytest.mark.parametrize("definition", ["dopi", "mpi"])
def test_a_job_may_do_its_work_and_nothing_else(guarded: Guarded, definition: str) -> None:
    """Results are its to write and programs to read; ledgers, the queue, the secret and other roles are not."""
    deployed, container = guarded.deployed, guarded.container(definition)
    (secret,) = guarded.container("mpi")["secrets"]
    guarded.client("s3").put_object(Bucket=deployed.bucket, Key=f"{deployed.programs_prefix}given", Body=b"p")
    guarded.client("s3").put_object(Bucket=deployed.bucket, Key=f"{deployed.runs_prefix}ledger", Body=b"l")

    def of(operation: str, key: str, **more: Any) -> Call:
        return "s3", operation, {"Bucket": deployed.bucket, "Key": key, **more}

    submission = {
        "jobName": "another",
        "jobQueue": deployed.job_queue("normal"),
        "jobDefinition": deployed.job_definition("barrier"),
    }
    outcomes = guarded.outcomes(
        f"probe-{definition}",
        container["jobRoleArn"],
        {
            "write a result": of("put_object", f"{deployed.results_prefix}probe", Body="r"),
            "read a program": of("get_object", f"{deployed.programs_prefix}given"),
            "read a ledger": of("get_object", f"{deployed.runs_prefix}ledger"),
            "write a program": of("put_object", f"{deployed.programs_prefix}probe", Body="p"),
            "write a ledger": of("put_object", f"{deployed.runs_prefix}probe", Body="l"),
            "submit a job": ("batch", "submit_job", submission),
            "describe jobs": ("batch", "describe_jobs", {"jobs": ["x"]}),
            "read the secret": ("secretsmanager", "get_secret_value", {"SecretId": secret["valueFrom"]}),
            "read logs": ("logs", "filter_log_events", {"logGroupName": deployed.log_group}),
            "make a user": ("iam", "create_user", {"UserName": "intruder"}),
            "delete the stack": ("cloudformation", "delete_stack", {"StackName": "CloudHpc-Storage"}),
            "act as another": (
                "sts",
                "assume_role",
                {"RoleArn": guarded.container("mpi")["executionRoleArn"], "RoleSessionName": "probe"},
            ),
        },
    )
    assert [name for name, outcome in outcomes.items() if outcome == "allowed"] == ["write a result", "read a program"]
    assert set(outcomes.values()) <= {"allowed", *DENIED}


def test_an_execution_role_pulls_and_logs_and_reads_no_object(guarded: Guarded) -> None:
    """What ECS does for a job is not the job's to do, nor the other way round."""
    deployed = guarded.deployed
    outcomes = guarded.outcomes(
        "probe-execution",
        guarded.container("dopi")["executionRoleArn"],
        {
            "pull": ("ecr", "get_authorization_token", {}),
            "list": ("s3", "list_objects_v2", {"Bucket": deployed.bucket}),
            "read": ("s3", "get_object", {"Bucket": deployed.bucket, "Key": f"{deployed.results_prefix}probe"}),
            "write": ("s3", "put_object", {"Bucket": deployed.bucket, "Key": f"{deployed.results_prefix}x"}),
        },
    )
    assert outcomes == {"pull": "allowed", "list": "AccessDenied", "read": "AccessDenied", "write": "AccessDenied"}


def test_a_secret_is_read_by_the_execution_role_alone(guarded: Guarded) -> None:
    """The MPI job's may; with dopi's, which may not, the job fails in the words of ECS."""
    (secret,) = guarded.container("mpi")["secrets"]
    allowed = guarded.run("secret-mpi", secrets=[secret], executionRoleArn=guarded.container("mpi")["executionRoleArn"])
    assert allowed["status"] == "SUCCEEDED"
    refused = guarded.run("secret-dopi", secrets=[secret])
    assert refused["status"] == "FAILED"
    reason = refused["attempts"][-1]["container"]["reason"]
    assert reason.startswith("ResourceInitializationError: unable to pull secrets or registry auth")
    assert "not authorized to perform: secretsmanager:GetSecretValue on resource: " + secret["valueFrom"] in reason


@pytest.mark.parametrize(
    ("principal", "words"),
    [
        ("ecs-tasks.amazonaws.com", "is not authorized to perform: logs:CreateLogStream on resource: "),
        ("ec2.amazonaws.com", "ECS was unable to assume the role"),
    ],
)
def test_an_execution_role_must_be_able_to_log_and_trust_ecs(guarded: Guarded, principal: str, words: str) -> None:
    """Else the job fails before it starts, and says why."""
    role = guarded.role(f"powerless-{principal.partition('.')[0]}", {"Service": principal})
    job = guarded.run(f"logs-{principal.partition('.')[0]}", executionRoleArn=role)
    assert job["status"] == "FAILED"
    assert words in f"{job['statusReason']} {job['attempts'][-1]['container'].get('reason')}"


def test_a_user_without_a_policy_is_denied_in_the_words_of_aws(guarded: Guarded) -> None:
    """SubmitJob with who, what and on what; a wrong secret or an unknown key is no principal at all."""
    key = guarded.user("nobody")
    definition = guarded.deployed.job_definition("barrier")
    submission = {"jobName": "j", "jobQueue": guarded.deployed.job_queue("normal"), "jobDefinition": definition}
    with pytest.raises(ClientError) as denied:
        guarded.client("batch", key).submit_job(**submission)
    assert denied.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert denied.value.response["Error"] == {
        "Code": "AccessDeniedException",
        "Message": f"User: arn:aws:iam::{guarded.endpoint.account}:user/nobody is not authorized to perform: "
        f"batch:SubmitJob on resource: {definition} because no identity-based policy allows the batch:SubmitJob action",
    }
    for wrong in ({**key, "SecretAccessKey": "wrong"}, {**key, "AccessKeyId": "AKIAUNKNOWN"}):
        with pytest.raises(ClientError) as unknown:
            guarded.client("batch", wrong).describe_jobs(jobs=["x"])
        assert code_of(unknown) in {"InvalidSignatureException", "UnrecognizedClientException"}


def test_a_user_may_what_the_attached_policy_says(guarded: Guarded) -> None:
    """Submit one definition to one queue, and end what has a tag; the rest is denied, each action by its name."""
    queue, definition = guarded.deployed.job_queue("normal"), guarded.deployed.job_definition("barrier")
    key = guarded.user(
        "submitter",
        {"Effect": "Allow", "Action": "batch:SubmitJob", "Resource": [queue, definition]},
        {"Effect": "Allow", "Action": "batch:TagResource", "Resource": "*"},
        {
            "Effect": "Allow",
            "Action": "batch:TerminateJob",
            "Resource": "*",
            "Condition": {"StringEquals": {"aws:ResourceTag/owner": "submitter"}},
        },
    )
    batch = guarded.client("batch", key)
    own = batch.submit_job(jobName="own", jobQueue=queue, jobDefinition=definition, tags={"owner": "submitter"})
    other = guarded.client("batch").submit_job(jobName="other", jobQueue=queue, jobDefinition=definition)
    batch.terminate_job(jobId=own["jobId"], reason="done")
    calls: dict[str, tuple[Any, dict[str, Any]]] = {
        "batch:TerminateJob": (batch.terminate_job, {"jobId": other["jobId"], "reason": "not mine"}),
        "batch:SubmitJob": (
            batch.submit_job,
            {"jobName": "j", "jobQueue": guarded.deployed.job_queue("high"), "jobDefinition": definition},
        ),
        "batch:DescribeJobs": (batch.describe_jobs, {"jobs": [own["jobId"]]}),
        "batch:DeleteJobQueue": (batch.delete_job_queue, {"jobQueue": queue}),
    }
    for action, (call, request) in calls.items():
        with pytest.raises(ClientError, match=f"not authorized to perform: {action} on resource: ") as denied:
            call(**request)
        assert code_of(denied) == "AccessDeniedException"


def test_whoever_assumes_a_role_has_its_rights_and_no_others(guarded: Guarded) -> None:
    """A user who may assume it and nothing else; one whom the role does not trust cannot."""
    account = guarded.endpoint.account
    assuming = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
    key, stranger = guarded.user("assumer", assuming), guarded.user("stranger", assuming)
    reading = {"Effect": "Allow", "Action": "batch:Describe*", "Resource": "*"}
    role = guarded.role("reader", {"AWS": f"arn:aws:iam::{account}:user/assumer"}, reading)
    with pytest.raises(ClientError) as refused:
        guarded.client("sts", stranger).assume_role(RoleArn=role, RoleSessionName="session")
    assert code_of(refused) == "AccessDenied"
    session = guarded.client("sts", key).assume_role(RoleArn=role, RoleSessionName="session")["Credentials"]
    batch = guarded.client("batch", session)
    assert batch.describe_job_queues()["jobQueues"]
    with pytest.raises(ClientError, match="assumed-role/reader/session is not authorized to perform: batch:CancelJob"):
        batch.cancel_job(jobId="x", reason="r")
    with pytest.raises(ClientError, match="not authorized to perform: iam:PassRole"):
        guarded.client(
            "batch", guarded.user("definer", {"Effect": "Allow", "Action": "batch:*", "Resource": "*"})
        ).register_job_definition(
            jobDefinitionName="passing",
            type="container",
            containerProperties={"image": "i", "jobRoleArn": guarded.container("mpi")["jobRoleArn"]},
        )


def test_a_function_of_a_stack_has_the_rights_of_its_role(guarded: Guarded) -> None:
    """Batch refuses it by the name of the role's session."""
    role = guarded.role("function", {"Service": "lambda.amazonaws.com"})
    properties = {"Runtime": "python3.13", "Handler": "index.handler", "Role": role, "Code": {"ZipFile": FUNCTION}}
    resources = {"Function": {"Type": "AWS::Lambda::Function", "Properties": properties}}
    cloudformation = guarded.client("cloudformation")
    cloudformation.create_stack(StackName="function", TemplateBody=json.dumps({"Resources": resources}))
    cloudformation.get_waiter("stack_create_complete").wait(StackName="function", WaiterConfig={"Delay": 1})
    (made,) = cloudformation.describe_stack_resources(StackName="function")["StackResources"]
    answer = guarded.client("lambda").invoke(FunctionName=made["PhysicalResourceId"])["Payload"].read()
    assert ":assumed-role/function/" in json.loads(answer)
    assert "is not authorized to perform: batch:DescribeJobQueues on resource: *" in json.loads(answer)
