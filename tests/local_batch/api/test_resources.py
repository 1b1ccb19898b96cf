"""Compute environments and job queues: made, changed, deleted, described, refused."""

from __future__ import annotations

from typing import Any

import pytest

from local_batch.api.errors import ApiError
from tests.local_batch.api.front import ARN, Front, ec2, fargate


def environment(front: Front, name: str) -> dict[str, Any]:
    """DescribeComputeEnvironments of one."""
    (found,) = front.call("DescribeComputeEnvironments", computeEnvironments=[name])["computeEnvironments"]
    return dict(found)


def order(*names: str) -> list[dict[str, Any]]:
    """computeEnvironmentOrder."""
    return [{"order": number, "computeEnvironment": name} for number, name in enumerate(names, 1)]


def overridden(count: int) -> dict[str, Any]:
    """A launch template with so many overrides."""
    overrides = [{"launchTemplateId": f"lt-{number}", "targetInstanceTypes": ["m6i"]} for number in range(count)]
    return {"launchTemplateId": "lt", "overrides": overrides}


def images(*types: str) -> list[dict[str, str]]:
    """ec2Configuration: Batch's own images."""
    return [{"imageType": name} for name in types]


def test_an_environment_is_valid_at_once_and_described_in_full(front: Front) -> None:
    """With the service-linked role, which nobody gave, and the cluster that its tasks' ARNs name."""
    shown = environment(front, "fargate")
    cluster = shown.pop("ecsClusterArn")
    assert cluster.startswith("arn:aws:ecs:here-1:123456789012:cluster/AWSBatch-fargate-")
    assert len(shown.pop("uuid")) == 36
    assert shown == {
        "computeEnvironmentName": "fargate",
        "computeEnvironmentArn": f"{ARN}compute-environment/fargate",
        "state": "ENABLED",
        "status": "VALID",
        "statusReason": "ComputeEnvironment Healthy",
        "type": "MANAGED",
        "containerOrchestrationType": "ECS",
        "serviceRole": ("arn:aws:iam::123456789012:role/aws-service-role/batch.amazonaws.com/AWSServiceRoleForBatch"),
        "computeResources": {
            "type": "FARGATE",
            "maxvCpus": 4,
            "subnets": ["subnet-1"],
            "securityGroupIds": ["sg-1"],
        },
        "tags": {},
    }


