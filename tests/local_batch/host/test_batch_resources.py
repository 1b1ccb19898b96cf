"""AWS::Batch::* resources: which calls a stack's create, update and delete make."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel

from local_batch.host.batch_resources import (
    COMPUTE_ENVIRONMENT,
    JOB_DEFINITION,
    JOB_QUEUE,
    SCHEDULING_POLICY,
    BatchResources,
    BatchType,
    ResourceError,
    generated_name,
    replaces_environment,
)

MODEL = ServiceModel(Loader().load_service_model("batch", "service-2"), "batch")
ARN = "arn:aws:batch:us-east-1:123456789012:"


class FakeApi:
    """Remembers calls, gives the answers it was told."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """See BatchCalls."""
        self.calls.append((operation, request))
        answer = self.answers.get(operation, {})
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)


def resources(kind: BatchType, api: FakeApi) -> BatchResources:
    """The handlers of one type."""
    return BatchResources(kind, api, MODEL)


ENVIRONMENT = {
    "Type": "managed",
    "ReplaceComputeEnvironment": False,
    "UpdatePolicy": {},
    "State": "ENABLED",
    "ComputeResources": {"Type": "FARGATE", "MaxvCpus": 32, "Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
}


def test_creation_generates_a_name_and_keeps_cloudformations_own_properties_back() -> None:
    """The form that CDK writes arrives in the form that the API takes."""
    arn = f"{ARN}compute-environment/x"
    api = FakeApi(CreateComputeEnvironment={"computeEnvironmentArn": arn})
    made = resources(COMPUTE_ENVIRONMENT, api).create("Fargate", ENVIRONMENT, "Stack")
    assert made == (arn, {"ComputeEnvironmentArn": arn})
    ((operation, request),) = api.calls
    assert operation == "CreateComputeEnvironment"
    assert request.pop("computeEnvironmentName").startswith("Stack-Fargate-")
    assert request == {
        "type": "MANAGED",
        "state": "ENABLED",
        "computeResources": {
            "type": "FARGATE",
            "maxvCpus": 32,
            "subnets": ["subnet-1"],
            "securityGroupIds": ["sg-1"],
        },
    }


def test_name_of_the_template_is_kept() -> None:
    """What has a name is created under it."""
    api = FakeApi(CreateJobQueue={"jobQueueArn": "a"})
    resources(JOB_QUEUE, api).create("Queue", {"JobQueueName": "mine", "Priority": 1}, "Stack")
    assert api.calls == [("CreateJobQueue", {"jobQueueName": "mine", "priority": 1})]


def test_generated_names_fit_and_differ() -> None:
    """A replacement exists beside what it replaces; a name has 128 characters at most."""
    names = {generated_name("S" * 100, "L" * 100) for _ in range(20)}
    assert len(names) == 20
    assert {len(name) for name in names} == {128}


def test_update_in_place_sends_what_changed() -> None:
    """Nothing that stayed is sent again, nested properties included."""
    new = {**ENVIRONMENT, "ComputeResources": {**ENVIRONMENT["ComputeResources"], "MaxvCpus": 64}}  # type: ignore[dict-item]
    api = FakeApi()
    kept = resources(COMPUTE_ENVIRONMENT, api).update("arn", ENVIRONMENT, new, "Stack", "Fargate")
    assert kept == ("arn", {"ComputeEnvironmentArn": "arn"})
    assert api.calls == [
        ("UpdateComputeEnvironment", {"computeEnvironment": "arn", "computeResources": {"maxvCpus": 64}})
    ]


def test_tags_of_a_queue_change_in_place() -> None:
    """By TagResource and UntagResource; the update itself knows no tags."""
    api = FakeApi()
    old, new = {"Priority": 1, "Tags": {"a": "1", "b": "2"}}, {"Priority": 1, "Tags": {"b": "3", "c": 4}}
    assert resources(JOB_QUEUE, api).update("arn", old, new, "Stack", "Queue")[0] == "arn"
    assert api.calls == [
        ("UntagResource", {"resourceArn": "arn", "tagKeys": ["a"]}),
        ("TagResource", {"resourceArn": "arn", "tags": {"b": "3", "c": "4"}}),
    ]


def test_what_a_template_no_longer_says_goes_back_to_what_it_was() -> None:
    """Time limits are taken away and the queue is enabled, as if it had been made without."""
    api = FakeApi()
    limits = [{"Action": "CANCEL", "MaxTimeSeconds": 600, "Reason": "r", "State": "RUNNABLE"}]
    old = {"Priority": 1, "State": "DISABLED", "JobStateTimeLimitActions": limits}
    resources(JOB_QUEUE, api).update("arn", old, {"Priority": 1}, "Stack", "Queue")
    assert api.calls == [("UpdateJobQueue", {"jobQueue": "arn", "state": "ENABLED", "jobStateTimeLimitActions": []})]


def test_device_permissions_may_be_in_lower_case() -> None:
    """CDK writes them so, for single containers and for nodes; everything else of a node arrives in the API's form."""
    devices = [{"HostPath": "/dev/fuse", "Permissions": ["read", "mknod"]}]
    container = {"Image": "i", "LinuxParameters": {"Devices": devices}, "Secrets": [{"Name": "A", "ValueFrom": "a"}]}
    nodes = {"MainNode": 0, "NumNodes": "2", "NodeRangeProperties": [{"TargetNodes": "0:1", "Container": container}]}
    api = FakeApi(RegisterJobDefinition={"jobDefinitionArn": f"{ARN}job-definition/name:1"})
    resources(JOB_DEFINITION, api).create(
        "Job", {"Type": "multinode", "RetryStrategy": {}, "NodeProperties": nodes}, "Stack"
    )
    ((_, request),) = api.calls
    assert request["nodeProperties"] == {
        "mainNode": 0,
        "numNodes": 2,
        "nodeRangeProperties": [
            {
                "targetNodes": "0:1",
                "container": {
                    "image": "i",
                    "linuxParameters": {"devices": [{"hostPath": "/dev/fuse", "permissions": ["READ", "MKNOD"]}]},
                    "secrets": [{"name": "A", "valueFrom": "a"}],
                },
            }
        ],
    }


