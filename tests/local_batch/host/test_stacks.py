"""Stacks on the local cloud: Batch's types, and the EC2 types that MiniStack lacks."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.local_batch.host.conftest import Client
from tests.local_batch.host.stack_client import StackClient

FARGATE: dict[str, Any] = {
    "Type": "AWS::Batch::ComputeEnvironment",
    "Properties": {
        "Type": "managed",
        "ReplaceComputeEnvironment": False,
        "UpdatePolicy": {},
        "State": "ENABLED",
        "ComputeResources": {
            "Type": "FARGATE",
            "MaxvCpus": 4,
            "Subnets": ["subnet-0123456789abcdef0"],
            "SecurityGroupIds": ["sg-0123456789abcdef0"],
        },
    },
}
QUEUE: dict[str, Any] = {
    "Type": "AWS::Batch::JobQueue",
    "Properties": {
        "Priority": 1,
        "State": "ENABLED",
        "ComputeEnvironmentOrder": [
            {"Order": 1, "ComputeEnvironment": {"Fn::GetAtt": ["Environment", "ComputeEnvironmentArn"]}}
        ],
    },
}
DEFINITION: dict[str, Any] = {
    "Type": "AWS::Batch::JobDefinition",
    "Properties": {
        "Type": "container",
        "PlatformCapabilities": ["FARGATE"],
        "Parameters": {"InputKey": "x"},
        "RetryStrategy": {},
        "Timeout": {},
        "ContainerProperties": {
            "Image": "i:1",
            "Command": ["Ref::InputKey"],
            "ExecutionRoleArn": "arn:aws:iam::123456789012:role/r",
            "FargatePlatformConfiguration": {},
            "ResourceRequirements": [{"Type": "MEMORY", "Value": "2048"}, {"Type": "VCPU", "Value": "1"}],
        },
    },
}
POLICY: dict[str, Any] = {
    "Type": "AWS::Batch::SchedulingPolicy",
    "Properties": {"FairsharePolicy": {"ShareDecaySeconds": 60, "ComputeReservation": 10}},
}


def resource(base: dict[str, Any], **properties: Any) -> dict[str, Any]:
    """The resource with other properties."""
    return {**base, "Properties": {**base["Properties"], **properties}}


@pytest.fixture
def stack(client: Client) -> Any:
    """A stack of the test's own, deleted at its end."""
    made = StackClient(client("cloudformation"), f"s-{uuid.uuid4().hex[:8]}")
    yield made
    if made.status() is not None:
        made.delete()