def test_an_ec2_environment_may_launch_what_its_types_stand_for(front: Front) -> None:
    """Types are resolved when it is made and when they change; `optimal` where none are given."""
    made = front.dispatcher.engine.environments[f"{ARN}compute-environment/machines"]
    assert [size.name for size in made.instance_sizes] == ["m6i.large"]
    front.call(
        "UpdateComputeEnvironment", computeEnvironment="machines", computeResources={"instanceTypes": ["optimal"]}
    )
    made = front.dispatcher.engine.environments[f"{ARN}compute-environment/machines"]
    assert [size.name for size in made.instance_sizes] == ["c6i.xlarge"]
    bare = ec2("bare")
    del bare["computeResources"]["instanceTypes"]
    front.call("CreateComputeEnvironment", **bare)
    assert environment(front, "bare")["computeResources"]["instanceTypes"] == ["optimal"]
    assert environment(front, "bare")["computeResources"]["desiredvCpus"] == 0


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        ({**fargate("x"), "type": "UNMANAGED"}, 'type: is not played by the local cloud .*, got "UNMANAGED"'),
        ({**fargate("x"), "state": "DISABLED"}, "Compute Environment must be created in ENABLED state."),
        (fargate("fargate"), "Object already exists: .*compute-environment/fargate"),
        (fargate("a b"), r"Provided name a b is not supported pattern\[a-zA-Z_0-9-\]\{1,128\}"),
        (fargate("x" * 129), "is not supported pattern"),
        ({**fargate("x"), "computeResources": None}, "computeResources must be provided"),
        ({**fargate("x"), "eksConfiguration": {"eksClusterArn": "a", "kubernetesNamespace": "b"}}, "eksConfiguration:"),
        (fargate("x", securityGroupIds=[]), "Security group ids are required."),
        (fargate("x", subnets=[]), "Subnets are required."),
        (fargate("x", maxvCpus=0), "maxvCpus must be at least 1, got 0"),
        (fargate("x", desiredvCpus=1), "desiredvCpus is not applicable for Fargate."),
        (fargate("x", tags={"a": "b"}), "tags is not applicable for Fargate."),
        (fargate("x", allocationStrategy="BEST_FIT"), "allocationStrategy is not applicable for Fargate."),
        (fargate("x", securityGroupIds=["g"] * 6), "Fargate supports a maximum of 5 security groups."),
        (fargate("x", subnets=["s"] * 17), "Fargate supports a maximum of 16 subnets."),
        (fargate("x", type="ECS_MANAGED_INSTANCES"), "computeResources.type: is not played by the local cloud"),
        (ec2("x", instanceRole=""), "Instance role is required."),
        (ec2("x", securityGroupIds=[]), "Security group ids are required."),
        (ec2("x", type="SPOT", allocationStrategy="BEST_FIT"), "compute resource spotIamFleetRole is required."),
        (ec2("x", allocationStrategy="SPOT_CAPACITY_OPTIMIZED"), "SPOT_CAPACITY_OPTIMIZED is not applicable for EC2"),
        (ec2("x", instanceTypes=["m6i.large", "m6g.large"]), "must share the same architecture, got arm64 and x86_64"),
        (ec2("x", instanceTypes=["z9.huge"]), "instanceTypes: no such type, got 'z9.huge'"),
        (ec2("x", minvCpus=9), "minvCpus, desiredvCpus and maxvCpus must not decrease, got 9, 9 and 8"),
        (ec2("x", launchTemplate=overridden(11)), "A launch template can have at most 10 overrides, got 11."),
        (ec2("x", ec2Configuration=images("ECS_AL2023") * 3), "ec2Configuration can have 1 or 2 values, got 3."),
        (ec2("x", scalingPolicy={"minScaleDownDelayMinutes": 19}), "must be 0 or between 20 and 10080, got 19."),
        (ec2("x", scalingPolicy={"minScaleDownDelayMinutes": 10_081}), "must be 0 or between 20 and 10080, got 10081."),
        (ec2("x", scalingPolicy={"minScaleDownDelayMinutes": -1}), "must be 0 or between 20 and 10080, got -1."),
        (ec2("x", ec2Configuration=images("ECS_AL2")), "can't use the Amazon Linux 2 AMIs .* got imageType ECS_AL2."),
        (ec2("x", ec2Configuration=images("ECS_AL2023", "ECS_AL2_NVIDIA")), "got imageType ECS_AL2_NVIDIA."),
        ({**fargate("x"), "tags": {"aws:a": "b"}}, "do not begin with aws:"),
    ],
)
def test_environments_that_aws_would_refuse_are_refused(front: Front, request_: dict[str, Any], text: str) -> None:
    """In its words where they are known; what we do not play by name; nothing is half made."""
    before = front.call("DescribeComputeEnvironments")
    with pytest.raises(ApiError, match=text):
        front.call("CreateComputeEnvironment", **request_)
    assert front.call("DescribeComputeEnvironments") == before


@pytest.mark.parametrize(
    "more",
    [
        {"launchTemplate": overridden(10)},
        {"ec2Configuration": images("ECS_AL2023", "ECS_AL2023_NVIDIA")},
        {"ec2Configuration": [{"imageType": "ECS_AL2", "imageIdOverride": "ami-1"}]},
        {"ec2Configuration": images("ECS_AL2"), "imageId": "ami-1"},
        *({"scalingPolicy": {"minScaleDownDelayMinutes": minutes}} for minutes in (0, 20, 10_080)),
    ],
)
def test_environments_at_the_bounds_are_taken(front: Front, more: dict[str, Any]) -> None:
    """And shown so; an image of one's own may be of Amazon Linux 2."""
    front.call("CreateComputeEnvironment", **ec2("x", **more))
    shown = environment(front, "x")["computeResources"]
    assert {name: shown[name] for name in more} == more


PROVIDER = {
    "infrastructureRoleArn": "r",
    "instanceLaunchTemplate": {
        "ec2InstanceProfileArn": "p",
        "networkConfiguration": {"subnets": ["s"], "securityGroups": ["g"]},
    },
}


