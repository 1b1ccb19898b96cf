"""Requests that are taken, refused and paged as AWS does it."""

from __future__ import annotations

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.service import Service, container, register


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"jobName": "a b"}, "Job name should match valid pattern"),
        ({"jobQueue": "nowhere"}, "JobQueue nowhere not found"),
        ({"jobDefinition": "nothing"}, "JobDefinition nothing not found"),
        ({"jobDefinition": "shell:99"}, "JobDefinition shell:99 not found"),
        ({"dependsOn": [{"jobId": "nobody"}]}, "dependsOn jobId nobody does not exist"),
        ({"dependsOn": [{"jobId": "x"}] * 21}, "Job cannot have more than 20 dependencies"),
        ({"retryStrategy": {"attempts": 11}}, "RetryAttempts must be between 1 and 10"),
        ({"retryStrategy": {"evaluateOnExit": [{"action": "EXIT"}]}}, "RetryAttempts must be provided"),
        (
            {"retryStrategy": {"attempts": 2, "evaluateOnExit": [{"onReason": "a(b", "action": "EXIT"}]}},
            "contains restricted characters",
        ),
        ({"arrayProperties": {"size": 1}}, "Array size must be between 2 and 10000, got 1"),
        ({"dependsOn": [{"type": "SEQUENTIAL"}]}, "type SEQUENTIAL is only applicable to array jobs"),
        ({"nodeOverrides": {"numNodes": 2}}, "nodeOverrides is only applicable to multi-node parallel jobs"),
        ({"shareIdentifier": "a"}, "shareIdentifier must not be specified"),
        ({"ecsPropertiesOverride": {"taskProperties": []}}, "ecsPropertiesOverride: is not played by the local cloud"),
        (
            {"containerOverrides": {"environment": [{"name": "AWS_BATCH_JOB_ID", "value": "x"}]}},
            "must not start with AWS_BATCH",
        ),
        ({"containerOverrides": {"command": [""]}}, "must not contain empty strings"),
        (
            {"containerOverrides": {"resourceRequirements": [{"type": "MEMORY", "value": "100"}]}},
            "Fargate with 1 vCPUs runs 2048 to 8192 MiB",
        ),
        ({"containerOverrides": {"memory": 4096}}, "deprecated key"),
        ({"jobQueue": "ec2"}, "requires FARGATE, which JobQueue ec2 does not offer"),
        ({"containerOverrides": {"command": ["x" * 31_000]}}, "Job size must be less than 30 KiB"),
    ],
)
def test_submissions_that_aws_would_refuse_are_refused(service: Service, change: dict[str, Any], text: str) -> None:
    """ClientException with the rule; no job is made."""
    before = service.batch.list_jobs(jobQueue="normal", filters=[{"name": "JOB_NAME", "values": ["refused"]}])
    request = {"jobName": "refused", "jobQueue": "normal", "jobDefinition": "shell", **change}
    with pytest.raises(ClientError, match=text) as refusal:
        service.batch.submit_job(**request)
    assert refusal.value.response["Error"]["Code"] == "ClientException"
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    after = service.batch.list_jobs(jobQueue="normal", filters=[{"name": "JOB_NAME", "values": ["refused"]}])
    assert after["jobSummaryList"] == before["jobSummaryList"]


@pytest.mark.parametrize(
    ("properties", "text"),
    [
        (
            {"resourceRequirements": [{"type": "VCPU", "value": "3"}, {"type": "MEMORY", "value": "8192"}]},
            "Fargate runs",
        ),
        ({"resourceRequirements": [{"type": "VCPU", "value": "1"}]}, "Memory is required"),
        ({"executionRoleArn": ""}, "executionRoleArn is required for Fargate"),
        ({"privileged": True}, "Fargate requires that the .privileged. setting be .false."),
        ({"secrets": [{"name": "a", "valueFrom": "b c"}]}, "valueFrom of secret a must be the ARN of"),
        ({"mountPoints": [{"sourceVolume": "v", "containerPath": "/v"}]}, "Unknown volume 'v'"),
        ({"ulimits": [{"name": "core", "hardLimit": 1, "softLimit": 1}]}, "ulimits is not applicable for Fargate"),
        ({"logConfiguration": {"logDriver": "splunk"}}, "logDriver: is not played by the local cloud"),
    ],
)
def test_definitions_that_would_not_be_honoured_are_refused(
    service: Service, properties: dict[str, Any], text: str
) -> None:
    """What the service refuses in its words, what the local cloud does not play by name."""
    with pytest.raises(ClientError, match=text):
        register(service.batch, "bad", container_properties=container(**properties))
    assert service.batch.describe_job_definitions(jobDefinitionName="bad")["jobDefinitions"] == []


def test_definitions_have_revisions_and_a_bare_name_means_the_latest_active(service: Service) -> None:
    """Deregistering the second revision makes the first the latest again."""
    for word in ("one", "two"):
        register(service.batch, "versions", container_properties=container(command=["echo", word]))
    request = {"jobName": "v", "jobQueue": "normal", "jobDefinition": "versions"}
    job = service.wait(service.call("SubmitJob", "submit_job", **request)["jobId"])
    assert service.log(job) == ["two"]
    service.call("DeregisterJobDefinition", "deregister_job_definition", jobDefinition="versions:2")
    job = service.wait(service.call("SubmitJob", "submit_job", **request)["jobId"])
    assert service.log(job) == ["one"]
    described = service.call("DescribeJobDefinitions", "describe_job_definitions", jobDefinitionName="versions")
    assert [(item["revision"], item["status"]) for item in described["jobDefinitions"]] == [
        (2, "INACTIVE"),
        (1, "ACTIVE"),
    ]


