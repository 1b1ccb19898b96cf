"""Who submits needs the two policies for submitters and no other: calls of `hpc`, recorded, where policies decide."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import pytest
from botocore.exceptions import ClientError

import deployment_outputs
from tests.e2e.conftest import CHECKOUT
from tests.e2e.test_iam import Guarded, code_of, guarded  # noqa: F401 - the fixture
from tests.e2e.test_job_events import cdk
from tests.e2e.test_profiles import NAME, synthesised
from tests.infra.synthesised import listed

pytestmark = pytest.mark.xdist_group("iam")

RECORDER: Final = """
import json, sys
from botocore.client import BaseClient

record, make_call = open(sys.argv.pop(1), "a"), BaseClient._make_api_call

def recorded(client, operation, request):
    service = client.meta.service_model.signing_name
    print(json.dumps([service, operation, request.get("Bucket"), request.get("Key")]), file=record, flush=True)
    return make_call(client, operation, request)

BaseClient._make_api_call = recorded
from runner.cli import main
main()
"""
"""The `hpc` command, which writes down every call that its SDK is asked for."""

ACTIONS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "batch:SubmitJob": ("batch:SubmitJob", "batch:TagResource"),
        "batch:TerminateJobs": ("batch:TerminateJob",),
        "s3:HeadObject": ("s3:GetObject",),
        "s3:ListObjectsV2": ("s3:ListBucket",),
        "sqs:DeleteMessageBatch": ("sqs:DeleteMessage",),
    }
)
"""What a call takes where that is not an action of its name. Jobs are submitted with tags.

Source: https://docs.aws.amazon.com/service-authorization/latest/reference/reference.html
"""


Right = tuple[str, str]
"""Action, and the resource or pattern of resources; of all services but S3, `*`."""

NOT_REACHED: Final[frozenset[Right]] = frozenset({("ecs:DescribeContainerInstances", "*")})
"""`hpc hosts` asks it about the instances of a cluster, of which the local cloud's have none."""

OF_THE_KEY: Final[frozenset[Right]] = frozenset({("kms:Decrypt", "*"), ("kms:GenerateDataKey", "*")})
"""No calls of `hpc`: S3 and CloudWatch Logs use the key with the rights of who asks; the local cloud's look at none."""