@pytest.mark.parametrize(
    ("member", "change"),
    [
        ("unmanagedvCpus", {"unmanagedvCpus": 8}),
        ("context", {"context": "c"}),
        ("eksConfiguration", {"eksConfiguration": {"accessEntry": {"desiredState": "ENABLED"}}}),
        ("capacityTags", {"computeResources": {"capacityTags": {"a": "b"}}}),
        ("managedInstancesProvider", {"computeResources": {"managedInstancesProvider": PROVIDER}}),
    ],
)
def test_what_is_not_played_of_environments_is_refused_by_name(
    front: Front, member: str, change: dict[str, Any]
) -> None:
    """A change is no other way in."""
    before = environment(front, "fargate")
    with pytest.raises(ApiError, match=f"{member}: is not played by the local cloud"):
        front.call("UpdateComputeEnvironment", computeEnvironment="fargate", **change)
    assert environment(front, "fargate") == before


def test_settings_of_the_cluster_are_kept_and_shown(front: Front) -> None:
    """They change no job, and no metric is taken."""
    assert "ecsSettings" not in environment(front, "fargate")
    front.call(
        "UpdateComputeEnvironment",
        computeEnvironment="fargate",
        ecsSettings={"containerInsights": "ENABLED"},
    )
    assert environment(front, "fargate")["ecsSettings"] == {"containerInsights": "ENABLED"}


def test_an_environment_is_updated_in_place(front: Front) -> None:
    """What is not named stays."""
    front.call(
        "UpdateComputeEnvironment",
        computeEnvironment=f"{ARN}compute-environment/fargate",
        state="DISABLED",
        computeResources={"maxvCpus": 16},
        updatePolicy={"terminateJobsOnUpdate": False, "jobExecutionTimeoutMinutes": 30},
    )
    shown = environment(front, "fargate")
    assert (shown["state"], shown["computeResources"]["maxvCpus"]) == ("DISABLED", 16)
    assert shown["computeResources"]["subnets"] == ["subnet-1"]
    assert shown["updatePolicy"] == {"terminateJobsOnUpdate": False, "jobExecutionTimeoutMinutes": 30}
    with pytest.raises(ApiError, match="nothing does not exist"):
        front.call("UpdateComputeEnvironment", computeEnvironment="nothing")
    with pytest.raises(ApiError, match="type cannot change from FARGATE to EC2"):
        front.call(
            "UpdateComputeEnvironment",
            computeEnvironment="fargate",
            computeResources={"type": "EC2", "instanceRole": "r", "instanceTypes": ["m6i.large"]},
        )


def test_desired_vcpus_are_raised_by_hand_but_not_lowered(front: Front) -> None:
    """AWS's own text; a smaller maximum takes them along."""

    def update(**resources: int) -> None:
        front.call("UpdateComputeEnvironment", computeEnvironment="machines", computeResources=resources)

    update(desiredvCpus=6)
    with pytest.raises(ApiError, match="Manually scaling down compute environment is not supported"):
        update(desiredvCpus=5)
    update(maxvCpus=4)
    assert environment(front, "machines")["computeResources"]["desiredvCpus"] == 4


def test_an_order_for_newer_images_is_no_property(front: Front) -> None:
    """DescribeComputeEnvironments has no such member."""
    before = environment(front, "machines")
    resources = {"updateToLatestImageVersion": True}
    front.call("UpdateComputeEnvironment", computeEnvironment="machines", computeResources=resources)
    assert environment(front, "machines") == before


def test_an_environment_is_deleted_when_no_queue_has_it_and_it_is_disabled(front: Front) -> None:
    """In this order of refusals; deleting it again is no error."""
    with pytest.raises(ApiError, match="Cannot delete, found existing JobQueue relationship"):
        front.call("DeleteComputeEnvironment", computeEnvironment="fargate")
    front.call("CreateComputeEnvironment", **fargate("spare"))
    with pytest.raises(ApiError, match="Cannot delete, state must be DISABLED"):
        front.call("DeleteComputeEnvironment", computeEnvironment="spare")
    front.call("UpdateComputeEnvironment", computeEnvironment="spare", state="DISABLED")
    front.call("DeleteComputeEnvironment", computeEnvironment="spare")
    assert front.call("DescribeComputeEnvironments", computeEnvironments=["spare"])["computeEnvironments"] == []
    front.call("DeleteComputeEnvironment", computeEnvironment="spare")


def test_a_region_has_fifty_environments(front: Front) -> None:
    """The quota that cannot be raised."""
    for number in range(48):
        front.call("CreateComputeEnvironment", **fargate(f"n{number}"))
    with pytest.raises(ApiError, match="at most 50 compute environments"):
        front.call("CreateComputeEnvironment", **fargate("one-more"))


