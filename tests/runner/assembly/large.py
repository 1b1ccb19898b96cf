"""A deployment with all kinds of resources that a template may bring, made by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.assembly.cloud_assembly import Assembly, assembly_of
from tests.runner.assembly.templates import template

Bodies = dict[str, tuple[str, Mapping[str, Any]]]

INTERFACES = ("ecr.api", "ecr.dkr", "logs", "ecs", "ecs-agent", "ecs-telemetry", "secretsmanager", "sts", "ssm")


def ref(name: str) -> dict[str, Any]:
    """`Ref`."""
    return {"Ref": name}


def arn(name: str) -> dict[str, Any]:
    """`Fn::GetAtt` of the ARN."""
    return {"Fn::GetAtt": [name, "Arn"]}


def _network() -> Bodies:
    found: Bodies = {
        "Vpc": ("AWS::EC2::VPC", {"CidrBlock": "10.0.0.0/16"}),
        "Igw": ("AWS::EC2::InternetGateway", {}),
        "Attachment": ("AWS::EC2::VPCGatewayAttachment", {"VpcId": ref("Vpc"), "InternetGatewayId": ref("Igw")}),
        "JobSecurityGroup": ("AWS::EC2::SecurityGroup", {"VpcId": ref("Vpc")}),
        "EndpointSecurityGroup": (
            "AWS::EC2::SecurityGroup",
            {
                "VpcId": ref("Vpc"),
                "SecurityGroupIngress": [{"CidrIp": arn("Vpc"), "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}],
                "SecurityGroupEgress": [{"CidrIp": "255.255.255.255/32", "IpProtocol": "icmp"}],
            },
        ),
        "Address": ("AWS::EC2::EIP", {"Domain": "vpc"}),
        "Nat": ("AWS::EC2::NatGateway", {"SubnetId": ref("Public1"), "AllocationId": arn("Address")}),
        "FlowLogs": ("AWS::Logs::LogGroup", {"RetentionInDays": 30}),
        "FlowLog": ("AWS::EC2::FlowLog", {"ResourceId": ref("Vpc"), "LogGroupName": ref("FlowLogs")}),
        "FlowLogsWriters": ("AWS::Logs::ResourcePolicy", {"PolicyName": "p", "PolicyDocument": "{}"}),
        "S3": (
            "AWS::EC2::VPCEndpoint",
            {"ServiceName": "com.amazonaws.us-east-1.s3", "RouteTableIds": [ref("TablePrivate1")]},
        ),
    }
    for kind in ("Public", "Private"):
        for zone in (1, 2):
            name = f"{kind}{zone}"
            found[name] = ("AWS::EC2::Subnet", {"VpcId": ref("Vpc"), "MapPublicIpOnLaunch": kind == "Public"})
            found[f"Table{name}"] = ("AWS::EC2::RouteTable", {"VpcId": ref("Vpc")})
            found[f"With{name}"] = (
                "AWS::EC2::SubnetRouteTableAssociation",
                {"SubnetId": ref(name), "RouteTableId": ref(f"Table{name}")},
            )
            gateway = {"GatewayId": ref("Igw")} if kind == "Public" else {"NatGatewayId": ref("Nat")}
            found[f"Out{name}"] = ("AWS::EC2::Route", {"RouteTableId": ref(f"Table{name}"), **gateway})
    for service in INTERFACES:
        found[f"Endpoint{service}"] = (
            "AWS::EC2::VPCEndpoint",
            {
                "VpcEndpointType": "Interface",
                "ServiceName": f"com.amazonaws.us-east-1.{service}",
                "SubnetIds": [ref("Private1"), ref("Private2")],
                "SecurityGroupIds": [ref("EndpointSecurityGroup")],
            },
        )
    return found


def _storage() -> Bodies:
    return {
        "Key": (
            "AWS::KMS::Key",
            {
                "KeyPolicy": {
                    "Statement": {"Effect": "Allow", "Action": "kms:*", "Principal": {"AWS": {"Fn::Join": ["", []]}}}
                }
            },
        ),
        "KeyName": ("AWS::KMS::Alias", {"TargetKeyId": ref("Key")}),
        "Results/Bucket": ("AWS::S3::Bucket", {"BucketEncryption": {"KMSMasterKeyID": arn("Key")}}),
        "Lustre": (
            "AWS::FSx::FileSystem",
            {
                "FileSystemType": "LUSTRE",
                "StorageCapacity": 1200,
                "KmsKeyId": ref("Key"),
                "SubnetIds": [ref("Private1")],
                "LustreConfiguration": {"DeploymentType": "PERSISTENT_2", "PerUnitStorageThroughput": 125},
            },
        ),
        "LustreLink": (
            "AWS::FSx::DataRepositoryAssociation",
            {"FileSystemId": ref("Lustre"), "DataRepositoryPath": {"Fn::Sub": "s3://${Results/Bucket}/lustre/"}},
        ),
        "Shared": ("AWS::EFS::FileSystem", {"Encrypted": True}),
        "SharedPoint": ("AWS::EFS::AccessPoint", {"FileSystemId": ref("Shared")}),
        "SharedMount": (
            "AWS::EFS::MountTarget",
            {"FileSystemId": ref("Shared"), "SubnetId": ref("Private1"), "SecurityGroups": [ref("JobSecurityGroup")]},
        ),
        **{f"Image{number}": ("AWS::ECR::Repository", {}) for number in range(8)},
    }


def _work() -> Bodies:
    found: Bodies = {
        "Shares": ("AWS::Batch::SchedulingPolicy", {}),
        "Disk": ("AWS::EC2::LaunchTemplate", {"LaunchTemplateData": {}}),
        "HeadNode": (
            "AWS::EC2::Instance",
            {
                "InstanceType": "t3.medium",
                "SubnetId": ref("Private1"),
                "IamInstanceProfile": ref("HeadProfile"),
                "BlockDeviceMappings": [{"Ebs": {"VolumeSize": 30, "VolumeType": "gp3"}}],
            },
        ),
        "HeadProfile": ("AWS::IAM::InstanceProfile", {"Roles": [ref("HeadRole")]}),
        "HeadRole": ("AWS::IAM::Role", {}),
        "HeadPolicy": (
            "AWS::IAM::Policy",
            {
                "Roles": [ref("HeadRole")],
                "PolicyDocument": {
                    "Statement": [
                        {"Effect": "Allow", "Action": "batch:SubmitJob", "Resource": [ref("QueueSpot0"), ref("Job0")]}
                    ]
                },
            },
        ),
        "Builds": (
            "AWS::CodeBuild::Project",
            {"ServiceRole": arn("BuildRole"), "Environment": {"ComputeType": "BUILD_GENERAL1_SMALL"}},
        ),
        "BuildRole": (
            "AWS::IAM::Role",
            {
                "Policies": [
                    {
                        "PolicyDocument": {
                            "Statement": {"Effect": "Allow", "Action": ["ecr:PutImage"], "Resource": arn("Image0")}
                        }
                    }
                ]
            },
        ),
    }
    for number in range(6):
        found[f"EnvironmentSpot{number}"] = (
            "AWS::Batch::ComputeEnvironment",
            {
                "ComputeResources": {
                    "Type": "SPOT",
                    "MinvCpus": 0,
                    "MaxvCpus": 64 + number,
                    "Subnets": [ref("Private1"), ref("Private2")],
                    "SecurityGroupIds": [ref("JobSecurityGroup")],
                    "LaunchTemplate": {"LaunchTemplateId": ref("Disk")},
                }
            },
        )
    for number in range(12):
        orders = [
            {"Order": place, "ComputeEnvironment": arn(f"EnvironmentSpot{(number + place) % 6}")} for place in (1, 2)
        ]
        found[f"QueueSpot{number}"] = (
            "AWS::Batch::JobQueue",
            {"Priority": number, "ComputeEnvironmentOrder": orders, "SchedulingPolicyArn": arn("Shares")},
        )
        found[f"Job{number}"] = (
            "AWS::Batch::JobDefinition",
            {
                "ContainerProperties": {
                    "Image": ref(f"Image{number % 8}"),
                    "ResourceRequirements": [
                        {"Type": "VCPU", "Value": str(number)},
                        {"Type": "MEMORY", "Value": "512"},
                    ],
                }
            },
        )
    return found


def _observation() -> Bodies:
    found: Bodies = {
        "Topic": ("AWS::SNS::Topic", {}),
        "Mail": (
            "AWS::SNS::Subscription",
            {"TopicArn": ref("Topic"), "Protocol": "email", "Endpoint": "a@example.org"},
        ),
        "Board": (
            "AWS::CloudWatch::Dashboard",
            {"DashboardBody": {"Fn::Join": ["", [ref("QueueSpot0"), ref("Topic")]]}},
        ),
        "Budget": ("AWS::Budgets::Budget", {"NotificationsWithSubscribers": [{"Address": ref("Topic")}]}),
        "Sweep": ("AWS::Lambda::Function", {"Role": arn("SweepServiceRole")}),
        "SweepServiceRole": ("AWS::IAM::Role", {}),
        "Nightly": ("AWS::Scheduler::Schedule", {"ScheduleExpression": "rate(1 day)", "Target": {"Arn": arn("Sweep")}}),
        "Failed": (
            "AWS::Events::Rule",
            {"EventPattern": {"detail": {"jobQueue": [ref("QueueSpot0")]}}, "Targets": [{"Arn": ref("Topic")}]},
        ),
        "Called": (
            "AWS::Lambda::Permission",
            {"FunctionName": arn("Sweep"), "Action": "lambda:InvokeFunction", "Principal": "events.amazonaws.com"},
        ),
        "Errors": ("AWS::Logs::MetricFilter", {"LogGroupName": ref("FlowLogs")}),
    }
    for number in range(9):
        found[f"Alarm{number}"] = ("AWS::CloudWatch::Alarm", {"Period": 300, "AlarmActions": [ref("Topic")]})
    return found


def large_assembly() -> Assembly:
    """Some 120 resources in one stack."""
    return assembly_of({"Big-All": template({**_network(), **_storage(), **_work(), **_observation()}, "Big-All")})
