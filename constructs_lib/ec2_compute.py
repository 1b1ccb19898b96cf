"""Capacity by the instance: for jobs that outgrow Fargate or want a named machine."""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_batch as batch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from constructs_lib.errors import PropertyError

_INSTANCE_TYPE_PATTERN: Final = r"[a-z][a-z0-9-]*\.[a-z0-9-]+"

_MIN_ROOT_VOLUME_GIB: Final = 30
"""Size of the image that instances start from: the ECS-optimised Amazon Linux 2023.

Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-optimized_AMI.html
"""

_ROOT_DEVICE: Final = "/dev/xvda"

_METADATA_HOP_LIMIT: Final = 1
"""The instance's credentials stay on the instance: a container's network is one hop further."""

_LONGEST_JOB_DURING_UPDATE: Final = cdk.Duration.hours(6)
"""A changed environment replaces its instances when their jobs have ended; jobs that take longer are stopped.

AWS's default is 30 minutes, its bound 360.
Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_UpdatePolicy.html
"""

_ECS_ARN: Final = "arn:<AWS::Partition>:ecs:<AWS::Region>:<AWS::AccountId>"
_WILDCARDS: Final = MappingProxyType(
    {
        "*": "ecs:DiscoverPollEndpoint takes no resource",
        f"{_ECS_ARN}:cluster/*": "Batch makes the cluster, and its name, after the role that its instances need",
        f"{_ECS_ARN}:container-instance/*": "An instance gets its ARN by registering, which is what this allows",
    }
)
"""Resource with a wildcard, as cdk-nag writes it -> why the instance role needs it."""