def test_lists_of_resources_page(front: Front) -> None:
    """Tokens survive what is added meanwhile; made-up ones and sizes out of bounds are refused."""
    first = front.call("DescribeComputeEnvironments", maxResults=1)
    front.call("CreateComputeEnvironment", **fargate("later"))
    rest = front.call("DescribeComputeEnvironments", nextToken=first["nextToken"])
    names = [item["computeEnvironmentName"] for page in (first, rest) for item in page["computeEnvironments"]]
    assert names == ["fargate", "machines", "later"]
    assert "nextToken" not in rest
    for token in ("made up", "YWZ0ZXI6bm90aGluZw==", "\N{SNOWMAN}"):
        with pytest.raises(ApiError, match="nextToken: is one that an earlier page gave"):
            front.call("DescribeComputeEnvironments", nextToken=token)
    for size in (0, 101):
        with pytest.raises(ApiError, match=f"maxResults: is 1 to 100, got {size}"):
            front.call("DescribeJobQueues", maxResults=size)
    with pytest.raises(ApiError, match="JobQueues and MaxResults cannot both be set"):
        front.call("DescribeJobQueues", jobQueues=["normal"], maxResults=1)
    with pytest.raises(ApiError, match="ComputeEnvironments and MaxResults cannot both be set"):
        front.call("DescribeComputeEnvironments", computeEnvironments=["fargate"], maxResults=1)


@pytest.mark.parametrize(
    ("operation", "names"),
    [
        ("DescribeComputeEnvironments", "computeEnvironments"),
        ("DescribeJobQueues", "jobQueues"),
        ("DescribeJobDefinitions", "jobDefinitions"),
        ("DescribeSchedulingPolicies", "arns"),
    ],
)
def test_a_hundred_names_are_described_at_once(front: Front, operation: str, names: str) -> None:
    """Whether anything has them or not; one more is refused."""
    ((_, found),) = front.call(operation, **{names: ["nobody"] * 100}).items()
    assert found == []
    with pytest.raises(ApiError, match=f"{names} can have at most 100 entries, got 101."):
        front.call(operation, **{names: ["nobody"] * 101})


def test_a_queue_is_described_as_it_was_made(front: Front) -> None:
    """Its environments by ARN, in ascending order whatever the order of the request; nothing that was not given."""
    front.call("CreateComputeEnvironment", **fargate("spare"))
    front.call(
        "CreateJobQueue",
        jobQueueName="two",
        priority=7,
        state="DISABLED",
        computeEnvironmentOrder=[
            {"order": 20, "computeEnvironment": "fargate"},
            {"order": 10, "computeEnvironment": f"{ARN}compute-environment/spare"},
        ],
        tags={"team": "a"},
    )
    (shown,) = front.call("DescribeJobQueues", jobQueues=["two"])["jobQueues"]
    assert shown == {
        "jobQueueName": "two",
        "jobQueueArn": f"{ARN}job-queue/two",
        "state": "DISABLED",
        "status": "VALID",
        "statusReason": "JobQueue Healthy",
        "priority": 7,
        "computeEnvironmentOrder": [
            {"order": 10, "computeEnvironment": f"{ARN}compute-environment/spare"},
            {"order": 20, "computeEnvironment": f"{ARN}compute-environment/fargate"},
        ],
        "tags": {"team": "a"},
        "jobStateTimeLimitActions": [],
    }


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"jobQueueName": "normal"}, "Object already exists: .*job-queue/normal"),
        ({"jobQueueName": "a:b"}, "Job Queue name should match a valid pattern."),
        ({"priority": 1001}, "Job Queue priority must be between 0 and 1000, got 1001"),
        ({"computeEnvironmentOrder": []}, "must name at least one compute environment"),
        (
            {"computeEnvironmentOrder": order("a", "b", "c", "d")},
            "Only 3 environments are allowed in job queue request",
        ),
        ({"computeEnvironmentOrder": order("nowhere")}, "must be created and valid before attaching them"),
        ({"computeEnvironmentOrder": order("fargate", "fargate")}, "Duplicate ComputeEnvironments within order list."),
        ({"computeEnvironmentOrder": order("fargate", "machines")}, "Fargate and EC2 compute environments can not be"),
        (
            {"computeEnvironmentOrder": [*order("fargate"), *order("machines")]},
            "Duplicate ComputeEnvironment order values.",
        ),
        ({"schedulingPolicyArn": "arn:x"}, "SchedulingPolicy arn:x not found."),
        ({"jobQueueType": "ECS"}, "jobQueueType ECS does not fit FARGATE compute environments."),
        (
            {"serviceEnvironmentOrder": [{"order": 1, "serviceEnvironment": "s"}]},
            "serviceEnvironmentOrder: is not played by the local cloud",
        ),
        ({"jobQueueType": "SAGEMAKER_TRAINING"}, "jobQueueType: is not played by the local cloud"),
    ],
)
def test_queues_that_aws_would_refuse_are_refused(front: Front, change: dict[str, Any], text: str) -> None:
    """In its words where they are known; what we do not play by name; nothing is half made."""
    request = {"jobQueueName": "q", "priority": 1, "computeEnvironmentOrder": order("fargate"), **change}
    before = front.call("DescribeJobQueues")
    with pytest.raises(ApiError, match=text):
        front.call("CreateJobQueue", **request)
    assert front.call("DescribeJobQueues") == before


