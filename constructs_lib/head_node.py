"""A small instance to log in to, with the commands and the file system that jobs are submitted with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from constructs_lib.batch_network import BatchNetwork
from constructs_lib.head_node_user_data import head_node_user_data
from constructs_lib.instance_types import checked_type
from constructs_lib.rule_packs import PACKS, acknowledge
from constructs_lib.shared_file_system import SharedFileSystem

INTERFACE_ENDPOINTS: Final = (
    *("ssm", "ssmmessages", "ec2messages"),
    *("batch", "cloudformation", "ec2", "ecr.api", "ecs", "logs", "sqs"),
)
"""Services that a network without a way out has interface endpoints for: what the agent calls, then what `hpc` calls.

Those that jobs call, too (`SERVICES_OF_JOBS`), are there already: a service has one endpoint.
Names as in `com.amazonaws.REGION.NAME`. S3, packages of Amazon Linux included, comes through the gateway endpoint.
"""

_HTTPS: Final = 443
_ROOT_DEVICE: Final = "/dev/xvda"

_METADATA_HOP_LIMIT: Final = 1
"""The role's credentials stay on the instance: the network of a container on it is one hop further."""

_IMAGES: Final[Mapping[ec2.InstanceArchitecture, str]] = MappingProxyType(
    {
        architecture: f"/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-{name}"
        for architecture, name in (
            (ec2.InstanceArchitecture.X86_64, "x86_64"),
            (ec2.InstanceArchitecture.ARM_64, "arm64"),
        )
    }
)
"""SSM parameter of the newest Amazon Linux 2023. Source: https://docs.aws.amazon.com/linux/al2023/ug/ec2.html"""

_AGENT_ACTIONS: Final = (
    "ssm:UpdateInstanceInformation",
    *(f"ssmmessages:{verb}{kind}Channel" for kind in ("Control", "Data") for verb in ("Create", "Open")),
    *(f"ec2messages:{verb}Message" for verb in ("Acknowledge", "Delete", "Fail")),
    *("ec2messages:GetEndpoint", "ec2messages:GetMessages", "ec2messages:SendReply"),
)
"""What Session Manager and the agent's own polling take, and no more.

The managed policy AmazonSSMManagedInstanceCore also reads every parameter and document of the account. Source:
https://docs.aws.amazon.com/systems-manager/latest/userguide/getting-started-create-iam-instance-profile.html
"""

_ACKNOWLEDGED: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(
            ("AwsSolutions-EC28", *(f"{pack}-EC2InstanceDetailedMonitoringEnabled" for pack in PACKS)),
            "Nothing scales or alarms by its metrics: a timer on the instance looks every minute, and powers it off",
        ),
        **dict.fromkeys(
            tuple(f"{pack}-EC2InstancesInVPC" for pack in PACKS),
            "It is: the rule looks for the subnet beside the network interface, which names it",
        ),
        "AwsSolutions-EC29": "What is kept lies in the bucket and the shared file system; protected from termination, "
        "the instance would make `cdk destroy` fail half-way",
    }
)
"""Rule -> why the instance does without."""