def test_describe_jobs_leaves_out_unknown_ids_and_takes_a_hundred(service: Service) -> None:
    """101 ids are refused in AWS's words, two spaces included."""
    job_id = service.submit()
    described = service.call("DescribeJobs", "describe_jobs", jobs=["nobody", job_id])
    assert [job["jobId"] for job in described["jobs"]] == [job_id]
    with pytest.raises(ClientError, match="Maximum number of jobs supported is  100"):
        service.batch.describe_jobs(jobs=[job_id] * 101)


def test_list_jobs_shows_running_ones_unless_asked_otherwise(service: Service) -> None:
    """By status, by name in any case and with a star, by definition, by time; newest first."""
    name = f"listed-{time.time_ns()}"
    first = service.submit(name=name)
    second = service.submit(name=f"{name}-b")
    for job_id in (first, second):
        service.wait(job_id)

    def listed(**request: Any) -> list[str]:
        reply = service.call("ListJobs", "list_jobs", jobQueue="normal", **request)
        return [row["jobId"] for row in reply["jobSummaryList"]]

    assert first not in listed()
    assert {first, second} <= set(listed(jobStatus="SUCCEEDED"))
    assert listed(filters=[{"name": "JOB_NAME", "values": [f"{name.upper()}*"]}]) == [second, first]
    assert listed(filters=[{"name": "JOB_NAME", "values": [name]}]) == [first]
    created = service.job(first)["createdAt"]
    assert first in listed(filters=[{"name": "BEFORE_CREATED_AT", "values": [str(created + 1)]}])
    assert first not in listed(filters=[{"name": "AFTER_CREATED_AT", "values": [str(created)]}])
    assert first in listed(filters=[{"name": "JOB_DEFINITION", "values": ["shell"]}])
    with pytest.raises(ClientError, match="Exactly one of jobQueue, arrayJobId and multiNodeJobId"):
        service.batch.list_jobs(jobStatus="FAILED")


def test_list_jobs_pages(service: Service) -> None:
    """Pages join without gap or repetition; a made-up token is refused."""
    name = f"paged-{time.time_ns()}"
    ids = [service.submit(name=name) for _ in range(5)]
    pages = service.batch.get_paginator("list_jobs").paginate(
        jobQueue="normal", filters=[{"name": "JOB_NAME", "values": [name]}], PaginationConfig={"PageSize": 2}
    )
    assert sorted(row["jobId"] for page in pages for row in page["jobSummaryList"]) == sorted(ids)
    with pytest.raises(ClientError, match="nextToken: is one that an earlier page gave"):
        service.batch.list_jobs(jobQueue="normal", jobStatus="FAILED", nextToken="made up")


def test_everything_with_an_arn_can_be_tagged(service: Service) -> None:
    """Tags of the submission are there, others come and go; AWS's prefix is refused."""
    job_id = service.submit(tags={"run": "1"})
    arn = service.job(job_id)["jobArn"]
    service.call("TagResource", "tag_resource", resourceArn=arn, tags={"colour": "blue"})
    service.call("UntagResource", "untag_resource", resourceArn=arn, tagKeys=["run"])
    assert service.call("ListTagsForResource", "list_tags_for_resource", resourceArn=arn)["tags"] == {"colour": "blue"}
    assert service.job(job_id)["tags"] == {"colour": "blue"}
    with pytest.raises(ClientError, match="do not begin with aws:"):
        service.batch.tag_resource(resourceArn=arn, tags={"aws:mine": "x"})
    queue = service.batch.describe_job_queues(jobQueues=["high"])["jobQueues"][0]["jobQueueArn"]
    service.call("TagResource", "tag_resource", resourceArn=queue, tags={"team": "a"})
    assert service.batch.describe_job_queues(jobQueues=["high"])["jobQueues"][0]["tags"] == {"team": "a"}


def test_operations_that_are_not_played_are_refused_by_name(service: Service) -> None:
    """Silence would be taken for success."""
    with pytest.raises(ClientError, match="ListServiceJobs: is not played by the local cloud"):
        service.batch.list_service_jobs(jobQueue="normal")


def test_scheduling_policies_are_kept_and_changed(service: Service) -> None:
    """A queue is made with one or never has one."""
    policy = {"shareDistribution": [{"shareIdentifier": "a", "weightFactor": 0.5}]}
    request = {"name": "kept", "fairsharePolicy": policy}
    arn = service.call("CreateSchedulingPolicy", "create_scheduling_policy", **request)["arn"]
    service.call(
        "UpdateSchedulingPolicy",
        "update_scheduling_policy",
        arn=arn,
        fairsharePolicy={**policy, "computeReservation": 5},
    )
    (described,) = service.call("DescribeSchedulingPolicies", "describe_scheduling_policies", arns=[arn])[
        "schedulingPolicies"
    ]
    assert described["fairsharePolicy"]["shareDistribution"] == policy["shareDistribution"]
    assert described["fairsharePolicy"]["computeReservation"] == 5
    with pytest.raises(ClientError, match="was created without a scheduling policy"):
        service.batch.update_job_queue(jobQueue="normal", schedulingPolicyArn=arn)
    service.call("DeleteSchedulingPolicy", "delete_scheduling_policy", arn=arn)
    assert service.call("ListSchedulingPolicies", "list_scheduling_policies")["schedulingPolicies"] == []
