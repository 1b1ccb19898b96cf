"""One template with the types that deployments around Batch declare, as it is first and as it is changed to."""

from __future__ import annotations

import json
from typing import Any

Resources = dict[str, dict[str, Any]]


def resource(type_name: str, **properties: Any) -> dict[str, Any]:
    """A resource of a template."""
    return {"Type": type_name, "Properties": properties}


def ref(name: str) -> dict[str, str]:
    """What Ref gives."""
    return {"Ref": name}


def attribute(name: str, key: str) -> dict[str, list[str]]:
    """What Fn::GetAtt gives."""
    return {"Fn::GetAtt": [name, key]}


def allow(action: str, **more: Any) -> dict[str, Any]:
    """A policy document of one statement on everything."""
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*", **more}]}


def template(*, changed: bool = False) -> Resources:
    """Everything; `changed` is the same stack a revision later."""
    return {
        **_network(changed=changed),
        **_machine(changed=changed),
        **_storage(changed=changed),
        **_notices(changed=changed),
        **_batch(changed=changed),
    }


def _network(*, changed: bool) -> Resources:
    tags = [{"Key": "Name", "Value": "second" if changed else "first"}]
    return {
        "Vpc": resource("AWS::EC2::VPC", CidrBlock="10.8.0.0/16"),
        "Subnet": resource("AWS::EC2::Subnet", VpcId=ref("Vpc"), CidrBlock="10.8.0.0/24"),
        "Group": resource("AWS::EC2::SecurityGroup", VpcId=ref("Vpc"), GroupDescription="one"),
        "Other": resource("AWS::EC2::SecurityGroup", VpcId=ref("Vpc"), GroupDescription="other"),
        "Address": resource("AWS::EC2::EIP", Domain="vpc", Tags=tags),
        "Nat": resource(
            "AWS::EC2::NatGateway",
            SubnetId=ref("Subnet"),
            AllocationId=attribute("Address", "AllocationId"),
            Tags=tags,
        ),
        "Endpoint": resource(
            "AWS::EC2::VPCEndpoint",
            VpcId=ref("Vpc"),
            ServiceName="com.amazonaws.us-east-1.ecr.api",
            VpcEndpointType="Interface",
            SubnetIds=[ref("Subnet")],
            SecurityGroupIds=[attribute("Other" if changed else "Group", "GroupId")],
            PrivateDnsEnabled=not changed,
        ),
        "OtherService": resource(
            "AWS::EC2::VPCEndpoint",
            VpcId=ref("Vpc"),
            ServiceName=f"com.amazonaws.us-east-1.{'ecr.dkr' if changed else 'logs'}",
            VpcEndpointType="Interface",
            SubnetIds=[ref("Subnet")],
            PrivateDnsEnabled=True,
        ),
    }


def _machine(*, changed: bool) -> Resources:
    machine = {
        "SubnetId": ref("Subnet"),
        "InstanceType": "t4g.small" if changed else "t4g.nano",
        "SecurityGroupIds": [attribute("Other" if changed else "Group", "GroupId")],
        "IamInstanceProfile": ref("Profile"),
        "UserData": {"Fn::Base64": "#!/bin/bash"},
        "LaunchTemplate": {
            "LaunchTemplateId": ref("Launch"),
            "Version": attribute("Launch", "LatestVersionNumber"),
        },
        "BlockDeviceMappings": [
            {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 20, "VolumeType": "gp3", "Encrypted": True}},
            {"DeviceName": "/dev/xvdb", "Ebs": {"VolumeSize": "5", "DeleteOnTermination": False}},
        ],
        "MetadataOptions": {"HttpTokens": "required"},
        "Tags": [{"Key": "Name", "Value": "machine"}],
    }
    return {
        "Role": resource(
            "AWS::IAM::Role",
            AssumeRolePolicyDocument={
                "Version": "2012-10-17",
                "Statement": [
                    {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
                ],
            },
        ),
        "Profile": resource("AWS::IAM::InstanceProfile", Roles=[ref("Role")]),
        "Policy": resource(
            "AWS::IAM::ManagedPolicy", PolicyDocument=allow("s3:PutObject" if changed else "s3:GetObject")
        ),
        "Launch": resource("AWS::EC2::LaunchTemplate", LaunchTemplateData={"ImageId": ref("Image")}),
        "Machine": resource("AWS::EC2::Instance", **machine),
        "Moved": resource("AWS::EC2::Instance", **{**machine, "PrivateIpAddress": f"10.8.0.{20 if changed else 10}"}),
    }


def _storage(*, changed: bool) -> Resources:
    key = attribute("Key", "Arn")
    encryption = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    lustre = {"DeploymentType": "PERSISTENT_2" if changed else "SCRATCH_2"}
    return {
        "Key": resource(
            "AWS::KMS::Key",
            Description="second" if changed else "first",
            EnableKeyRotation=True,
            KeyPolicy=allow("kms:*", Principal={"AWS": "*"}),
        ),
        "KeyName": resource("AWS::KMS::Alias", AliasName="alias/declared-types", TargetKeyId=key),
        "Bucket": resource(
            "AWS::S3::Bucket",
            BucketEncryption={"ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": encryption}]},
        ),
        "Files": resource("AWS::EFS::FileSystem", Encrypted=True, KmsKeyId=key, ThroughputMode="elastic"),
        "MountTarget": resource(
            "AWS::EFS::MountTarget",
            FileSystemId=ref("Files"),
            SubnetId=ref("Subnet"),
            SecurityGroups=[attribute("Other" if changed else "Group", "GroupId")],
        ),
        "AccessPoint": resource(
            "AWS::EFS::AccessPoint",
            FileSystemId=ref("Files"),
            PosixUser={"Uid": "1001" if changed else "1000", "Gid": "1000"},
            RootDirectory={"Path": "/shared"},
        ),
        "Lustre": resource(
            "AWS::FSx::FileSystem",
            FileSystemType="LUSTRE",
            StorageCapacity=1200,
            SubnetIds=[ref("Subnet")],
            SecurityGroupIds=[attribute("Group", "GroupId")],
            LustreConfiguration=lustre,
        ),
        "Association": resource(
            "AWS::FSx::DataRepositoryAssociation",
            FileSystemId=ref("Lustre"),
            FileSystemPath="/data",
            DataRepositoryPath={"Fn::Sub": "s3://${Bucket}/data"},
        ),
    }