class Ec2Compute(Construct):
    """A compute environment on EC2 that starts instances of the named types when jobs wait, and none otherwise.

    An instance has an encrypted gp3 root volume, answers only IMDSv2, and may do what the ECS agent needs and no
    more: a job definition brings its own execution role to pull its image and write its log.
    """

    environment: batch.IComputeEnvironment

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        vpc: ec2.IVpc,
        subnets: ec2.SubnetSelection,
        security_group: ec2.ISecurityGroup,
        max_vcpus: int,
        instance_types: Sequence[str],
        root_volume: cdk.Size,
    ) -> None:
        super().__init__(scope, construct_id)
        if max_vcpus < 1:
            problem = f"a compute environment that can run a job has at least 1 vCPU, got {max_vcpus!r}; raise it"
            raise PropertyError(self, "max_vcpus", problem)
        role = iam.Role(
            self,
            "InstanceRole",
            assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"),
            description="ECS agent of the instances that run Batch jobs",
        )
        launch_template = self._launch_template(root_volume)
        environment = batch.ManagedEc2EcsComputeEnvironment(
            self,
            "Environment",
            vpc=vpc,
            vpc_subnets=subnets,
            security_groups=[security_group],
            minv_cpus=0,
            maxv_cpus=max_vcpus,
            allocation_strategy=batch.AllocationStrategy.BEST_FIT_PROGRESSIVE,
            instance_types=self._checked_types(instance_types),
            # Otherwise "optimal" is appended to the named types: https://github.com/aws/aws-cdk/issues/25562
            use_optimal_instance_classes=False,
            images=[batch.EcsMachineImage(image_type=batch.EcsMachineImageType.ECS_AL2023)],
            instance_role=role,
            launch_template=launch_template,
            terminate_on_update=False,
            update_timeout=_LONGEST_JOB_DURING_UPDATE,
        )
        resource = environment.node.default_child
        assert isinstance(resource, batch.CfnComputeEnvironment)
        # The L2 names no version, which means version 1 for ever: a changed template would change no instance.
        resource.add_property_override("ComputeResources.LaunchTemplate.Version", launch_template.latest_version_number)
        # Instances join, and leave, by the policy; without it the environment could not be deleted.
        resource.node.add_dependency(self._agent_policy(role))
        self.environment = environment

    def _checked_types(self, names: Sequence[str]) -> list[ec2.InstanceType]:
        if not names:
            problem = (
                "an EC2 compute environment names at least one instance type, got none; add for instance c6i.large"
            )
            raise PropertyError(self, "instance_types", problem)
        for name in names:
            if not re.fullmatch(_INSTANCE_TYPE_PATTERN, name):
                problem = (
                    "each is the full name of an instance type, so that no job starts a machine nobody chose, "
                    f"got {name!r}; use for instance c6i.large"
                )
                raise PropertyError(self, "instance_types", problem)
        types = [ec2.InstanceType(name) for name in names]
        architectures = {name: kind.architecture for name, kind in zip(names, types, strict=True)}
        if len(set(architectures.values())) > 1:
            listed = ", ".join(f"{name} ({architecture.value})" for name, architecture in architectures.items())
            problem = (
                "a compute environment starts all its instances from one machine image and so has one architecture, "
                f"got {listed}; give each architecture an environment of its own"
            )
            raise PropertyError(self, "instance_types", problem)
        return types

    def _agent_policy(self, role: iam.Role) -> iam.Policy:
        stack = cdk.Stack.of(self)
        clusters, instances = (
            stack.format_arn(service="ecs", resource=resource, resource_name="*")
            for resource in ("cluster", "container-instance")
        )
        # The managed policy AmazonEC2ContainerServiceforEC2Role also allows making clusters, pulling every image and
        # writing every log of the account; no helper grants the agent's own calls alone.
        # Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/instance_IAM_role.html
        policy = iam.Policy(
            self,
            "AgentPolicy",
            roles=[role],
            statements=[
                iam.PolicyStatement(actions=["ecs:DiscoverPollEndpoint"], resources=["*"]),
                iam.PolicyStatement(
                    actions=[
                        "ecs:DeregisterContainerInstance",
                        "ecs:RegisterContainerInstance",
                        "ecs:SubmitAttachmentStateChanges",
                        "ecs:SubmitContainerStateChange",
                        "ecs:SubmitTaskStateChange",
                    ],
                    resources=[clusters],
                ),
                iam.PolicyStatement(
                    actions=["ecs:Poll", "ecs:StartTelemetrySession", "ecs:UpdateContainerInstancesState"],
                    resources=[instances],
                ),
                iam.PolicyStatement(
                    actions=["ecs:TagResource"],
                    resources=[clusters, instances],
                    conditions={"StringEquals": {"ecs:CreateAction": "RegisterContainerInstance"}},
                ),
            ],
        )
        for resource, reason in _WILDCARDS.items():
            cdk.Validations.of(policy).acknowledge(
                cdk.Acknowledgment(id=f"AwsSolutions-IAM5[Resource::{resource}]", reason=reason)
            )
        return policy

    def _launch_template(self, root_volume: cdk.Size) -> ec2.LaunchTemplate:
        size_gib = root_volume.to_gibibytes()
        if size_gib < _MIN_ROOT_VOLUME_GIB:
            problem = (
                f"the machine image of instances takes {_MIN_ROOT_VOLUME_GIB} GiB (ECS-optimised Amazon Linux 2023), "
                f"got {size_gib:g} GiB; use {_MIN_ROOT_VOLUME_GIB} GiB or more"
            )
            raise PropertyError(self, "root_volume", problem)
        return ec2.LaunchTemplate(
            self,
            "LaunchTemplate",
            http_tokens=ec2.LaunchTemplateHttpTokens.REQUIRED,
            http_put_response_hop_limit=_METADATA_HOP_LIMIT,
            block_devices=[
                ec2.BlockDevice(
                    device_name=_ROOT_DEVICE,
                    volume=ec2.BlockDeviceVolume.ebs(
                        size_gib,
                        encrypted=True,
                        volume_type=ec2.EbsDeviceVolumeType.GP3,
                        delete_on_termination=True,
                    ),
                )
            ],
        )
