"""What each kind of resource costs at rest."""

from __future__ import annotations

from typing import Any

import pytest

from runner.assembly.bill import Basis
from runner.assembly.schedules import calls_per_month
from tests.runner.assembly.templates import bill, usd


@pytest.mark.parametrize(
    ("kind", "properties", "monthly"),
    [
        ("AWS::EC2::NatGateway", {}, "32.85"),
        ("AWS::EC2::EIP", {}, "3.65"),
        ("AWS::EC2::VPCEndpoint", {"VpcEndpointType": "Interface", "SubnetIds": [{"Ref": "a"}, {"Ref": "b"}]}, "14.60"),
        ("AWS::KMS::Key", {}, "1"),
        ("AWS::SecretsManager::Secret", {}, "0.4"),
        ("AWS::CloudWatch::Alarm", {"Period": 300}, "0.1"),
        ("AWS::CloudWatch::Alarm", {"Period": 10}, "0.3"),
        (
            "AWS::CloudWatch::Alarm",
            {"Metrics": [{"MetricStat": {"Period": 60}}, {"MetricStat": {"Period": 60}}, {"Expression": "a/b"}]},
            "0.2",
        ),
        ("AWS::CloudWatch::Dashboard", {}, "3"),
        ("AWS::FSx::FileSystem", {"FileSystemType": "LUSTRE", "StorageCapacity": 1200}, "168"),
        (
            "AWS::FSx::FileSystem",
            {
                "FileSystemType": "LUSTRE",
                "StorageCapacity": 2400,
                "LustreConfiguration": {"DeploymentType": "PERSISTENT_2", "PerUnitStorageThroughput": 250},
            },
            "504",
        ),
        ("AWS::EC2::Volume", {"VolumeType": "gp3", "Size": 100, "Iops": 4000, "Throughput": 225}, "17"),
        (
            "AWS::Batch::ComputeEnvironment",
            {"ComputeResources": {"MinvCpus": 4, "InstanceTypes": ["m6i.large", "c6i.2xlarge"]}},
            "124.1",
        ),
        ("AWS::Scheduler::Schedule", {"ScheduleExpression": "rate(1 hour)"}, "0.00073"),
    ],
)
def test_what_exists_is_billed_by_its_time(kind: str, properties: dict[str, Any], monthly: str) -> None:
    """By the month of 730 hours."""
    found = bill(kind, properties)
    assert (found.basis, found.monthly_usd) == (Basis.TIME, usd(monthly))


@pytest.mark.parametrize(
    ("kind", "properties", "basis", "note"),
    [
        ("AWS::EC2::VPCEndpoint", {}, Basis.FREE, "gateway endpoint"),
        ("AWS::S3::Bucket", {}, Basis.BYTES, "0.023 per GB-month"),
        ("AWS::EFS::FileSystem", {}, Basis.BYTES, "0.30 per GB-month"),
        ("AWS::Logs::LogGroup", {}, Basis.BYTES, "0.03 per GB-month; 0.50 per GB taken in"),
        ("AWS::Lambda::Function", {}, Basis.USE, "0.20 per million requests; 0.0000166667 per GB-second"),
        ("AWS::Batch::ComputeEnvironment", {"ComputeResources": {"MinvCpus": 0}}, Basis.USE, "while jobs run"),
        ("AWS::Events::Rule", {"EventPattern": {}}, Basis.FREE, "events of AWS services"),
        (
            "AWS::Scheduler::Schedule",
            {"ScheduleExpression": "rate(1 day)", "State": "DISABLED"},
            Basis.FREE,
            "disabled",
        ),
        ("AWS::IAM::Role", {}, Basis.FREE, ""),
    ],
)
def test_what_is_billed_by_bytes_or_use_costs_nothing_at_rest(
    kind: str, properties: dict[str, Any], basis: Basis, note: str
) -> None:
    """And says what a byte or a use costs."""
    found = bill(kind, properties)
    assert (found.basis, found.monthly_usd) == (basis, usd("0"))
    assert note in found.note