def _notices(*, changed: bool) -> Resources:
    topic, log_group = ref("Topic"), {"Fn::Sub": "arn:aws:logs:us-east-1:123456789012:log-group:${LogGroup}"}
    function = attribute("Function", "Arn")
    return {
        "Topic": resource("AWS::SNS::Topic", KmsMasterKeyId=attribute("Key", "Arn")),
        "TopicPolicy": resource(
            "AWS::SNS::TopicPolicy", Topics=[topic], PolicyDocument=allow("sns:Publish", Principal={"AWS": "*"})
        ),
        "Mail": resource(
            "AWS::SNS::Subscription",
            TopicArn=topic,
            Protocol="email",
            Endpoint=f"{'second' if changed else 'first'}@example.com",
        ),
        "LogGroup": resource("AWS::Logs::LogGroup", RetentionInDays=30, KmsKeyId=attribute("Key", "Arn")),
        "LogPolicy": resource(
            "AWS::Logs::ResourcePolicy",
            PolicyName="declared-types",
            PolicyDocument=json.dumps(allow("logs:*" if changed else "logs:PutLogEvents")),
        ),
        "Errors": resource(
            "AWS::Logs::MetricFilter",
            LogGroupName=ref("LogGroup"),
            FilterPattern="WARNING" if changed else "ERROR",
            MetricTransformations=[{"MetricName": "errors", "MetricNamespace": "own", "MetricValue": "1"}],
        ),
        "Function": resource(
            "AWS::Lambda::Function",
            Runtime="python3.13",
            Handler="index.handler",
            Role=attribute("Role", "Arn"),
            Code={"ZipFile": f"def handler(event, context):\n    return {2 if changed else 1}\n"},
        ),
        "Rule": resource(
            "AWS::Events::Rule",
            EventPattern={"source": ["declared.types"], "detail-type": ["other" if changed else "one"]},
            Targets=[
                {"Id": "topic", "Arn": topic},
                {"Id": "function", "Arn": function},
                {"Id": "log", "Arn": log_group},
            ],
        ),
        "MayInvoke": resource(
            "AWS::Lambda::Permission",
            Action="lambda:InvokeFunction",
            FunctionName=function,
            Principal="events.amazonaws.com",
            SourceArn=attribute("Rule", "Arn"),
        ),
        "Schedule": resource(
            "AWS::Scheduler::Schedule",
            ScheduleExpression="rate(2 days)" if changed else "rate(1 day)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": function, "RoleArn": attribute("Role", "Arn")},
        ),
        "Alarm": resource(
            "AWS::CloudWatch::Alarm",
            ComparisonOperator="GreaterThanThreshold",
            EvaluationPeriods=1,
            Namespace="own",
            MetricName="errors",
            Period=300,
            Statistic="Sum",
            Threshold=5 if changed else 1,
            AlarmActions=[topic],
        ),
        "Dashboard": resource(
            "AWS::CloudWatch::Dashboard", DashboardBody=json.dumps({"start": "-PT6H" if changed else "-PT3H"})
        ),
        "Build": resource(
            "AWS::CodeBuild::Project",
            Artifacts={"Type": "NO_ARTIFACTS"},
            Environment={
                "Type": "LINUX_CONTAINER",
                "Image": "aws/codebuild/standard:7.0",
                "ComputeType": f"BUILD_GENERAL1_{'LARGE' if changed else 'SMALL'}",
            },
            ServiceRole=attribute("Role", "Arn"),
            Source={"Type": "NO_SOURCE", "BuildSpec": "{}"},
        ),
        "Budget": resource(
            "AWS::Budgets::Budget",
            Budget={
                "BudgetType": "COST",
                "TimeUnit": "MONTHLY",
                "BudgetLimit": {"Amount": 200 if changed else 100, "Unit": "USD"},
            },
            NotificationsWithSubscribers=[
                {
                    "Notification": {
                        "NotificationType": "ACTUAL",
                        "ComparisonOperator": "GREATER_THAN",
                        "Threshold": "80",
                    },
                    "Subscribers": [{"SubscriptionType": "EMAIL", "Address": "a@example.com"}],
                }
            ],
        ),
    }


