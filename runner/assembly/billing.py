"""How each type of resource is billed while nothing runs: every type that a template of ours has, free ones too.

A type that is not in the table is not priced, and said so: nothing costs 0 because nobody looked. Free tiers of an
account (10 alarms, 3 dashboards, …) are not subtracted, as other things in the account may use them up.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from runner.assembly.bill import Basis, Bill, Billed, Billing, by_bytes, by_time, by_use, free
from runner.assembly.cloud_assembly import Assembly, Resource
from runner.assembly.machines import compute_environment, instance, volume
from runner.assembly.price_table import PriceTable, UnpricedError
from runner.assembly.schedules import schedule, scheduled_rule

_STANDARD_RESOLUTION_SECONDS: Final = 60


def bill_of(resource: Resource, assembly: Assembly, prices: PriceTable) -> Bill:
    """What the resource costs at rest; a bill of Basis.UNKNOWN that says why where nobody priced it."""
    billing = BILLING.get(resource.type)
    if billing is None:
        return Bill(basis=Basis.UNKNOWN, note=f"{resource.type} is not in the table of types")
    try:
        return billing(Billed(resource, assembly, prices))
    except UnpricedError as error:
        return Bill(basis=Basis.UNKNOWN, note=str(error))


def _vpc_endpoint(billed: Billed) -> Bill:
    kind = billed.at("VpcEndpointType") or "Gateway"
    if kind == "Gateway":
        return Bill(basis=Basis.FREE, note="gateway endpoint")
    if kind != "Interface":
        raise UnpricedError(f"endpoints of type {kind}")
    subnets = billed.at("SubnetIds")
    if not isinstance(subnets, list):
        raise UnpricedError("an interface endpoint whose SubnetIds are not a list")
    note = (
        f"{len(subnets)} zones, {billed.prices['interface-endpoint']} each; {billed.prices['interface-endpoint-data']}"
    )
    return Bill(basis=Basis.TIME, monthly_usd=len(subnets) * billed.monthly("interface-endpoint"), note=note)


def _alarm(billed: Billed) -> Bill:
    """By the metrics that it looks at. Source: https://aws.amazon.com/cloudwatch/pricing/"""
    queries = [entry["MetricStat"] for entry in billed.resource.mappings("Metrics") if "MetricStat" in entry]
    if any(
        str(entry.get("Expression", "")).lstrip().upper().startswith("SELECT")
        for entry in billed.resource.mappings("Metrics")
    ):
        raise UnpricedError("an alarm on a Metrics Insights query")
    periods = [query.get("Period") for query in queries] or [billed.at("Period")]
    names = ["alarm" if _is_standard(period) else "alarm-high-resolution" for period in periods]
    metrics = f"{len(names)} metrics, " if len(names) > 1 else ""
    note = f"{metrics}{billed.prices[names[0]]} and metric; an account's first 10 are free, not counted here"
    return Bill(basis=Basis.TIME, monthly_usd=sum((billed.monthly(name) for name in names), Decimal(0)), note=note)


def _is_standard(period: object) -> bool:
    return not isinstance(period, int) or period >= _STANDARD_RESOLUTION_SECONDS


def _lustre(billed: Billed) -> Bill:
    """By capacity, whatever is stored. Source: https://aws.amazon.com/fsx/lustre/pricing/"""
    capacity = billed.at("StorageCapacity")
    if billed.at("FileSystemType") != "LUSTRE" or not isinstance(capacity, int):
        raise UnpricedError(f"a file system of type {billed.at('FileSystemType')} and capacity {capacity}")
    if billed.at("LustreConfiguration", "MetadataConfiguration", "Mode") == "USER_PROVISIONED":
        raise UnpricedError("metadata IOPS that are provisioned by hand")
    if billed.at("LustreConfiguration", "DriveCacheType") == "READ":
        raise UnpricedError("disks with an SSD cache")
    deployment = str(billed.at("LustreConfiguration", "DeploymentType") or "SCRATCH_1")
    storage = str(billed.at("StorageType") or "SSD").lower()
    if deployment.startswith("SCRATCH"):
        name = f"fsx-lustre-scratch-{storage}"
    else:
        speed = billed.at("LustreConfiguration", "PerUnitStorageThroughput")
        name = f"fsx-lustre-{deployment.lower()}-{storage}-{speed}"
    note = f"{capacity:,} GiB, {deployment}, {billed.prices[name]}, whatever is stored"
    return Bill(basis=Basis.TIME, monthly_usd=capacity * billed.prices[name].usd, note=note)


def _builds(billed: Billed) -> Bill:
    if billed.at("Environment", "ComputeType") == "BUILD_GENERAL1_SMALL":
        return by_use("codebuild-small", "only while a build runs")(billed)
    return Bill(basis=Basis.USE, note="per minute of builds, of a type that the price table does not have")