def test_batch_types_are_made_updated_and_deleted(stack: StackClient, client: Client) -> None:
    """Ref and the ARN attribute of each; updates in place; nothing left behind."""
    batch = client("batch")
    outputs = {
        "Environment": {"Fn::GetAtt": ["Environment", "ComputeEnvironmentArn"]},
        "Queue": {"Fn::GetAtt": ["Queue", "JobQueueArn"]},
        "Definition": {"Ref": "Definition"},
        "Policy": {"Fn::GetAtt": ["Policy", "Arn"]},
    }
    resources = {"Environment": FARGATE, "Queue": QUEUE, "Definition": DEFINITION, "Policy": POLICY}
    assert stack.deploy(resources, outputs) == "CREATE_COMPLETE", stack.reasons()
    made = stack.outputs()
    assert made == stack.physical_ids()
    (environment,) = batch.describe_compute_environments(computeEnvironments=[made["Environment"]])[
        "computeEnvironments"
    ]
    assert (environment["status"], environment["computeResources"]["maxvCpus"]) == ("VALID", 4)
    assert environment["computeEnvironmentName"].startswith(f"{stack.name}-Environment-")

    larger = resource(FARGATE, ComputeResources={**FARGATE["Properties"]["ComputeResources"], "MaxvCpus": 8})
    slower = resource(DEFINITION, Timeout={"AttemptDurationSeconds": 900})
    changed = {
        **resources,
        "Environment": larger,
        "Queue": resource(QUEUE, Priority=7),
        "Definition": slower,
        "Policy": resource(POLICY, FairsharePolicy={"ShareDecaySeconds": 90}),
    }
    assert stack.deploy(changed, outputs) == "UPDATE_COMPLETE", stack.reasons()
    updated = stack.outputs()
    assert {key: updated[key] for key in ("Environment", "Queue", "Policy")} == {
        key: made[key] for key in ("Environment", "Queue", "Policy")
    }
    assert updated["Definition"] == made["Definition"].removesuffix(":1") + ":2"
    (environment,) = batch.describe_compute_environments(computeEnvironments=[made["Environment"]])[
        "computeEnvironments"
    ]
    assert environment["computeResources"]["maxvCpus"] == 8
    assert batch.describe_job_queues(jobQueues=[made["Queue"]])["jobQueues"][0]["priority"] == 7
    revisions = batch.describe_job_definitions(jobDefinitions=[made["Definition"], updated["Definition"]])
    assert {one["revision"]: one["status"] for one in revisions["jobDefinitions"]} == {1: "INACTIVE", 2: "ACTIVE"}

    assert stack.delete() == "DELETE_COMPLETE"
    assert not batch.describe_job_queues(jobQueues=[made["Queue"]])["jobQueues"]
    assert not batch.describe_compute_environments(computeEnvironments=[made["Environment"]])["computeEnvironments"]
    assert not batch.describe_scheduling_policies(arns=[made["Policy"]])["schedulingPolicies"]
    (last,) = batch.describe_job_definitions(jobDefinitions=[updated["Definition"]])["jobDefinitions"]
    assert last["status"] == "INACTIVE"


def test_replaced_environment_takes_the_queue_with_it(stack: StackClient, client: Client) -> None:
    """New one first, then the queue moves over, then the old one goes: nothing is in the way of anything."""
    replaceable = resource(FARGATE, ReplaceComputeEnvironment=True)
    assert stack.deploy({"Environment": replaceable, "Queue": QUEUE}) == "CREATE_COMPLETE", stack.reasons()
    before = stack.physical_ids()
    resources = {**FARGATE["Properties"]["ComputeResources"], "SecurityGroupIds": ["sg-0fedcba9876543210"]}
    moved = resource(replaceable, ComputeResources=resources)
    assert stack.deploy({"Environment": moved, "Queue": QUEUE}) == "UPDATE_COMPLETE", stack.reasons()
    after = stack.physical_ids()
    assert after["Queue"] == before["Queue"]
    assert after["Environment"] != before["Environment"]
    batch = client("batch")
    (queue,) = batch.describe_job_queues(jobQueues=[after["Queue"]])["jobQueues"]
    assert [order["computeEnvironment"] for order in queue["computeEnvironmentOrder"]] == [after["Environment"]]
    old = batch.describe_compute_environments(computeEnvironments=[before["Environment"]])["computeEnvironments"]
    assert old == []


def test_named_resource_is_not_replaced(stack: StackClient) -> None:
    """In CloudFormation's words, which say what to do."""
    named = resource(FARGATE, ComputeEnvironmentName=f"{stack.name}-named", Tags={"a": "b"})
    assert stack.deploy({"Environment": named}) == "CREATE_COMPLETE", stack.reasons()
    assert stack.deploy({"Environment": resource(named, Tags={"a": "c"})}) == "UPDATE_ROLLBACK_COMPLETE"
    assert "cannot update a stack when a custom-named resource requires replacing" in stack.reasons()


def test_refusal_by_batch_fails_the_stack_with_its_text(stack: StackClient, client: Client) -> None:
    """And what was made before it is taken back."""
    assert stack.deploy({"Environment": FARGATE, "Queue": resource(QUEUE, Priority=-1)}) == "ROLLBACK_COMPLETE"
    assert "Resource handler returned message" in stack.reasons()
    assert "riority" in stack.reasons()
    listed = client("batch").describe_compute_environments()["computeEnvironments"]
    assert not [one for one in listed if one["computeEnvironmentName"].startswith(stack.name)]