class HeadNode(Construct):
    """One instance of Amazon Linux 2023 that nothing reaches but Session Manager, and that stops itself when idle.

    It has no key pair and no inbound rule; out it may send by HTTPS, and by NFS to the shared file system. What it is
    allowed is what the agent of Session Manager needs, to read the bundle that sets it up, and what the submitters'
    policy grants. It costs its type's price while it runs (t4g.small 0.017 USD an hour, its public address 0.005), its
    volume always (0.08 a GiB-month).

    A deployment does not replace it when Amazon publishes a new image, nor when `hpc` changes; changed settings are
    taken up by a restart. A type of another architecture and another size of the volume do replace it, and what is on
    the volume is lost.
    """

    instance_id: str

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        network: BatchNetwork,
        instance_type: str,
        root_volume: cdk.Size,
        idle_timeout: cdk.Duration,
        deployment: str,
        bucket: s3.IBucket,
        bundle_key: str,
        scripts: Mapping[str, str],
        shared_file_system: SharedFileSystem | None = None,
        submitter_policies: Sequence[iam.IManagedPolicy] = (),
    ) -> None:
        """Declare it.

        Args:
            network: the instance is in the subnet of its first zone. Where the way out is a public address, it has one,
                and none elsewhere.
            idle_timeout: how long it may be unused before it stops itself.
            deployment: whose name `hpc` has as its default there.
            bundle_key: of the object in `bucket` that `hpc head-node setup` sends.
            scripts: file name -> text: boot.sh, run at every boot, and what it starts.
            submitter_policies: what `hpc` calls; left out, people there bring credentials of their own.
        """
        super().__init__(scope, construct_id)
        kind = checked_type(self, instance_type, "instance_type")
        security_group = ec2.SecurityGroup(
            self,
            "SecurityGroup",
            vpc=network.vpc,
            description="Head node: no inbound rule, HTTPS and NFS out",
            allow_all_outbound=False,
        )
        security_group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(_HTTPS), "AWS APIs, packages, S3")
        network.admit(security_group)
        policy = self._policy(bucket, bundle_key)
        if shared_file_system is not None:
            shared_file_system.admit(security_group)
            shared_file_system.grant_use(policy)
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"),
            description="Head node: Session Manager, its set-up, and what submitters may",
            managed_policies=[policy, *submitter_policies],
        )
        image = self._image(kind.architecture)
        # By the L1 because the L2 insists on an image of its own, and has a new one replace the instance.
        instance = ec2.CfnInstance(
            self,
            "Instance",
            launch_template=ec2.CfnInstance.LaunchTemplateSpecificationProperty(
                launch_template_id=image.ref, version=image.attr_latest_version_number
            ),
            instance_type=instance_type,
            iam_instance_profile=iam.InstanceProfile(self, "Profile", role=role).instance_profile_name,
            network_interfaces=[
                ec2.CfnInstance.NetworkInterfaceProperty(
                    device_index="0",
                    subnet_id=network.subnet_in(0).subnet_id,
                    group_set=[security_group.security_group_id],
                    associate_public_ip_address=network.gives_public_addresses,
                )
            ],
            block_device_mappings=[_root_volume(root_volume)],
            instance_initiated_shutdown_behavior="stop",
            propagate_tags_to_volume_on_creation=True,
            user_data=cdk.Fn.base64(
                head_node_user_data(
                    self,
                    scripts=scripts,
                    settings={
                        "HPC_DEPLOYMENT": deployment,
                        "AWS_REGION": cdk.Stack.of(self).region,
                        "BUNDLE_URL": bucket.s3_url_for_object(bundle_key),
                        "FILE_SYSTEM_ID": shared_file_system.file_system_id if shared_file_system else "",
                        "ACCESS_POINT_ID": shared_file_system.access_point_id if shared_file_system else "",
                        "HEAD_NODE_IDLE_MINUTES": f"{idle_timeout.to_minutes():g}",
                    },
                )
            ),
        )
        cdk.Tags.of(instance).add("Name", f"{deployment} head node")
        _acknowledge(instance, has_public_address=network.gives_public_addresses)
        self.instance_id = instance.ref

    def _policy(self, bucket: s3.IBucket, bundle_key: str) -> iam.ManagedPolicy:
        # By hand: no helper grants the agent's calls, and `grant_read` would let it list the bucket.
        policy = iam.ManagedPolicy(
            self,
            "Policy",
            description="Head node: Session Manager and its own set-up",
            statements=[
                iam.PolicyStatement(actions=list(_AGENT_ACTIONS), resources=["*"]),
                iam.PolicyStatement(actions=["s3:GetObject"], resources=[bucket.arn_for_objects(bundle_key)]),
            ],
        )
        if bucket.encryption_key is not None:
            policy.add_statements(
                iam.PolicyStatement(actions=["kms:Decrypt"], resources=[bucket.encryption_key.key_arn])
            )
        cdk.Validations.of(policy).acknowledge(
            cdk.Acknowledgment(
                id="AwsSolutions-IAM5[Resource::*]",
                reason="Channels and messages of the agent take no resource, and the instance, which its "
                "ssm:UpdateInstanceInformation is about, is made after its role; each call says which instance by the "
                "signature of its own credentials",
            )
        )
        return policy

    def _image(self, architecture: ec2.InstanceArchitecture) -> ec2.CfnLaunchTemplate:
        """What must never change by itself: the parameter is resolved when the instance is made, not at deployments.

        Source: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/create-launch-template.html
        """
        return ec2.CfnLaunchTemplate(
            self,
            "Image",
            launch_template_data=ec2.CfnLaunchTemplate.LaunchTemplateDataProperty(
                image_id=f"resolve:ssm:{_IMAGES[architecture]}",
                metadata_options=ec2.CfnLaunchTemplate.MetadataOptionsProperty(
                    http_tokens="required", http_put_response_hop_limit=_METADATA_HOP_LIMIT
                ),
            ),
        )


def _root_volume(size: cdk.Size) -> ec2.CfnInstance.BlockDeviceMappingProperty:
    return ec2.CfnInstance.BlockDeviceMappingProperty(
        device_name=_ROOT_DEVICE,
        ebs=ec2.CfnInstance.EbsProperty(
            volume_size=size.to_gibibytes(), volume_type="gp3", encrypted=True, delete_on_termination=True
        ),
    )


def _acknowledge(instance: ec2.CfnInstance, *, has_public_address: bool) -> None:
    for rule, reason in _ACKNOWLEDGED.items():
        cdk.Validations.of(instance).acknowledge(cdk.Acknowledgment(id=rule, reason=reason))
    if has_public_address:
        acknowledge(
            instance,
            "EC2InstanceNoPublicIp",
            "Its subnet has no other way out, to Session Manager above all; its security group has no inbound rule, so "
            "the address answers nobody",
        )