@dataclass(frozen=True)
class Submitter:
    """A user with the policies for submitters, and no other, whose shell has no other credentials."""

    guarded: Guarded
    key: Mapping[str, str]
    record: Path
    home: Path
    deployment: str = deployment_outputs.DEFAULT_DEPLOYMENT

    def hpc(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """`hpc …` against the endpoint as if it were AWS's, by this user's key."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "HPC_", "CDK_"))}
        environment = {
            **kept,
            "HPC_HOME": str(self.home),
            "HPC_DEPLOYMENT": self.deployment,
            "AWS_ENDPOINT_URL": self.guarded.endpoint.endpoint,
            "AWS_DEFAULT_REGION": self.guarded.endpoint.region,
            "AWS_ACCESS_KEY_ID": self.key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": self.key["SecretAccessKey"],
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        done = subprocess.run(
            [sys.executable, "-c", RECORDER, str(self.record), *arguments],
            cwd=CHECKOUT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, f"hpc {arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "not authorized" not in done.stderr
        return done

    def document(self, *arguments: str) -> Any:
        """What `hpc … --json` prints."""
        return json.loads(self.hpc(*arguments, "--json").stdout)

    def called(self) -> set[Right]:
        """What all calls until now took."""
        found = set()
        for line in self.record.read_text(encoding="utf-8").splitlines():
            service, operation, bucket, key = json.loads(line)
            call = f"{service}:{operation}"
            resource = "*" if service != "s3" else f"arn:aws:s3:::{bucket}" + (f"/{key}" if key else "")
            found |= {(action, resource) for action in ACTIONS.get(call, (call,))}
        return found


def left_over(granted: set[Right], called: set[Right]) -> set[Right]:
    """Rights that no call took."""
    return {
        (action, pattern)
        for action, pattern in granted
        if not any(action == taken and fnmatchcase(resource, pattern) for taken, resource in called)
    }


@pytest.fixture
def submitter(guarded: Guarded, tmp_path: Path) -> Submitter:  # noqa: F811
    """Of the default deployment."""
    return submitter_of(guarded, tmp_path, deployment_outputs.DEFAULT_DEPLOYMENT)


def submitter_of(cloud: Guarded, folder: Path, deployment: str) -> Submitter:
    """A new user, with the policies that the outputs of the deployment name."""
    name = folder.name
    key = cloud.user(name)
    for policy in policies(cloud, deployment):
        cloud.client("iam").attach_user_policy(UserName=name, PolicyArn=policy)
    return Submitter(cloud, key, folder / "calls.txt", folder / "home", deployment)


def policies(cloud: Guarded, deployment: str) -> list[str]:
    """ARNs of the two."""
    name = deployment_outputs.entry_stack_name(deployment)
    (stack,) = cloud.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    outputs = {output["OutputKey"]: str(output["OutputValue"]) for output in stack["Outputs"]}
    return [
        outputs[deployment_outputs.SUBMITTER_POLICY_ARN],
        outputs[deployment_outputs.SUBMITTER_BUCKET_POLICY_ARN],
    ]


def granted_by(cloud: Guarded, deployment: str) -> set[Right]:
    """What the two allow."""
    iam, found = cloud.client("iam"), set()
    for arn in policies(cloud, deployment):
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        document = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
        document = json.loads(document) if isinstance(document, str) else document
        for statement in document["Statement"]:
            assert statement["Effect"] == "Allow"
            for action in listed(statement["Action"]):
                resources = listed(statement["Resource"]) if action.startswith("s3:") else ["*"]
                found |= {(action, resource) for resource in resources}
    return found


@pytest.fixture
def pushing(guarded: Guarded, tmp_path: Path) -> Iterator[Submitter]:  # noqa: F811
    """Of a deployment that pushes changes of jobs and has a key of its own, beside the default one."""
    assembly = synthesised(guarded.shell, tmp_path / "app", "Settings(push_job_events=True, own_key=True)")
    cdk(guarded.shell, "deploy", "--all", "--app", assembly, "--require-approval", "never")
    made = submitter_of(guarded, tmp_path, NAME)
    # AWS asks for sqs:DeleteMessage, which the policy has; the local cloud for an action that AWS does not know.
    statement = {"Effect": "Allow", "Action": "sqs:DeleteMessageBatch", "Resource": "*"}
    guarded.client("iam").put_user_policy(
        UserName=tmp_path.name,
        PolicyName="batch",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    yield made
    cdk(guarded.shell, "destroy", "--all", "--force", "--app", assembly)


def test_a_submitter_may_what_hpc_calls_and_nothing_else(submitter: Submitter) -> None:
    """Graphs and MPI programs run, are listed, read, ended and done again, and no right is left over."""
    run = submitter.document("run", "examples/dopi.yaml")["run"]
    for command in ("status", "report"):
        submitter.hpc(command, run)
    submitter.hpc("results", run, "--download", str(submitter.home / "results"))
    submitter.hpc("logs", run, "dopi")
    submitter.hpc("resume", run)
    submitter.hpc("runs")
    submitter.hpc("rerun", run, "examples/dopi.yaml", "--no-cache")
    submitter.hpc("mpi", "--nodes", "2", "--ranks-per-node", "1", "mpi/hello.c")
    sleeping = submitter.hpc("submit", "--nodes", "2", "sleep", "100").stdout.split()[0]
    submitter.hpc("stat")
    submitter.hpc("stat", sleeping)
    submitter.hpc("hosts")
    submitter.hpc("queues")
    submitter.hpc("kill", sleeping)
    submitter.hpc("out", sleeping)
    cancelled = submitter.document("run", "examples/dopi.yaml", "--detach")["run"]
    submitter.hpc("cancel", cancelled)
    elsewhere = dataclasses.replace(submitter, home=submitter.home.with_name("another-machine"))
    elsewhere.hpc("resume", run)
    assert left_over(granted_by(submitter.guarded, submitter.deployment), submitter.called()) == NOT_REACHED


def test_a_submitter_hears_of_his_jobs_where_they_are_pushed(pushing: Submitter) -> None:
    """By the queue of his own deployment, whose jobs he ends, and by no right of the other's."""
    run = pushing.document("run", "examples/dopi.yaml")["run"]
    pushing.hpc("results", run)
    granted, called = granted_by(pushing.guarded, NAME), pushing.called()
    assert {right for right in left_over(granted, called) if right[0].startswith(("sqs:", "kms:"))} == OF_THE_KEY
    sleeping = pushing.hpc("submit", "sleep", "100").stdout.split()[0]
    (job,) = pushing.guarded.client("batch").describe_jobs(jobs=[sleeping])["jobs"]
    assert job["tags"][deployment_outputs.DEPLOYMENT_TAG] == NAME
    pushing.hpc("kill", sleeping)


def test_a_submitter_ends_the_jobs_of_his_deployment_alone(submitter: Submitter) -> None:
    """A job of another deployment, on whatever queue, he can neither end nor make his own by a tag."""
    cloud, tag = submitter.guarded, deployment_outputs.DEPLOYMENT_TAG
    place = {
        "jobQueue": cloud.deployed.job_queue("normal"),
        "jobDefinition": cloud.deployed.job_definition("standin"),
        "containerOverrides": {"command": ["--seconds", "100"]},
    }
    owner, batch = cloud.client("batch"), cloud.client("batch", submitter.key)
    name = deployment_outputs.DEFAULT_DEPLOYMENT
    own = submitter.hpc("submit", "sleep", "100").stdout.split()[0]
    assert owner.describe_jobs(jobs=[own])["jobs"][0]["tags"][tag] == name
    other = owner.submit_job(jobName="other", tags={tag: "Other"}, **place)
    untagged = owner.submit_job(jobName="untagged", **place)
    array = owner.submit_job(jobName="array", tags={tag: name}, arrayProperties={"size": 2}, **place)
    denied: list[tuple[Any, dict[str, Any]]] = [
        *(
            (batch.terminate_job, {"jobId": job_id, "reason": "not mine"})
            for job_id in (other["jobId"], untagged["jobId"], f"{array['jobId']}:1")
        ),
        (batch.terminate_jobs, {"jobs": [own, other["jobId"]], "reason": "not all are mine"}),
        (batch.tag_resource, {"resourceArn": other["jobArn"], "tags": {tag: name}}),
        (batch.tag_resource, {"resourceArn": other["jobArn"], "tags": {"mine": "yes"}}),
        *((batch.submit_job, {"jobName": "as-other", "tags": tags, **place}) for tags in ({tag: "Other"}, {"a": "b"})),
    ]
    for call, request in denied:
        with pytest.raises(ClientError, match="is not authorized to perform: batch:") as refused:
            call(**request)
        assert code_of(refused) == "AccessDeniedException"
    submitter.hpc("kill", own, array["jobId"])
    for job in (other, untagged):
        owner.terminate_job(jobId=job["jobId"], reason="the test is over")