def _environment(kind: str, **more: Any) -> dict[str, Any]:
    compute = {
        "Type": kind,
        "MaxvCpus": 8,
        "Subnets": [ref("Subnet")],
        "SecurityGroupIds": [attribute("Group", "GroupId")],
        **more.pop("compute", {}),
    }
    return resource(
        "AWS::Batch::ComputeEnvironment",
        Type="managed",
        ReplaceComputeEnvironment=False,
        ComputeResources=compute,
        **more,
    )


def _batch(*, changed: bool) -> Resources:
    machines = {"InstanceRole": attribute("Profile", "Arn"), "MinvCpus": 0}
    container = {
        "Image": "i:1",
        "ExecutionRoleArn": attribute("Role", "Arn"),
        "ResourceRequirements": [{"Type": "MEMORY", "Value": "2048"}, {"Type": "VCPU", "Value": "1"}],
    }
    efs = {
        "Volumes": [
            {
                "Name": "shared",
                "EfsVolumeConfiguration": {
                    "FileSystemId": ref("Files"),
                    "TransitEncryption": "ENABLED",
                    "AuthorizationConfig": {"AccessPointId": ref("AccessPoint")},
                },
            }
        ],
        "MountPoints": [{"SourceVolume": "shared", "ContainerPath": "/shared"}],
    }
    host = {
        "Volumes": [{"Name": "lustre", "Host": {"SourcePath": "/fsx"}}],
        "MountPoints": [{"SourceVolume": "lustre", "ContainerPath": "/fsx"}],
    }
    return {
        "Spot": _environment(
            "SPOT",
            EcsSettings={"ContainerInsights": "enhanced" if changed else "enabled"},
            compute={
                **machines,
                "AllocationStrategy": "SPOT_PRICE_CAPACITY_OPTIMIZED",
                "InstanceTypes": ["c7g.4xlarge", "m8g", "r8g.large"],
            },
        ),
        "Graphics": _environment(
            "EC2",
            compute={
                **machines,
                "AllocationStrategy": "BEST_FIT_PROGRESSIVE",
                "InstanceTypes": ["g5.xlarge", "g6e.xlarge"],
                "Ec2Configuration": [{"ImageType": "ECS_AL2023_NVIDIA"}],
            },
        ),
        "Spare": _environment("FARGATE_SPOT"),
        "Shares": resource(
            "AWS::Batch::SchedulingPolicy", FairsharePolicy={"ShareDecaySeconds": 90 if changed else 60}
        ),
        "Queue": resource(
            "AWS::Batch::JobQueue",
            Priority=1,
            SchedulingPolicyArn=attribute("Shares", "Arn"),
            ComputeEnvironmentOrder=[{"Order": 1, "ComputeEnvironment": ref("Spare")}],
            JobStateTimeLimitActions=[
                {
                    "Action": "CANCEL",
                    "MaxTimeSeconds": 1200 if changed else 600,
                    "Reason": "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY",
                    "State": "RUNNABLE",
                }
            ],
        ),
        "OnFargate": resource(
            "AWS::Batch::JobDefinition",
            Type="container",
            PlatformCapabilities=["FARGATE"],
            ContainerProperties={
                **container,
                **efs,
                "EphemeralStorage": {"SizeInGiB": 60 if changed else 50},
                "RuntimePlatform": {"CpuArchitecture": "ARM64", "OperatingSystemFamily": "LINUX"},
                "EnableExecuteCommand": True,
            },
        ),
        "OnMachines": resource(
            "AWS::Batch::JobDefinition",
            Type="container",
            PlatformCapabilities=["EC2"],
            ContainerProperties={**container, **host, "User": "1001" if changed else "1000"},
        ),
    }


PARAMETERS = {
    "Image": {
        "Type": "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>",
        "Default": "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.1-arm64",
    }
}
"""As CDK's MachineImage.latest_amazon_linux2023() writes them."""

OUTPUTS = {
    "Image": ref("Image"),
    "MountName": attribute("Lustre", "LustreMountName"),
    "FileSystemName": attribute("Lustre", "DNSName"),
    "PrivateIp": attribute("Machine", "PrivateIp"),
    "ProfileName": ref("Profile"),
    "ProfileArn": attribute("Profile", "Arn"),
}
