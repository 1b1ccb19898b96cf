"""One stack of the types that deployments around Batch declare: made, changed and deleted, described each time."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from local_batch.host.state_directory import Endpoint
from tests.local_batch.host.conftest import client_for
from tests.local_batch.host.declared_types import OUTPUTS, PARAMETERS, resource, template
from tests.local_batch.host.stack_client import StackClient

REPLACED = {"OtherService", "Moved", "AccessPoint", "Lustre", "Association", "Mail", "OnFargate", "OnMachines"}
"""What another physical id is to be expected of; of a job definition it is the revision."""


@dataclass
class Deployed:
    """The stack and what it has been."""

    endpoint: Endpoint
    stack: StackClient
    ids: list[dict[str, str]] = field(default_factory=list)
    seen: list[dict[str, Any]] = field(default_factory=list)
    outputs: list[dict[str, str]] = field(default_factory=list)

    def client(self, service: str) -> Any:
        """A boto3 client."""
        return client_for(self.endpoint, service)

    def deploy(self, *, changed: bool) -> None:
        """Deploy and look."""
        resources = template(changed=changed)
        wanted = "UPDATE_COMPLETE" if changed else "CREATE_COMPLETE"
        assert self.stack.deploy(resources, OUTPUTS, PARAMETERS) == wanted, self.stack.reasons()
        self.ids.append(self.stack.physical_ids())
        self.outputs.append(self.stack.outputs())
        self.seen.append(described(self, self.ids[-1]))


@pytest.fixture(scope="module")
def deployed(local_cloud: Endpoint) -> Iterator[Deployed]:
    """Deployed, changed, and deleted at the end."""
    stack = StackClient(client_for(local_cloud, "cloudformation"), f"declared-{uuid.uuid4().hex[:8]}")
    made = Deployed(local_cloud, stack)
    made.deploy(changed=False)
    made.deploy(changed=True)
    yield made
    if stack.status() is not None:
        stack.delete()


def described(deployed: Deployed, ids: dict[str, str]) -> dict[str, Any]:
    """What Describe calls say of a stack's resources, by logical id: what the two templates differ in."""
    ec2, efs, batch = deployed.client("ec2"), deployed.client("efs"), deployed.client("batch")
    endpoints = {one["VpcEndpointId"]: one for one in ec2.describe_vpc_endpoints()["VpcEndpoints"]}
    nat = ec2.describe_nat_gateways(NatGatewayIds=[ids["Nat"]])["NatGateways"][0]
    machine = ec2.describe_instances(InstanceIds=[ids["Machine"]])["Reservations"][0]["Instances"][0]
    policy = deployed.client("iam").get_policy(PolicyArn=ids["Policy"])["Policy"]
    version = deployed.client("iam").get_policy_version(PolicyArn=ids["Policy"], VersionId=policy["DefaultVersionId"])
    target = efs.describe_mount_targets(FileSystemId=ids["Files"])["MountTargets"][0]["MountTargetId"]
    rule = deployed.client("events").describe_rule(Name=ids["Rule"])
    filters = deployed.client("logs").describe_metric_filters(logGroupName=ids["LogGroup"])["metricFilters"]
    policies = deployed.client("logs").describe_resource_policies()["resourcePolicies"]
    alarm = deployed.client("cloudwatch").describe_alarms(AlarmNames=[ids["Alarm"]])["MetricAlarms"][0]
    board = deployed.client("cloudwatch").get_dashboard(DashboardName=ids["Dashboard"])
    budget = deployed.client("budgets").describe_budget(AccountId="123456789012", BudgetName=ids["Budget"])["Budget"]
    spot = batch.describe_compute_environments(computeEnvironments=[ids["Spot"]])["computeEnvironments"][0]
    queue = batch.describe_job_queues(jobQueues=[ids["Queue"]])["jobQueues"][0]
    definition = batch.describe_job_definitions(jobDefinitions=[ids["OnFargate"]])["jobDefinitions"][0]
    called = deployed.client("lambda").invoke(FunctionName=ids["Function"])
    project = deployed.client("codebuild").batch_get_projects(names=[ids["Build"]])["projects"][0]
    return {
        "Address": tags(ec2.describe_addresses(PublicIps=[ids["Address"]])["Addresses"][0]),
        "Nat": tags(nat),
        "Endpoint": (
            [group["GroupId"] for group in endpoints[ids["Endpoint"]]["Groups"]],
            endpoints[ids["Endpoint"]]["PrivateDnsEnabled"],
        ),
        "OtherService": endpoints[ids["OtherService"]]["ServiceName"],
        "Machine": machine,
        "Policy": version["PolicyVersion"]["Document"]["Statement"][0]["Action"],
        "Key": deployed.client("kms").describe_key(KeyId=ids["Key"])["KeyMetadata"]["Description"],
        "MountTarget": efs.describe_mount_target_security_groups(MountTargetId=target)["SecurityGroups"],
        "AccessPoint": efs.describe_access_points(AccessPointId=ids["AccessPoint"])["AccessPoints"][0]["PosixUser"],
        "LogPolicy": next(one["policyDocument"] for one in policies if one["policyName"] == ids["LogPolicy"]),
        "Errors": filters[0]["filterPattern"],
        "Function": json.loads(called["Payload"].read()),
        "Rule": json.loads(rule["EventPattern"])["detail-type"],
        "Schedule": deployed.client("scheduler").get_schedule(Name=ids["Schedule"])["ScheduleExpression"],
        "Alarm": alarm["Threshold"],
        "Dashboard": json.loads(board["DashboardBody"]),
        "Build": project["environment"]["computeType"],
        "Budget": budget["BudgetLimit"]["Amount"],
        "Spot": spot["ecsSettings"],
        "Queue": queue["jobStateTimeLimitActions"][0]["maxTimeSeconds"],
        "OnFargate": definition["containerProperties"]["ephemeralStorage"],
    }


