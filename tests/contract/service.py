"""The service under test, seen through boto3 alone, and words for what the contract tests do with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from image_tags import image_tag
from local_batch import control
from tests.contract.model_check import findings

IMAGES = Path(__file__).parent / "images"
IMAGE = f"shell:{image_tag(IMAGES / 'shell')}"
PATIENCE_SECONDS = 60.0
FARGATE_VCPUS = 2
SMALL = {"resourceRequirements": [{"type": "VCPU", "value": "0.25"}, {"type": "MEMORY", "value": "512"}]}
"""Overrides: eight such jobs fit into the Fargate environment at once."""

WHOLE = {"resourceRequirements": [{"type": "VCPU", "value": "2"}, {"type": "MEMORY", "value": "4096"}]}
"""Overrides: one such job fills the Fargate environment."""


@dataclass(frozen=True)
class Service:
    """A Batch with two queues on one Fargate environment, an EC2 queue, and a definition that runs a shell."""

    endpoint: control.Endpoint
    batch: Any
    logs: Any

    def call(self, operation: str, method: str, **request: Any) -> dict[str, Any]:
        """One call, its reply checked against the service model."""
        reply: dict[str, Any] = getattr(self.batch, method)(**request)
        assert findings(operation, reply) == []
        return reply

    def submit(self, script: str = "true", *, queue: str = "normal", name: str = "job", **more: Any) -> str:
        """SubmitJob of a shell script; the job's id."""
        overrides = {"command": ["sh", "-c", script], **more.pop("overrides", {})}
        request = {
            "jobName": name,
            "jobQueue": queue,
            "jobDefinition": "shell",
            "containerOverrides": overrides,
            **more,
        }
        return str(self.call("SubmitJob", "submit_job", **request)["jobId"])

    def job(self, job_id: str) -> dict[str, Any]:
        """DescribeJobs of one."""
        (job,) = self.jobs(job_id)
        return job

    def jobs(self, *job_ids: str) -> list[dict[str, Any]]:
        """DescribeJobs of several, in this order; all of them are there."""
        found = {job["jobId"]: job for job in self.call("DescribeJobs", "describe_jobs", jobs=list(job_ids))["jobs"]}
        return [found[job_id] for job_id in job_ids]

    def children(self, parent: dict[str, Any]) -> list[dict[str, Any]]:
        """DescribeJobs of an array job's children, by index."""
        return self.jobs(*(f"{parent['jobId']}:{index}" for index in range(parent["arrayProperties"]["size"])))

    def nodes(self, parent: dict[str, Any]) -> list[dict[str, Any]]:
        """DescribeJobs of a multi-node parallel job's nodes, by index."""
        return self.jobs(*(f"{parent['jobId']}#{index}" for index in range(parent["nodeProperties"]["numNodes"])))

    def submit_nodes(self, name: str, nodes: Sequence[tuple[str, str]], **more: Any) -> str:
        """SubmitJob of a definition made for it: a targetNodes and a shell script for each range of nodes."""
        properties = {
            "mainNode": more.pop("main_node", 0),
            "numNodes": more.pop("num_nodes", 3),
            "nodeRangeProperties": [
                {"targetNodes": target, "container": node_container(script)} for target, script in nodes
            ],
        }
        self.call(
            "RegisterJobDefinition",
            "register_job_definition",
            jobDefinitionName=name,
            type="multinode",
            nodeProperties=properties,
        )
        request = {"jobName": name, "jobQueue": "ec2", "jobDefinition": name, **more}
        return str(self.call("SubmitJob", "submit_job", **request)["jobId"])

    def wait(self, job_id: str, *statuses: str) -> dict[str, Any]:
        """The job once it is in one of these states; terminal ones where none are given."""
        wanted = statuses or ("SUCCEEDED", "FAILED")
        job: dict[str, Any] = self.until(lambda: self.job(job_id), lambda seen: seen["status"] in wanted)
        return job

    def until(self, look: Callable[[], Any], is_there: Callable[[Any], bool]) -> Any:
        """Look until it is there."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            seen = look()
            if is_there(seen):
                return seen
            assert time.monotonic() < deadline, f"still {seen}"
            time.sleep(0.02)

    def log(self, job: dict[str, Any], group: str = "/aws/batch/job") -> list[str]:
        """The lines of the job's latest attempt."""
        stream = job["container"]["logStreamName"]
        try:
            events = self.logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)["events"]
        except self.logs.exceptions.ResourceNotFoundException:
            return []  # made with the first line
        return [event["message"] for event in events]


def clients(endpoint: control.Endpoint, *names: str) -> list[Any]:
    """boto3 clients of the local cloud."""
    session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name=endpoint.region)
    config = Config(retries={"total_max_attempts": 1}, max_pool_connections=4)
    return [session.client(name, endpoint_url=endpoint.endpoint, config=config) for name in names]


def container(**more: Any) -> dict[str, Any]:
    """Container properties of a Fargate definition that runs the shell image."""
    return {
        "image": IMAGE,
        "executionRoleArn": "arn:aws:iam::123456789012:role/execution",
        "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "2048"}],
        **more,
    }


def node_container(script: str, vcpus: int = 1) -> dict[str, Any]:
    """Container properties of a range of nodes that run a shell script."""
    return {
        "image": IMAGE,
        "command": ["sh", "-c", script],
        "resourceRequirements": [{"type": "VCPU", "value": str(vcpus)}, {"type": "MEMORY", "value": "256"}],
    }


def register(batch: Any, name: str, **more: Any) -> str:
    """RegisterJobDefinition for Fargate; the ARN."""
    properties = more.pop("container_properties", None) or container()
    reply = batch.register_job_definition(
        jobDefinitionName=name,
        type="container",
        platformCapabilities=["FARGATE"],
        containerProperties=properties,
        **more,
    )
    return str(reply["jobDefinitionArn"])


def order(names: Iterable[str]) -> list[dict[str, Any]]:
    """A queue's list of compute environments, in this order."""
    return [{"order": number, "computeEnvironment": name} for number, name in enumerate(names, 1)]


def deploy(batch: Any) -> None:
    """What the contract tests submit against."""
    batch.create_compute_environment(
        computeEnvironmentName="fargate",
        type="MANAGED",
        computeResources={
            "type": "FARGATE",
            "maxvCpus": FARGATE_VCPUS,
            "subnets": ["subnet-1"],
            "securityGroupIds": ["sg-1"],
        },
    )
    batch.create_compute_environment(
        computeEnvironmentName="machines",
        type="MANAGED",
        computeResources={
            "type": "EC2",
            "maxvCpus": 16,
            "minvCpus": 0,
            "instanceTypes": ["m6i.large", "m6i.xlarge"],
            "instanceRole": "arn:aws:iam::123456789012:instance-profile/nodes",
            "allocationStrategy": "BEST_FIT_PROGRESSIVE",
            "subnets": ["subnet-1"],
            "securityGroupIds": ["sg-1"],
        },
    )
    for name, priority, environment in (("normal", 10, "fargate"), ("high", 100, "fargate"), ("ec2", 10, "machines")):
        batch.create_job_queue(jobQueueName=name, priority=priority, computeEnvironmentOrder=order([environment]))
    register(batch, "shell")
