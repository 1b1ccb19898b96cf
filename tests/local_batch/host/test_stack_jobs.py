"""A stack of everything that jobs are given, and the jobs that find it there."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.local_batch.host.conftest import Client
from tests.local_batch.host.stack_client import StackClient

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
SMALL = [{"Type": "VCPU", "Value": "1"}, {"Type": "MEMORY", "Value": "128"}]
LIMIT = {
    "Action": "CANCEL",
    "MaxTimeSeconds": 600,
    "Reason": "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT",
    "State": "RUNNABLE",
}
SHOW = "import os; print(*(os.environ[name] for name in ('PASSWORD', 'LEVEL', 'AWS_BATCH_JOB_ARRAY_INDEX')))"


def resources(image: str) -> dict[str, Any]:
    """By logical id."""
    container = {
        "Image": image,
        "Command": [SHOW],
        "ExecutionRoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
        "ResourceRequirements": SMALL,
        "Secrets": [
            {"Name": "PASSWORD", "ValueFrom": {"Fn::Join": ["", [{"Ref": "Secret"}, ":password::"]]}},
            {"Name": "LEVEL", "ValueFrom": {"Ref": "Parameter"}},
        ],
        "LinuxParameters": {"InitProcessEnabled": False},
    }
    node = {"Image": image, "Command": ["print('node')"], "ResourceRequirements": SMALL}
    return {
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST}},
        "Secret": {
            "Type": "AWS::SecretsManager::Secret",
            "Properties": {"SecretString": json.dumps({"password": "s3cret"})},
        },
        "Parameter": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "high"}},
        "Environment": {
            "Type": "AWS::Batch::ComputeEnvironment",
            "Properties": {
                "Type": "managed",
                "ReplaceComputeEnvironment": False,
                "UpdatePolicy": {},
                "ComputeResources": {
                    "Type": "EC2",
                    "AllocationStrategy": "BEST_FIT_PROGRESSIVE",
                    "MinvCpus": 0,
                    "MaxvCpus": 16,
                    "InstanceTypes": ["optimal"],
                    "InstanceRole": "arn:aws:iam::123456789012:instance-profile/nodes",
                    "Subnets": ["subnet-0123456789abcdef0"],
                    "SecurityGroupIds": ["sg-0123456789abcdef0"],
                },
            },
        },
        "Policy": {
            "Type": "AWS::Batch::SchedulingPolicy",
            "Properties": {
                "FairsharePolicy": {
                    "ComputeReservation": 10,
                    "ShareDecaySeconds": 600,
                    "ShareDistribution": [{"ShareIdentifier": "team*", "WeightFactor": 0.5}],
                }
            },
        },
        "Queue": {
            "Type": "AWS::Batch::JobQueue",
            "Properties": {
                "Priority": 1,
                "SchedulingPolicyArn": {"Fn::GetAtt": ["Policy", "Arn"]},
                "JobStateTimeLimitActions": [LIMIT],
                "ComputeEnvironmentOrder": [{"Order": 1, "ComputeEnvironment": {"Ref": "Environment"}}],
            },
        },
        "Job": {
            "Type": "AWS::Batch::JobDefinition",
            "Properties": {
                "Type": "container",
                "SchedulingPriority": 3,
                "RetryStrategy": {},
                "Timeout": {},
                "ContainerProperties": container,
            },
        },
        "Nodes": {
            "Type": "AWS::Batch::JobDefinition",
            "Properties": {
                "Type": "multinode",
                "SchedulingPriority": 1,
                "RetryStrategy": {},
                "Timeout": {},
                "NodeProperties": {
                    "MainNode": 0,
                    "NumNodes": 3,
                    "NodeRangeProperties": [{"TargetNodes": "0:2", "Container": node}],
                },
            },
        },
    }


class Stack:
    """The stack and what is asked of it."""

    def __init__(self, client: Client, image: str) -> None:
        self.batch = client("batch")
        self.logs = client("logs")
        self.resources = resources(image)
        self.stack = StackClient(client("cloudformation"), f"s-{uuid.uuid4().hex[:8]}")
        assert self.stack.deploy(self.resources) == "CREATE_COMPLETE", self.stack.reasons()

    def run(self, definition: str, **more: Any) -> dict[str, Any]:
        """A job of this definition; the ended job."""
        ids = self.stack.physical_ids()
        request = {"jobName": "j", "jobQueue": ids["Queue"], "jobDefinition": ids[definition], **more}
        job_id = self.batch.submit_job(shareIdentifier="team1", **request)["jobId"]
        until = time.monotonic() + 60
        while time.monotonic() < until:
            job = self.job(job_id)
            if job["status"] in ("SUCCEEDED", "FAILED"):
                return job
            time.sleep(0.02)
        raise TimeoutError(f"job {job_id} is still {job['status']}")

    def job(self, job_id: str) -> dict[str, Any]:
        """As it is described."""
        (job,) = self.batch.describe_jobs(jobs=[job_id])["jobs"]
        return dict(job)

    def lines(self, job: dict[str, Any]) -> list[str]:
        """What its latest attempt wrote."""
        stream = job["container"]["logStreamName"]
        events = self.logs.get_log_events(logGroupName="/aws/batch/job", logStreamName=stream)["events"]
        return [event["message"] for event in events]


@pytest.fixture
def stack(client: Client, run_image: str) -> Iterator[Stack]:
    """Deployed; deleted at the end."""
    made = Stack(client, run_image)
    yield made
    assert made.stack.delete() == "DELETE_COMPLETE", made.stack.reasons()


def test_jobs_find_what_the_stack_made_for_them(stack: Stack) -> None:
    """An array reads secrets of the stack; three nodes run; both in the share that the queue's policy weighs."""
    array = stack.run("Job", arrayProperties={"size": 2})
    children = [stack.job(f"{array['jobId']}:{index}") for index in range(2)]
    assert array["status"] == "SUCCEEDED", [child["attempts"] for child in children]
    assert [stack.lines(child) for child in children] == [["s3cret high 0"], ["s3cret high 1"]]
    assert (array["shareIdentifier"], array["schedulingPriority"]) == ("team1", 3)
    job = stack.run("Nodes")
    assert job["status"] == "SUCCEEDED"
    assert stack.lines(stack.job(f"{job['jobId']}#0")) == ["node"]


