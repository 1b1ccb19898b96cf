"""A file system that all jobs see at one path."""

from __future__ import annotations

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_batch as batch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_efs as efs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from constructs_lib.rule_packs import acknowledge

MOUNTED_AT: Final = "/shared"

_USER: Final = "1000"
_DIRECTORY: Final = "/shared"


class SharedFileSystem(Construct):
    """An EFS file system, encrypted, with one access point and a mount target in every zone of jobs.

    Whoever mounts it through the access point is user and group 1000 and sees its directory alone, whatever user an
    image has. It costs stored bytes (0.30 USD per GB-month, 0.016 once unread for 30 days) and, since throughput is
    elastic, 0.03 per GB read and 0.06 per GB written; nothing by the hour.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        vpc: ec2.IVpc,
        subnets: ec2.SubnetSelection,
        clients: ec2.IConnectable,
        retain: bool,
        key: kms.IKey | None = None,
    ) -> None:
        """Declare the file system.

        Args:
            clients: whose jobs may connect to its mount targets; `admit` lets others in.
            key: encrypts it at rest, from its creation on: another key is another file system. Left out, EFS's own.
            retain: whether `cdk destroy` leaves it, and what is in it, behind.
        """
        super().__init__(scope, construct_id)
        security_group = ec2.SecurityGroup(
            self,
            "SecurityGroup",
            vpc=vpc,
            description="Shared file system: NFS from jobs",
            allow_all_outbound=False,
        )
        self._file_system = efs.FileSystem(
            self,
            "FileSystem",
            vpc=vpc,
            vpc_subnets=subnets,
            security_group=security_group,
            encrypted=True,
            kms_key=key,
            file_system_policy=_only_over_tls(),
            # The L2 would otherwise add a statement that gives its root user to everyone who may mount it.
            allow_anonymous_access=True,
            throughput_mode=efs.ThroughputMode.ELASTIC,
            lifecycle_policy=efs.LifecyclePolicy.AFTER_30_DAYS,
            out_of_infrequent_access_policy=efs.OutOfInfrequentAccessPolicy.AFTER_1_ACCESS,
            removal_policy=cdk.RemovalPolicy.RETAIN if retain else cdk.RemovalPolicy.DESTROY,
        )
        acknowledge(
            self._file_system,
            "EFSInBackupPlan",
            "For files that jobs share while they work; what is to last goes to the bucket, which keeps versions",
        )
        self._access_point = self._file_system.add_access_point(
            "AccessPoint",
            path=_DIRECTORY,
            create_acl=efs.Acl(owner_uid=_USER, owner_gid=_USER, permissions="750"),
            posix_user=efs.PosixUser(uid=_USER, gid=_USER),
        )
        self._file_system.connections.allow_default_port_from(clients, "NFS from jobs")

    def admit(self, client: ec2.IConnectable) -> None:
        """Let `client` connect, too. The rules are of the client's stack."""
        client.connections.allow_to_default_port(self._file_system, "NFS from jobs")

    def volume(self) -> batch.EcsVolume:
        """What a container mounts at MOUNTED_AT: over TLS, through the access point, by right of its job role."""
        return batch.EcsVolume.efs(
            name="shared",
            file_system=self._file_system,
            container_path=MOUNTED_AT,
            access_point_id=self._access_point.access_point_id,
            enable_transit_encryption=True,
            use_job_role=True,
        )

    def grant_use(self, role: iam.IRole) -> None:
        """Let `role` read and write what the access point leads to, as the access point's user."""
        # By hand because `grant_read_write` does not bind to the access point.
        role.add_to_principal_policy(
            iam.PolicyStatement(
                actions=["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"],
                resources=[self._file_system.file_system_arn],
                conditions={
                    "Bool": {"elasticfilesystem:AccessedViaMountTarget": "true"},
                    "ArnEquals": {"elasticfilesystem:AccessPointArn": self._access_point.access_point_arn},
                },
            )
        )


def _only_over_tls() -> iam.PolicyDocument:
    """Refuse all that is not encrypted; and where a policy is set, nobody has access without a role that grants it.

    Source: https://docs.aws.amazon.com/efs/latest/ug/iam-access-control-nfs-efs.html
    """
    return iam.PolicyDocument(
        statements=[
            iam.PolicyStatement(
                effect=iam.Effect.DENY,
                principals=[iam.AnyPrincipal()],
                actions=["*"],
                conditions={"Bool": {"aws:SecureTransport": "false"}},
            )
        ]
    )