def tags(described_resource: dict[str, Any]) -> dict[str, str]:
    """By key, without CloudFormation's own."""
    return {tag["Key"]: tag["Value"] for tag in described_resource["Tags"] if not tag["Key"].startswith("aws:")}


def test_describe_calls_show_what_the_template_says(deployed: Deployed) -> None:
    """First as it was made, then as it was changed, wherever there is a call that shows it."""
    (first, second), (was, is_now) = deployed.ids, deployed.seen
    machines = {"Machine"}
    assert {name: seen for name, seen in was.items() if name not in machines} == {
        "Address": {"Name": "first"},
        "Nat": {"Name": "first"},
        "Endpoint": ([first["Group"]], True),
        "OtherService": "com.amazonaws.us-east-1.logs",
        "Policy": "s3:GetObject",
        "Key": "first",
        "MountTarget": [first["Group"]],
        "AccessPoint": {"Uid": 1000, "Gid": 1000},
        "LogPolicy": was["LogPolicy"],
        "Errors": "ERROR",
        "Function": 1,
        "Rule": ["one"],
        "Schedule": "rate(1 day)",
        "Alarm": 1.0,
        "Dashboard": {"start": "-PT3H"},
        "Build": "BUILD_GENERAL1_SMALL",
        "Budget": "100",
        "Spot": {"containerInsights": "ENABLED"},
        "Queue": 600,
        "OnFargate": {"sizeInGiB": 50},
    }
    assert {name: seen for name, seen in is_now.items() if name not in machines} == {
        "Address": {"Name": "second"},
        "Nat": {"Name": "second"},
        "Endpoint": ([second["Other"]], False),
        "OtherService": "com.amazonaws.us-east-1.ecr.dkr",
        "Policy": "s3:PutObject",
        "Key": "second",
        "MountTarget": [second["Other"]],
        "AccessPoint": {"Uid": 1001, "Gid": 1000},
        "LogPolicy": is_now["LogPolicy"],
        "Errors": "WARNING",
        "Function": 2,
        "Rule": ["other"],
        "Schedule": "rate(2 days)",
        "Alarm": 5.0,
        "Dashboard": {"start": "-PT6H"},
        "Build": "BUILD_GENERAL1_LARGE",
        "Budget": "200",
        "Spot": {"containerInsights": "ENHANCED"},
        "Queue": 1200,
        "OnFargate": {"sizeInGiB": 60},
    }
    assert "logs:PutLogEvents" in was["LogPolicy"]
    assert "logs:*" in is_now["LogPolicy"]