def test_queue_and_policy_are_updated_in_place(stack: Stack) -> None:
    """Time limits and tags too; the definition of nodes gets another revision."""
    before = stack.stack.physical_ids()
    changed = json.loads(json.dumps(stack.resources))
    changed["Queue"]["Properties"].update(Tags={"team": "a"}, Priority=5)
    del changed["Queue"]["Properties"]["JobStateTimeLimitActions"]
    changed["Policy"]["Properties"]["FairsharePolicy"] = {"ShareDecaySeconds": 1200}
    changed["Policy"]["Properties"]["Tags"] = {"team": "b"}
    changed["Nodes"]["Properties"]["NodeProperties"]["NumNodes"] = 2
    changed["Nodes"]["Properties"]["NodeProperties"]["NodeRangeProperties"][0]["TargetNodes"] = "0:1"
    (queue,) = stack.batch.describe_job_queues(jobQueues=[before["Queue"]])["jobQueues"]
    assert queue["jobStateTimeLimitActions"] == [
        {"action": "CANCEL", "maxTimeSeconds": 600, "reason": LIMIT["Reason"], "state": "RUNNABLE"}
    ]
    assert stack.stack.deploy(changed) == "UPDATE_COMPLETE", stack.stack.reasons()
    after = stack.stack.physical_ids()
    assert {key for key in after if after[key] != before[key]} == {"Nodes"}
    assert after["Nodes"] == before["Nodes"].removesuffix(":1") + ":2"
    (queue,) = stack.batch.describe_job_queues(jobQueues=[after["Queue"]])["jobQueues"]
    assert (queue["priority"], queue["tags"]["team"], queue["jobStateTimeLimitActions"]) == (5, "a", [])
    assert queue["schedulingPolicyArn"] == after["Policy"]
    (policy,) = stack.batch.describe_scheduling_policies(arns=[after["Policy"]])["schedulingPolicies"]
    assert (policy["fairsharePolicy"], policy["tags"]["team"]) == ({"shareDecaySeconds": 1200}, "b")


def test_a_secrets_ref_is_its_arn(stack: Stack, client: Client) -> None:
    """From its creation through an update to its end."""
    arn = stack.stack.physical_ids()["Secret"]
    assert arn.startswith("arn:aws:secretsmanager:us-east-1:123456789012:secret:")
    changed = json.loads(json.dumps(stack.resources))
    changed["Secret"]["Properties"]["SecretString"] = json.dumps({"password": "changed"})
    assert stack.stack.deploy(changed) == "UPDATE_COMPLETE", stack.stack.reasons()
    assert stack.stack.physical_ids()["Secret"] == arn
    secrets = client("secretsmanager")
    assert json.loads(secrets.get_secret_value(SecretId=arn)["SecretString"]) == {"password": "changed"}
    del changed["Secret"], changed["Job"]
    assert stack.stack.deploy(changed) == "UPDATE_COMPLETE", stack.stack.reasons()
    with pytest.raises(secrets.exceptions.ResourceNotFoundException):
        secrets.get_secret_value(SecretId=arn)