def test_update_of_what_only_cloudformation_knows_calls_nothing() -> None:
    """ReplaceComputeEnvironment is about later updates."""
    api = FakeApi()
    resources(COMPUTE_ENVIRONMENT, api).update(
        "arn", {**ENVIRONMENT, "ReplaceComputeEnvironment": True}, ENVIRONMENT, "Stack", "Fargate"
    )
    assert api.calls == []


def test_environment_that_may_be_replaced_is() -> None:
    """CloudFormation's default: other instance types make another environment."""
    old = {"Type": "MANAGED", "ComputeResources": {"Type": "EC2", "MaxvCpus": 8, "InstanceTypes": ["m6i"]}}
    new = {"Type": "MANAGED", "ComputeResources": {"Type": "EC2", "MaxvCpus": 8, "InstanceTypes": ["c6i"]}}
    api = FakeApi(CreateComputeEnvironment={"computeEnvironmentArn": "another"})
    assert resources(COMPUTE_ENVIRONMENT, api).update("arn", old, new, "Stack", "Ec2")[0] == "another"
    assert [operation for operation, _ in api.calls] == ["CreateComputeEnvironment"]


@pytest.mark.parametrize(
    ("changed", "may_replace", "replaced"),
    [
        ({"MaxvCpus": 64}, True, False),
        ({"InstanceTypes": ["c6i"]}, True, True),
        ({"InstanceTypes": ["c6i"]}, "true", True),
        ({"InstanceTypes": ["c6i"]}, False, False),
        ({"SpotIamFleetRole": "arn:x"}, False, True),
    ],
)
def test_what_replaces_an_environment(changed: dict[str, Any], may_replace: bool | str, replaced: bool) -> None:
    """The schema's create-only properties, and those that are so unless the template says otherwise."""
    new = {"ComputeResources": changed, "ReplaceComputeEnvironment": may_replace}
    assert replaces_environment({"ComputeResources": {}}, new) is replaced


