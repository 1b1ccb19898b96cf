"""Capacity by the instance: for jobs that outgrow Fargate or want a named machine."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_batch as batch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from constructs_lib.errors import PropertyError
from constructs_lib.instance_types import checked_types
from constructs_lib.instance_user_data import instance_user_data
from constructs_lib.rule_packs import INLINE_POLICY, acknowledge
from instance_type_facts import has_efa, vcpus_of

_MIN_ROOT_VOLUME_GIB: Final = 30
"""Size of the image that instances start from: the ECS-optimised Amazon Linux 2023.

Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-optimized_AMI.html
"""

_ROOT_DEVICE: Final = "/dev/xvda"

_METADATA_HOP_LIMIT: Final = 1
"""Keeps the instance's credentials from containers behind a bridge, whose network is one hop further.

Batch gives its jobs the network of the instance or an interface of their own, where no hop is in between:
instance_user_data has what keeps those off.
"""

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

    An instance has an encrypted gp3 root volume, answers only IMDSv2 and of its containers those alone that run as root
    on its own network, and may do what the ECS agent needs and no more: a job definition brings its own execution role
    to pull its image and write its log.
    """

    environment: batch.ManagedEc2EcsComputeEnvironment

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
        placement_group: ec2.IPlacementGroup | None = None,
        use_efa: bool = False,
        spot: bool = False,
        has_gpus: bool = False,
        user_data: ec2.UserData | None = None,
    ) -> None:
        """Declare the environment.

        Args:
            placement_group: left out, instances start wherever a zone of `subnets` has room.
            use_efa: whether instances start with an Elastic Fabric Adapter as their network interface, at no charge;
                every type has to have one.
            spot: whether instances are Spot capacity, of the types that are least likely to be interrupted and, among
                these, cheapest: https://docs.aws.amazon.com/batch/latest/userguide/allocation-strategies.html
            has_gpus: whether instances start from the image with NVIDIA's driver; every type has to have GPUs.
            user_data: commands that an instance runs when it is made, before it joins. Left out, it only shields its
                credentials.
        """
        super().__init__(scope, construct_id)
        types = checked_types(self, instance_types)
        self._refuse_too_few_vcpus(max_vcpus, instance_types)
        if use_efa:
            self._refuse_types_without_efa(instance_types)
        role = iam.Role(
            self,
            "InstanceRole",
            assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"),
            description="ECS agent of the instances that run Batch jobs",
        )
        launch_template = self._launch_template(root_volume, security_group if use_efa else None, user_data)
        environment = batch.ManagedEc2EcsComputeEnvironment(
            self,
            "Environment",
            vpc=vpc,
            vpc_subnets=subnets,
            security_groups=[security_group],
            minv_cpus=0,
            maxv_cpus=max_vcpus,
            spot=spot,
            allocation_strategy=(
                batch.AllocationStrategy.SPOT_PRICE_CAPACITY_OPTIMIZED
                if spot
                else batch.AllocationStrategy.BEST_FIT_PROGRESSIVE
            ),
            instance_types=types,
            # Otherwise "optimal" is appended to the named types: https://github.com/aws/aws-cdk/issues/25562
            use_optimal_instance_classes=False,
            images=[
                batch.EcsMachineImage(
                    image_type=(
                        batch.EcsMachineImageType.ECS_AL2023_NVIDIA
                        if has_gpus
                        else batch.EcsMachineImageType.ECS_AL2023
                    )
                )
            ],
            instance_role=role,
            launch_template=launch_template,
            placement_group=placement_group,
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

    def _refuse_too_few_vcpus(self, max_vcpus: int, instance_types: Sequence[str]) -> None:
        if max_vcpus < 1:
            problem = f"a compute environment that can run a job has at least 1 vCPU, got {max_vcpus!r}; raise it"
            raise PropertyError(self, "max_vcpus", problem)
        sizes = {name: vcpus_of(name) for name in instance_types}
        known = {name: vcpus for name, vcpus in sizes.items() if vcpus is not None}
        if len(known) == len(sizes) and max_vcpus < min(known.values()):
            smallest = min(known, key=known.__getitem__)
            problem = (
                "a compute environment that can run a job has the vCPUs of one instance at least "
                f"({smallest} has {known[smallest]}), got {max_vcpus!r}; raise it, or name a smaller type"
            )
            raise PropertyError(self, "max_vcpus", problem)

    def _refuse_types_without_efa(self, instance_types: Sequence[str]) -> None:
        without = [name for name in instance_types if not has_efa(name)]
        if without:
            problem = (
                "every instance type has an Elastic Fabric Adapter "
                "(https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/efa.html), "
                f"got {', '.join(without)}; use for instance hpc6a.48xlarge or c6i.32xlarge, or do without the adapter"
            )
            raise PropertyError(self, "instance_types", problem)

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
        acknowledge(policy, "IAMNoInlinePolicy", INLINE_POLICY)
        cdk.Validations.of(policy).acknowledge(
            *(
                cdk.Acknowledgment(id=f"AwsSolutions-IAM5[Resource::{resource}]", reason=reason)
                for resource, reason in _WILDCARDS.items()
            )
        )
        return policy

    def _launch_template(
        self, root_volume: cdk.Size, efa_group: ec2.ISecurityGroup | None, user_data: ec2.UserData | None
    ) -> ec2.LaunchTemplate:
        size_gib = root_volume.to_gibibytes()
        if size_gib < _MIN_ROOT_VOLUME_GIB:
            problem = (
                f"the machine image of instances takes {_MIN_ROOT_VOLUME_GIB} GiB (ECS-optimised Amazon Linux 2023), "
                f"got {size_gib:g} GiB; use {_MIN_ROOT_VOLUME_GIB} GiB or more"
            )
            raise PropertyError(self, "root_volume", problem)
        template = ec2.LaunchTemplate(
            self,
            "LaunchTemplate",
            http_tokens=ec2.LaunchTemplateHttpTokens.REQUIRED,
            http_put_response_hop_limit=_METADATA_HOP_LIMIT,
            user_data=instance_user_data(user_data),
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
        if efa_group is not None:
            resource = template.node.default_child
            assert isinstance(resource, ec2.CfnLaunchTemplate)
            # By escape hatch: the L2 has no property for network interfaces.
            resource.add_property_override("LaunchTemplateData.NetworkInterfaces", [_efa_interface(efa_group)])
        return template


def _efa_interface(security_group: ec2.ISecurityGroup) -> dict[str, object]:
    """The one interface of an instance, of type EFA, in the subnet that Batch chooses and with its public address.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/efa.html
    """
    return {
        "DeviceIndex": 0,
        "InterfaceType": "efa",
        "Groups": [security_group.security_group_id],
        "DeleteOnTermination": True,
    }
