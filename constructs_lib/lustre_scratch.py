"""A fast file system for a campaign of MPI jobs."""

from __future__ import annotations

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_batch as batch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_fsx as fsx
from aws_cdk import aws_s3 as s3
from constructs import Construct

from constructs_lib.instance_user_data import STAY_OUT

MOUNTED_AT: Final = "/lustre"

_LUSTRE_PORTS: Final = (ec2.Port.tcp(988), ec2.Port.tcp_range(1018, 1023))
"""Source: https://docs.aws.amazon.com/fsx/latest/LustreGuide/limit-access-security-groups.html"""


class LustreScratch(Construct):
    """An FSx for Lustre file system of type SCRATCH_2, linked to a folder of a bucket, in one zone.

    Objects of the folder are there as files from the start, and their bytes come when they are first read; files that
    jobs write go back with `lfs hsm_archive`, which is theirs to say. 0.14 USD per GiB-month of capacity, used or not.
    Nothing is replicated and there is no backup: it is scratch, and `cdk destroy` deletes it.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        vpc: ec2.IVpc,
        subnet: ec2.ISubnet,
        capacity_gib: int,
        bucket: s3.IBucket,
        prefix: str,
    ) -> None:
        """Declare it; `prefix` is the folder of the bucket and ends with a slash."""
        super().__init__(scope, construct_id)
        security_group = ec2.SecurityGroup(
            self,
            "SecurityGroup",
            vpc=vpc,
            description="Lustre: from its own servers and from MPI nodes",
            allow_all_outbound=False,
        )
        for port in _LUSTRE_PORTS:
            security_group.connections.allow_internally(port, "Lustre servers")
        linked = bucket.s3_url_for_object(prefix.removesuffix("/"))
        self._security_group = security_group
        self._file_system = fsx.LustreFileSystem(
            self,
            "FileSystem",
            vpc=vpc,
            vpc_subnet=subnet,
            security_group=security_group,
            storage_capacity_gib=capacity_gib,
            lustre_configuration=fsx.LustreConfiguration(
                deployment_type=fsx.LustreDeploymentType.SCRATCH_2,
                data_compression_type=fsx.LustreDataCompressionType.LZ4,
                import_path=linked,
                export_path=linked,
                auto_import_policy=fsx.LustreAutoImportPolicy.NEW_CHANGED_DELETED,
            ),
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        # With its rules: FSx looks for port 988 when the file system is made, and makes none that lacks it.
        # https://docs.aws.amazon.com/fsx/latest/LustreGuide/limit-access-security-groups.html
        self._file_system.node.add_dependency(security_group)

    def admit(self, client: ec2.IConnectable) -> None:
        """Let the instances of `client` mount it."""
        for port in _LUSTRE_PORTS:
            client.connections.allow_to(self._security_group, port, "Lustre")
            client.connections.allow_from(self._security_group, port, "Lustre servers to their clients")

    def mounted_at_start(self) -> ec2.UserData:
        """What an instance does before it joins: install the client and mount the file system, or not join at all."""
        commands = ec2.UserData.for_linux()
        source = f"{self._file_system.dns_name}@tcp:/{self._file_system.mount_name}"
        commands.add_commands(
            # An instance without the file system would fail every job it is given: it does not join.
            STAY_OUT,
            "set -eE",
            "dnf install -y lustre-client",
            f"mkdir -p {MOUNTED_AT}",
            f"mount -t lustre -o relatime,flock {source} {MOUNTED_AT}",
            f"chmod 1777 {MOUNTED_AT}",
        )
        return commands

    def volume(self) -> batch.EcsVolume:
        """What a container mounts at MOUNTED_AT, of its instance."""
        return batch.EcsVolume.host(name="lustre", host_path=MOUNTED_AT, container_path=MOUNTED_AT)