def test_a_region_has_fifty_queues(front: Front) -> None:
    """As many as environments; some are there already."""
    there = len(front.call("DescribeJobQueues")["jobQueues"])
    for number in range(50 - there):
        front.queue(f"n{number}", "fargate")
    with pytest.raises(ApiError, match="at most 50 job queues"):
        front.queue("one-more", "fargate")


def test_jobs_of_a_disabled_queue_go_on(front: Front) -> None:
    """Those that wait are still placed when there is room."""
    whole = {"resourceRequirements": [{"type": "VCPU", "value": "4"}, {"type": "MEMORY", "value": "8192"}]}
    first, second = (front.submit(containerOverrides=whole) for _ in range(2))
    front.call("UpdateJobQueue", jobQueue="normal", state="DISABLED")
    front.start(first)
    assert front.job(second)["status"] == "RUNNABLE"
    front.exit(first)
    assert [front.job(job_id)["status"] for job_id in (first, second)] == ["SUCCEEDED", "STARTING"]


def test_a_queue_is_updated_and_deleted(front: Front) -> None:
    """Only a DISABLED one is deleted; its waiting jobs fail with AWS's words."""
    front.call("UpdateComputeEnvironment", computeEnvironment="fargate", state="DISABLED")
    job_id = front.submit()
    with pytest.raises(ApiError, match="Cannot delete, state must be DISABLED"):
        front.call("DeleteJobQueue", jobQueue="normal")
    front.call("UpdateJobQueue", jobQueue="normal", priority=0, state="DISABLED")
    (shown,) = front.call("DescribeJobQueues", jobQueues=[f"{ARN}job-queue/normal"])["jobQueues"]
    assert (shown["priority"], shown["state"]) == (0, "DISABLED")
    with pytest.raises(ApiError, match="JobQueue normal is not in ENABLED state"):
        front.submit()
    front.call("DeleteJobQueue", jobQueue="normal")
    front.call("DeleteJobQueue", jobQueue="normal")
    assert (front.job(job_id)["status"], front.job(job_id)["statusReason"]) == ("FAILED", "JobQueue deleted")
    with pytest.raises(ApiError, match="normal does not exist"):
        front.call("UpdateJobQueue", jobQueue="normal", priority=1)


def test_what_the_service_fills_in_is_shown(front: Front) -> None:
    """Of EC2: tags, the image type that goes with the instances, a launch template's overrides; Spot is remembered."""
    shown = environment(front, "machines")["computeResources"]
    assert (shown["tags"], shown["ec2Configuration"]) == ({}, [{"imageType": "ECS_AL2023"}])
    front.call("CreateComputeEnvironment", **ec2("gpus", instanceTypes=["g5.xlarge"]))
    assert environment(front, "gpus")["computeResources"]["ec2Configuration"] == [{"imageType": "ECS_AL2023_NVIDIA"}]
    template = {"launchTemplateId": "lt-1"}
    front.call("CreateComputeEnvironment", **ec2("spot", type="SPOT", launchTemplate=template))
    assert environment(front, "spot")["computeResources"]["launchTemplate"] == {**template, "overrides": []}
    front.call("CreateComputeEnvironment", **fargate("spare-fargate", type="FARGATE_SPOT"))
    assert "ec2Configuration" not in environment(front, "spare-fargate")["computeResources"]
    environments = front.dispatcher.engine.environments.values()
    assert [made.name for made in environments if made.is_spot] == ["spot", "spare-fargate"]