def test_what_aws_replaces_is_replaced_and_the_rest_is_changed(deployed: Deployed) -> None:
    """By the physical ids before and after."""
    first, second = deployed.ids
    assert {name for name in first if first[name] != second[name]} == REPLACED


def test_an_instance_is_a_record_that_the_api_stops_and_starts(deployed: Deployed) -> None:
    """Its type, image, groups, profile and volumes are those of the template; its state is what was asked for last."""
    ec2, ids = deployed.client("ec2"), deployed.ids[-1]
    before, machine = (seen["Machine"] for seen in deployed.seen)
    assert (before["InstanceType"], machine["InstanceType"]) == ("t4g.nano", "t4g.small")
    assert machine["Architecture"] == "arm64"
    assert machine["ImageId"] == deployed.outputs[-1]["Image"]
    assert machine["IamInstanceProfile"]["Arn"] == deployed.outputs[-1]["ProfileArn"]
    assert machine["PrivateIpAddress"] == deployed.outputs[-1]["PrivateIp"]
    assert (before["SecurityGroups"][0]["GroupId"], machine["SecurityGroups"][0]["GroupId"]) == (
        ids["Group"],
        ids["Other"],
    )
    devices = {entry["DeviceName"]: entry["Ebs"] for entry in machine["BlockDeviceMappings"]}
    volumes = {name: ec2.describe_volumes(VolumeIds=[ebs["VolumeId"]])["Volumes"][0] for name, ebs in devices.items()}
    assert {name: (volume["Size"], volume["Encrypted"]) for name, volume in volumes.items()} == {
        "/dev/xvda": (20, True),
        "/dev/xvdb": (5, False),
    }
    for order, state in ((ec2.stop_instances, "stopped"), (ec2.start_instances, "running")):
        order(InstanceIds=[ids["Machine"]])
        found = ec2.describe_instances(InstanceIds=[ids["Machine"]])["Reservations"][0]["Instances"][0]
        assert found["State"]["Name"] == state


def test_references_have_the_form_of_aws(deployed: Deployed) -> None:
    """Ref of a profile is its name; a Lustre file system has a host name and a mount name, which change with it."""
    first, second = deployed.outputs
    assert first["ProfileArn"] == f"arn:aws:iam::123456789012:instance-profile/{first['ProfileName']}"
    for outputs, ids in zip(deployed.outputs, deployed.ids, strict=True):
        assert outputs["FileSystemName"] == f"{ids['Lustre']}.fsx.us-east-1.amazonaws.com"
        assert len(outputs["MountName"]) == 8
    assert first["MountName"] != second["MountName"]
    assert first["Image"].startswith("ami-")


def test_the_key_is_the_one_that_things_are_encrypted_with(deployed: Deployed) -> None:
    """Bucket, log group, topic and file system all name it."""
    ids = deployed.ids[-1]
    arn = deployed.client("kms").describe_key(KeyId="alias/declared-types")["KeyMetadata"]["Arn"]
    assert arn.endswith(ids["Key"])
    assert deployed.client("kms").get_key_rotation_status(KeyId=ids["Key"])["KeyRotationEnabled"] is True
    bucket = deployed.client("s3").get_bucket_encryption(Bucket=ids["Bucket"])["ServerSideEncryptionConfiguration"]
    assert bucket["Rules"][0]["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"] == arn
    (group,) = deployed.client("logs").describe_log_groups(logGroupNamePrefix=ids["LogGroup"])["logGroups"]
    assert group["kmsKeyId"] == arn
    assert deployed.client("sns").get_topic_attributes(TopicArn=ids["Topic"])["Attributes"]["KmsMasterKeyId"] == arn
    (files,) = deployed.client("efs").describe_file_systems(FileSystemId=ids["Files"])["FileSystems"]
    assert (files["Encrypted"], files["KmsKeyId"]) == (True, arn)


