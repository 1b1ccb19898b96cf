"""What requests to Batch need: the actions, resources and keys of the service's authorization reference."""

from __future__ import annotations

from typing import Any

import pytest

from local_batch.host.batch_permissions import Check, Place, checks

PLACE = Place("123456789012", "us-east-1")
ARN = "arn:aws:batch:us-east-1:123456789012:"


def needed(operation: str, **request: Any) -> list[tuple[str, str]]:
    """Actions and resources."""
    return [(check.action, check.resource) for check in checks(operation, request, PLACE)]


def test_a_submission_is_checked_on_queue_and_definition_as_they_are_spelled() -> None:
    """By name without a revision or with one, or by ARN: the policy has to name what the caller names."""
    for spelled, arn in {
        "d": f"{ARN}job-definition/d",
        "d:3": f"{ARN}job-definition/d:3",
        f"{ARN}x": f"{ARN}x",
    }.items():
        assert needed("SubmitJob", jobName="j", jobQueue="q", jobDefinition=spelled) == [
            ("batch:SubmitJob", arn),
            ("batch:SubmitJob", f"{ARN}job-queue/q"),
        ]


def test_a_share_and_tags_are_keys_and_tagging_is_an_action_of_its_own() -> None:
    """On a submission the tags are those of a job that has no id yet."""
    request = {"jobName": "j", "jobQueue": "q", "jobDefinition": "d", "shareIdentifier": "s", "tags": {"a": "b"}}
    submit, _, tag = checks("SubmitJob", request, PLACE)
    assert submit.context == {"batch:ShareIdentifier": "s", "aws:RequestTag/a": "b", "aws:TagKeys": ["a"]}
    assert tag == Check("batch:TagResource", f"{ARN}job/*", {"aws:RequestTag/a": "b", "aws:TagKeys": ["a"]})


def test_a_registration_shows_its_containers_and_passes_its_roles() -> None:
    """One check a container, with the keys that a policy can ask for; each role to ECS's tasks."""
    container = {
        "image": "i:1",
        "privileged": True,
        "user": "nobody",
        "jobRoleArn": "job",
        "executionRoleArn": "execution",
        "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "g", "awslogs-create-group": "true"}},
    }
    nodes = [{"targetNodes": "0:", "container": container}, {"targetNodes": "1:", "container": {"image": "i:2"}}]
    request = {"jobDefinitionName": "d", "type": "multinode", "nodeProperties": {"nodeRangeProperties": nodes}}
    first, second, *passed = checks("RegisterJobDefinition", request, PLACE)
    assert (first.action, first.resource) == ("batch:RegisterJobDefinition", f"{ARN}job-definition/d")
    assert first.context == {
        "batch:Image": "i:1",
        "batch:Privileged": "true",
        "batch:User": "nobody",
        "batch:LogDriver": "awslogs",
        "batch:AWSLogsGroup": "g",
        "batch:AWSLogsCreateGroup": "true",
    }
    assert second.context == {"batch:Image": "i:2", "batch:Privileged": "false"}
    service = {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
    assert passed == [Check("iam:PassRole", "job", service), Check("iam:PassRole", "execution", service)]


@pytest.mark.parametrize(
    ("operation", "request_", "expected"),
    [
        ("DescribeJobs", {"jobs": ["a"]}, [("batch:DescribeJobs", "*")]),
        ("ListJobs", {"jobQueue": "q"}, [("batch:ListJobs", "*")]),
        ("CancelJob", {"jobId": "a", "reason": "r"}, [("batch:CancelJob", f"{ARN}job/a")]),
        ("TerminateJob", {"jobId": "a:1", "reason": "r"}, [("batch:TerminateJob", f"{ARN}job/a:1")]),
        (
            "DeregisterJobDefinition",
            {"jobDefinition": "d:2"},
            [("batch:DeregisterJobDefinition", f"{ARN}job-definition/d:2")],
        ),
        ("GetJobQueueSnapshot", {"jobQueue": "q"}, [("batch:GetJobQueueSnapshot", f"{ARN}job-queue/q")]),
        (
            "DeleteComputeEnvironment",
            {"computeEnvironment": "c"},
            [("batch:DeleteComputeEnvironment", f"{ARN}compute-environment/c")],
        ),
        ("UntagResource", {"resourceArn": f"{ARN}job/a", "tagKeys": ["k"]}, [("batch:UntagResource", f"{ARN}job/a")]),
        ("ListTagsForResource", {"resourceArn": f"{ARN}job/a"}, [("batch:ListTagsForResource", f"{ARN}job/a")]),
        (
            "UpdateSchedulingPolicy",
            {"arn": f"{ARN}scheduling-policy/p"},
            [("batch:UpdateSchedulingPolicy", f"{ARN}scheduling-policy/p")],
        ),
    ],
)
def test_each_operation_is_checked_on_its_resource(
    operation: str, request_: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    """Describe and List calls on everything."""
    assert needed(operation, **request_) == expected


def test_several_jobs_at_once_are_checked_one_by_one() -> None:
    """The bulk calls need what the single ones do, on each job."""
    for operation, action in {"CancelJobs": "batch:CancelJob", "TerminateJobs": "batch:TerminateJob"}.items():
        found = needed(operation, jobs=["a", "b"], reason="r")
        assert found == [(action, f"{ARN}job/a"), (action, f"{ARN}job/b")]


def test_a_queue_needs_its_environments_and_its_policy_as_well() -> None:
    """On creation and on update."""
    order = [{"order": 1, "computeEnvironment": "c"}]
    policy = f"{ARN}scheduling-policy/p"
    assert needed("CreateJobQueue", jobQueueName="q", computeEnvironmentOrder=order, schedulingPolicyArn=policy) == [
        ("batch:CreateJobQueue", f"{ARN}job-queue/q"),
        ("batch:CreateJobQueue", f"{ARN}compute-environment/c"),
        ("batch:CreateJobQueue", policy),
    ]
    assert needed("CreateComputeEnvironment", computeEnvironmentName="c", type="MANAGED", serviceRole="r") == [
        ("batch:CreateComputeEnvironment", f"{ARN}compute-environment/c"),
        ("iam:PassRole", "r"),
    ]