def test_property_that_no_type_has_fails_the_stack(stack: StackClient) -> None:
    """Ignoring it would deploy something else than the template says."""
    assert stack.deploy({"Environment": resource(FARGATE, Flavour="large")}) == "ROLLBACK_COMPLETE"
    assert "extraneous key [Flavour]" in stack.reasons()


def test_failed_update_leaves_the_old_revision_active(stack: StackClient, client: Client) -> None:
    """A job definition's old revision is deregistered only when the whole update has worked."""
    assert stack.deploy({"Environment": FARGATE, "Definition": DEFINITION}) == "CREATE_COMPLETE", stack.reasons()
    before = stack.physical_ids()["Definition"]
    changed = resource(DEFINITION, Timeout={"AttemptDurationSeconds": 61})
    broken = {**resource(QUEUE, Priority=-1), "DependsOn": "Definition"}
    resources = {"Environment": FARGATE, "Definition": changed, "Queue": broken}
    assert stack.deploy(resources) == "UPDATE_ROLLBACK_COMPLETE"
    assert stack.physical_ids()["Definition"] == before
    name = before.rpartition("/")[2].rpartition(":")[0]
    active = client("batch").describe_job_definitions(jobDefinitionName=name, status="ACTIVE")["jobDefinitions"]
    assert [one["jobDefinitionArn"] for one in active] == [before]


def network() -> dict[str, Any]:
    """A VPC with all that MiniStack's CloudFormation lacks."""
    vpc, group, acl = {"Ref": "Vpc"}, {"Fn::GetAtt": ["Group", "GroupId"]}, {"Ref": "Acl"}
    return {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.7.0.0/16"}},
        "Subnet": {"Type": "AWS::EC2::Subnet", "Properties": {"VpcId": vpc, "CidrBlock": "10.7.0.0/24"}},
        "Address": {"Type": "AWS::EC2::EIP", "Properties": {"Domain": "vpc"}},
        "Nat": {
            "Type": "AWS::EC2::NatGateway",
            "Properties": {
                "SubnetId": {"Ref": "Subnet"},
                "AllocationId": {"Fn::GetAtt": ["Address", "AllocationId"]},
                "Tags": [{"Key": "Name", "Value": "nat"}],
            },
        },
        "FlowLog": {
            "Type": "AWS::EC2::FlowLog",
            "Properties": {
                "ResourceType": "VPC",
                "ResourceId": vpc,
                "TrafficType": "ALL",
                "LogGroupName": "/flow",
                "DeliverLogsPermissionArn": "arn:aws:iam::123456789012:role/r",
            },
        },
        "Group": {"Type": "AWS::EC2::SecurityGroup", "Properties": {"VpcId": vpc, "GroupDescription": "g"}},
        "Ingress": {
            "Type": "AWS::EC2::SecurityGroupIngress",
            "Properties": {"GroupId": group, "IpProtocol": "-1", "SourceSecurityGroupId": group},
        },
        "Egress": {
            "Type": "AWS::EC2::SecurityGroupEgress",
            "Properties": {
                "GroupId": group,
                "IpProtocol": "tcp",
                "FromPort": 22,
                "ToPort": 22,
                "CidrIp": "10.7.0.0/16",
            },
        },
        "Acl": {"Type": "AWS::EC2::NetworkAcl", "Properties": {"VpcId": vpc}},
        "AclEntry": {
            "Type": "AWS::EC2::NetworkAclEntry",
            "Properties": {
                "NetworkAclId": acl,
                "RuleNumber": 7,
                "Protocol": 6,
                "RuleAction": "deny",
                "CidrBlock": "10.7.0.0/16",
                "Egress": True,
            },
        },
        "AclAssociation": {
            "Type": "AWS::EC2::SubnetNetworkAclAssociation",
            "Properties": {"NetworkAclId": acl, "SubnetId": {"Ref": "Subnet"}},
        },
        "Placement": {"Type": "AWS::EC2::PlacementGroup", "Properties": {"Strategy": "cluster"}},
    }