def test_events_reach_the_function_and_the_log_group(deployed: Deployed) -> None:
    """The rule as it was changed: the event is a line of the group, and the function was called with it."""
    ids, logs = deployed.ids[-1], deployed.client("logs")
    entry = {"Source": "declared.types", "DetailType": "other", "Detail": json.dumps({"number": 7})}
    deployed.client("events").put_events(Entries=[entry])
    (line,) = logs.filter_log_events(logGroupName=ids["LogGroup"])["events"]
    assert json.loads(line["message"])["detail"] == {"number": 7}
    deadline = time.monotonic() + 30
    started = 0
    # Once when each template was looked at, and once by the rule.
    while started < len(deployed.seen) + 1:
        assert time.monotonic() < deadline
        time.sleep(0.1)
        found = logs.filter_log_events(logGroupName=f"/aws/lambda/{ids['Function']}")["events"]
        started = len([event for event in found if event["message"].startswith("START ")])


def test_a_job_cannot_be_submitted_with_what_is_not_played(deployed: Deployed) -> None:
    """A deployment may declare ECS Exec; a job of it is refused by name."""
    ids, batch = deployed.ids[-1], deployed.client("batch")
    with pytest.raises(batch.exceptions.ClientException, match="enableExecuteCommand: is not played"):
        batch.submit_job(
            jobName="j",
            jobQueue=ids["Queue"],
            jobDefinition=ids["OnFargate"],
            shareIdentifier="share",
            schedulingPriorityOverride=1,
        )


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        (resource("AWS::EC2::Instance", InstanceType="t3.nano", ImageId="ami-1", HibernationOptions={}), "Hibernation"),
        (resource("AWS::EC2::Instance", InstanceType="t99.nano", ImageId="ami-1"), r"do not exist: \[t99.nano\]"),
        (resource("AWS::EC2::Instance", InstanceType="t3.nano"), "must contain the parameter ImageId"),
        (resource("AWS::FSx::FileSystem", FileSystemType="WINDOWS", StorageCapacity=32, SubnetIds=[]), "is LUSTRE"),
        (resource("AWS::Budgets::Budget", Budget={"BudgetType": "X", "TimeUnit": "MONTHLY"}), "Budget.BudgetType"),
    ],
)
def test_what_cannot_be_declared_fails_the_stack(local_cloud: Endpoint, declared: dict[str, Any], reason: str) -> None:
    """With the reason, and nothing stays."""
    stack = StackClient(client_for(local_cloud, "cloudformation"), f"refused-{uuid.uuid4().hex[:8]}")
    assert stack.deploy({"Declared": declared}) == "ROLLBACK_COMPLETE"
    assert re.search(reason, stack.reasons())
    assert stack.delete() == "DELETE_COMPLETE"


def test_deletion_leaves_nothing(deployed: Deployed) -> None:
    """Records are gone, and an instance is terminated with the volume that goes with it."""
    ids, ec2 = deployed.ids[-1], deployed.client("ec2")
    machine = ec2.describe_instances(InstanceIds=[ids["Machine"]])["Reservations"][0]["Instances"][0]
    assert deployed.stack.delete() == "DELETE_COMPLETE"
    states = [
        one["State"]["Name"]
        for reservation in ec2.describe_instances(InstanceIds=[ids["Machine"], ids["Moved"]])["Reservations"]
        for one in reservation["Instances"]
    ]
    assert states == ["terminated", "terminated"]
    volumes = {volume["VolumeId"] for volume in ec2.describe_volumes()["Volumes"]}
    of_machine = {entry["DeviceName"]: entry["Ebs"]["VolumeId"] for entry in machine["BlockDeviceMappings"]}
    assert [name for name, volume in of_machine.items() if volume in volumes] == ["/dev/xvdb"]
    endpoints = {one["VpcEndpointId"] for one in ec2.describe_vpc_endpoints()["VpcEndpoints"]}
    assert not endpoints & {ids["Endpoint"], ids["OtherService"]}
    assert not deployed.client("budgets").describe_budgets(AccountId="123456789012").get("Budgets")
    profiles = deployed.client("iam").list_instance_profiles()["InstanceProfiles"]
    assert ids["Profile"] not in {profile["InstanceProfileName"] for profile in profiles}
    assert not deployed.client("logs").describe_log_groups(logGroupNamePrefix=ids["LogGroup"])["logGroups"]
    listed = deployed.client("batch").describe_compute_environments()["computeEnvironments"]
    assert not {one["computeEnvironmentArn"] for one in listed} & {ids["Spot"], ids["Graphics"], ids["Spare"]}