def _parameter(billed: Billed) -> Bill:
    """Nothing, save of the advanced tier. Source: https://aws.amazon.com/systems-manager/pricing/"""
    tier = billed.at("Tier") or "Standard"
    if tier != "Standard":
        raise UnpricedError(f"parameters of the tier {tier}")
    return Bill(basis=Basis.FREE, note="standard tier")


_KEY_NOTE: Final = "each of its first two rotations adds as much"
_STOPPED: Final = free("its instances and volumes, while jobs run")

_BILLED: Final[dict[str, Billing]] = {
    "AWS::Batch::ComputeEnvironment": compute_environment,
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::CloudWatch::CompositeAlarm": by_time("alarm-composite"),
    "AWS::CloudWatch::Dashboard": by_time("dashboard", "an account's first 3 are free, not counted here"),
    "AWS::CodeBuild::Project": _builds,
    "AWS::Budgets::BudgetsAction": by_use("budget-action", "an account's first two are free"),
    "AWS::EC2::EIP": by_time("public-ipv4"),
    "AWS::EC2::FlowLog": by_use("logs-taken-in", "no traffic, no bytes"),
    "AWS::EC2::Instance": instance,
    "AWS::EC2::NatGateway": by_time("nat-gateway", "and as much per GB; its address is listed by itself"),
    "AWS::EC2::VPCEndpoint": _vpc_endpoint,
    "AWS::EC2::Volume": volume,
    "AWS::ECR::Repository": by_bytes("ecr-stored"),
    "AWS::EFS::FileSystem": by_bytes("efs-stored"),
    "AWS::Events::Rule": scheduled_rule,
    "AWS::FSx::FileSystem": _lustre,
    "AWS::KMS::Key": by_time("kms-key", _KEY_NOTE),
    "AWS::KMS::ReplicaKey": by_time("kms-key", _KEY_NOTE),
    "AWS::Lambda::Function": by_use("lambda-requests", "{lambda-time}"),
    "AWS::Logs::LogGroup": by_bytes("logs-stored", "{logs-taken-in} taken in"),
    "AWS::Logs::MetricFilter": by_use("custom-metric", "for the hours in which its metric is reported"),
    "AWS::S3::Bucket": by_bytes("s3-stored"),
    "AWS::SNS::Topic": by_use("sns-requests", "an account's first million is free"),
    "AWS::SQS::Queue": by_use("sqs-requests", "an account's first million is free"),
    "AWS::Scheduler::Schedule": schedule,
    "AWS::SSM::Parameter": _parameter,
    "AWS::SecretsManager::Secret": by_time("secret"),
    "AWS::EC2::LaunchTemplate": _STOPPED,
    "AWS::Batch::JobDefinition": free("its jobs, while they run"),
    "AWS::Budgets::Budget": free("a budget without actions"),
}

_FREE: Final = (
    "AWS::Batch::JobQueue",
    "AWS::Batch::SchedulingPolicy",
    "AWS::Batch::ConsumableResource",
    "AWS::CDK::Metadata",
    "AWS::CloudFormation::CustomResource",
    "AWS::CloudFormation::WaitConditionHandle",
    "AWS::EC2::EIPAssociation",
    "AWS::EC2::InternetGateway",
    "AWS::EC2::NetworkAcl",
    "AWS::EC2::NetworkAclEntry",
    "AWS::EC2::NetworkInterface",
    "AWS::EC2::PlacementGroup",
    "AWS::EC2::PrefixList",
    "AWS::EC2::Route",
    "AWS::EC2::RouteTable",
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::EC2::Subnet",
    "AWS::EC2::SubnetNetworkAclAssociation",
    "AWS::EC2::SubnetRouteTableAssociation",
    "AWS::EC2::VPC",
    "AWS::EC2::VPCGatewayAttachment",
    "AWS::EC2::VolumeAttachment",
    "AWS::ECR::PullThroughCacheRule",
    "AWS::ECS::Cluster",
    "AWS::EFS::AccessPoint",
    "AWS::EFS::MountTarget",
    "AWS::Events::EventBusPolicy",
    "AWS::FSx::DataRepositoryAssociation",
    "AWS::IAM::InstanceProfile",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Policy",
    "AWS::IAM::Role",
    "AWS::IAM::ServiceLinkedRole",
    "AWS::KMS::Alias",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::LayerVersion",
    "AWS::Lambda::Permission",
    "AWS::Logs::LogStream",
    "AWS::Logs::QueryDefinition",
    "AWS::Logs::ResourcePolicy",
    "AWS::ResourceGroups::Group",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::SSM::Association",
    "AWS::SSM::Document",
    "AWS::Scheduler::ScheduleGroup",
    "AWS::SecretsManager::ResourcePolicy",
    "AWS::SecretsManager::RotationSchedule",
)
"""Types that no page of prices names: they are configuration."""

BILLING: Final[Mapping[str, Billing]] = MappingProxyType({**dict.fromkeys(_FREE, free()), **_BILLED})
"""CloudFormation type -> how it is billed."""