@pytest.mark.parametrize(
    ("kind", "properties", "why"),
    [
        ("AWS::RDS::DBInstance", {}, "AWS::RDS::DBInstance is not in the table of types"),
        ("AWS::FSx::FileSystem", {"FileSystemType": "WINDOWS", "StorageCapacity": 32}, "of type WINDOWS"),
        (
            "AWS::FSx::FileSystem",
            {
                "FileSystemType": "LUSTRE",
                "StorageCapacity": 1200,
                "LustreConfiguration": {"DeploymentType": "PERSISTENT_2", "PerUnitStorageThroughput": 50},
            },
            "the price table has no fsx-lustre-persistent_2-ssd-50",
        ),
        (
            "AWS::EC2::Instance",
            {"InstanceType": "x1.large", "BlockDeviceMappings": [{"Ebs": {"VolumeSize": 8}}]},
            "no ec2-x1.large",
        ),
        ("AWS::EC2::Instance", {"InstanceType": "t3.micro"}, "size of its image"),
        ("AWS::EC2::Instance", {"InstanceType": {"Ref": "Type"}}, "whose type is not in its own properties"),
        ("AWS::EC2::VPCEndpoint", {"VpcEndpointType": "Interface", "SubnetIds": {"Ref": "Ids"}}, "are not a list"),
        ("AWS::EC2::VPCEndpoint", {"VpcEndpointType": "GatewayLoadBalancer"}, "endpoints of type"),
        ("AWS::EC2::Volume", {"VolumeType": "io2", "Size": 8}, "no ebs-io2"),
        ("AWS::Scheduler::Schedule", {"ScheduleExpression": "cron(0 0 L * ? *)"}, "'L' is not counted"),
        ("AWS::Batch::ComputeEnvironment", {"ComputeResources": {"MinvCpus": 4}}, "without named types"),
    ],
)
def test_what_nobody_priced_is_said_by_name(kind: str, properties: dict[str, Any], why: str) -> None:
    """Never silently nothing."""
    found = bill(kind, properties)
    assert found.basis is Basis.UNKNOWN
    assert why in found.note


def test_a_head_node_costs_its_time_and_stopped_its_volume() -> None:
    """Instance, address of a public subnet and 30 GiB of gp3."""
    found = bill(
        "AWS::EC2::Instance",
        {
            "InstanceType": "t3.medium",
            "SubnetId": {"Ref": "Public"},
            "BlockDeviceMappings": [{"Ebs": {"VolumeSize": 30, "VolumeType": "gp3"}}],
        },
        Public=("AWS::EC2::Subnet", {"MapPublicIpOnLaunch": True}),
    )
    assert found.stopped_monthly_usd == usd("2.40")
    assert found.monthly_usd == usd("0.0416") * 730 + usd("0.005") * 730 + usd("2.40")
    assert "stopped, 30 GiB of gp3 for 2.40 a month" in found.note


def test_an_address_that_an_instance_declines_is_not_billed() -> None:
    """Its own word counts before its subnet's."""
    found = bill(
        "AWS::EC2::Instance",
        {
            "InstanceType": "t3.medium",
            "NetworkInterfaces": [{"AssociatePublicIpAddress": False, "SubnetId": {"Ref": "Public"}}],
            "BlockDeviceMappings": [{"Ebs": {"VolumeSize": 30, "VolumeType": "gp3"}}],
        },
        Public=("AWS::EC2::Subnet", {"MapPublicIpOnLaunch": True}),
    )
    assert "address" not in found.note


def test_a_rule_that_calls_a_function_on_a_schedule_costs_its_requests() -> None:
    """Every five minutes: 8,760 requests a month."""
    found = bill(
        "AWS::Events::Rule",
        {"ScheduleExpression": "rate(5 minutes)", "Targets": [{"Arn": {"Fn::GetAtt": ["Sweep", "Arn"]}}]},
        Sweep=("AWS::Lambda::Function", {}),
    )
    assert found.monthly_usd == usd("0.001752")
    assert "8,760 calls a month" in found.note


@pytest.mark.parametrize(
    ("expression", "calls"),
    [
        ("rate(1 minute)", 43_800),
        ("cron(0/15 * * * ? *)", 2920),
        ("cron(0 6,18 * * ? *)", 60.83),
        ("cron(0 8-10 ? * MON-FRI *)", 65.18),
        ("at(2030-01-01T00:00:00)", 0),
    ],
)
def test_schedules_are_counted(expression: str, calls: float) -> None:
    """In 730 hours."""
    assert float(calls_per_month(expression)) == pytest.approx(calls, abs=0.01)