def test_changed_job_definition_is_a_new_revision_of_the_same_name() -> None:
    """Ref becomes the new revision; the stack deregisters the old one when all else has worked."""
    api = FakeApi(RegisterJobDefinition={"jobDefinitionArn": f"{ARN}job-definition/name:4"})
    made = resources(JOB_DEFINITION, api).update(
        f"{ARN}job-definition/name:3", {"Type": "container"}, {"Type": "container", "Timeout": {}}, "Stack", "Job"
    )
    assert made[0] == f"{ARN}job-definition/name:4"
    assert api.calls == [("RegisterJobDefinition", {"jobDefinitionName": "name", "type": "container", "timeout": {}})]


def active(*revisions: int) -> dict[str, Any]:
    """DescribeJobDefinitions' answer."""
    return {"jobDefinitions": [{"jobDefinitionArn": f"{ARN}job-definition/name:{number}"} for number in revisions]}


@pytest.mark.parametrize(
    ("properties", "revisions", "deregistered"),
    [
        ({}, (3, 4), True),
        ({}, (4,), False),
        ({"ResourceRetentionPolicy": {"SkipDeregisterOnUpdate": True}}, (3, 4), False),
        ({"ResourceRetentionPolicy": {"SkipDeregisterOnUpdate": True}}, (2, 3), True),
    ],
)
def test_deregistration(properties: dict[str, Any], revisions: tuple[int, ...], deregistered: bool) -> None:
    """Once; and not on an update where the template asks to keep old revisions."""
    api = FakeApi(DescribeJobDefinitions=active(*revisions))
    resources(JOB_DEFINITION, api).delete(f"{ARN}job-definition/name:3", properties)
    calls = [operation for operation, _ in api.calls if operation == "DeregisterJobDefinition"]
    assert bool(calls) is deregistered


def test_queue_is_disabled_before_it_is_deleted() -> None:
    """The API deletes only what is disabled."""
    api = FakeApi(DescribeJobQueues={"jobQueues": [{}]})
    resources(JOB_QUEUE, api).delete("arn", {})
    assert api.calls[1:] == [
        ("UpdateJobQueue", {"jobQueue": "arn", "state": "DISABLED"}),
        ("DeleteJobQueue", {"jobQueue": "arn"}),
    ]


@pytest.mark.parametrize("kind", [COMPUTE_ENVIRONMENT, JOB_QUEUE, JOB_DEFINITION, SCHEDULING_POLICY])
def test_deleting_what_is_gone_is_no_error(kind: BatchType) -> None:
    """Somebody deleted it by hand: the stack's deletion goes on."""
    nothing: dict[str, list[str]] = {
        "computeEnvironments": [],
        "jobQueues": [],
        "jobDefinitions": [],
        "schedulingPolicies": [],
    }
    describe = ("ComputeEnvironments", "JobQueues", "JobDefinitions", "SchedulingPolicies")
    api = FakeApi(**{f"Describe{noun}": nothing for noun in describe})
    resources(kind, api).delete(f"{ARN}job-definition/name:3", {})
    assert len(api.calls) == 1


def test_the_apis_refusal_is_the_stacks_reason() -> None:
    """The text that the user needs is the API's."""
    api = FakeApi(CreateJobQueue=RuntimeError("Object already exists"))
    with pytest.raises(ResourceError, match=r'message: "Object already exists" .*CreateJobQueue'):
        resources(JOB_QUEUE, api).create("Queue", {"Priority": 1}, "Stack")