def test_network_types_are_records_that_describe_shows(stack: StackClient, client: Client) -> None:
    """A stack can hold them, EC2's API shows them, and the VPC's CIDR block is an attribute."""
    ec2 = client("ec2")
    outputs = {
        "Cidr": {"Fn::GetAtt": ["Vpc", "CidrBlock"]},
        "DefaultGroup": {"Fn::GetAtt": ["Vpc", "DefaultSecurityGroup"]},
        "Address": {"Ref": "Address"},
    }
    assert stack.deploy(network(), outputs) == "CREATE_COMPLETE", stack.reasons()
    made = stack.outputs()
    ids = stack.physical_ids()
    assert made["Cidr"] == "10.7.0.0/16"
    assert made["DefaultGroup"].startswith("sg-")
    (address,) = ec2.describe_addresses(PublicIps=[made["Address"]])["Addresses"]
    assert address["AllocationId"].startswith("eipalloc-")
    (nat,) = ec2.describe_nat_gateways(NatGatewayIds=[ids["Nat"]])["NatGateways"]
    assert {tag["Key"]: tag["Value"] for tag in nat["Tags"]}["Name"] == "nat"
    (flow_log,) = ec2.describe_flow_logs(FlowLogIds=[ids["FlowLog"]])["FlowLogs"]
    assert flow_log["ResourceId"] == ids["Vpc"]
    (group,) = ec2.describe_security_groups(GroupIds=[ids["Group"]])["SecurityGroups"]
    assert [pair["GroupId"] for rule in group["IpPermissions"] for pair in rule["UserIdGroupPairs"]] == [ids["Group"]]
    assert 22 in [rule.get("FromPort") for rule in group["IpPermissionsEgress"]]
    (acl,) = ec2.describe_network_acls(NetworkAclIds=[ids["Acl"]])["NetworkAcls"]
    assert [(entry["RuleNumber"], entry["RuleAction"], entry["Egress"]) for entry in acl["Entries"]] == [
        (7, "deny", True)
    ]
    assert [association["SubnetId"] for association in acl["Associations"]] == [ids["Subnet"]]
    assert ec2.describe_placement_groups(GroupNames=[ids["Placement"]])["PlacementGroups"][0]["Strategy"] == "cluster"

    assert stack.delete() == "DELETE_COMPLETE"
    assert not ec2.describe_flow_logs(FlowLogIds=[ids["FlowLog"]])["FlowLogs"]
    assert not [one for one in ec2.describe_addresses()["Addresses"] if one["PublicIp"] == made["Address"]]
    assert not [
        one for one in ec2.describe_placement_groups()["PlacementGroups"] if one["GroupName"] == ids["Placement"]
    ]


def test_changed_rule_takes_the_place_of_the_old_one(stack: StackClient, client: Client) -> None:
    """A port that is no longer in the template is no longer open."""
    resources = network()
    assert stack.deploy(resources) == "CREATE_COMPLETE", stack.reasons()
    resources["Egress"]["Properties"].update(FromPort=443, ToPort=443)
    assert stack.deploy(resources) == "UPDATE_COMPLETE", stack.reasons()
    (group,) = client("ec2").describe_security_groups(GroupIds=[stack.physical_ids()["Group"]])["SecurityGroups"]
    ports = [rule.get("FromPort") for rule in group["IpPermissionsEgress"]]
    assert 443 in ports
    assert 22 not in ports


def test_rule_of_an_unknown_group_fails_the_stack(stack: StackClient) -> None:
    """With EC2's text."""
    rule = {"GroupId": "sg-00000000", "IpProtocol": "-1", "CidrIp": "10.0.0.0/8"}
    resources = {"Rule": {"Type": "AWS::EC2::SecurityGroupIngress", "Properties": rule}}
    assert stack.deploy(resources) == "ROLLBACK_COMPLETE"
    assert "The security group 'sg-00000000' does not exist" in stack.reasons()
