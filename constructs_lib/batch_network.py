"""The network that jobs run in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from constructs_lib.errors import PropertyError
from constructs_lib.network_mode import NetworkMode
from constructs_lib.service_endpoints import ServiceEndpoints

_HTTPS: Final = 443


class BatchNetwork(Construct):
    """Subnets that nothing can reach from outside, with a way out for jobs.

    Jobs reach AWS's APIs and image registries as the mode says, S3 through a gateway endpoint. No security group has an
    inbound rule from outside, so the public addresses of mode PUBLIC answer nobody.
    """

    vpc: ec2.IVpc
    subnets: ec2.SubnetSelection
    """Where compute environments place jobs."""
    job_security_group: ec2.ISecurityGroup
    """For compute environments: no inbound rule, HTTPS out."""
    gives_public_addresses: bool
    """Whether a job has a public address, which is then its way out."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        vpc: ec2.IVpc,
        subnets: Sequence[ec2.ISubnet],
        mode: NetworkMode = NetworkMode.PUBLIC,
        endpoint_services: Sequence[str] = (),
    ) -> None:
        """Declare what jobs need in the VPC.

        Args:
            subnets: for jobs, one a zone.
            endpoint_services: what has an interface endpoint here; none where something else is the way out.
        """
        super().__init__(scope, construct_id)
        self.vpc = vpc
        self.subnets = ec2.SubnetSelection(subnets=subnets)
        self.gives_public_addresses = mode is NetworkMode.PUBLIC
        self.job_security_group = ec2.SecurityGroup(
            self,
            "JobSecurityGroup",
            vpc=vpc,
            description="Batch jobs: no inbound rule, HTTPS out",
            allow_all_outbound=False,
        )
        # Names are resolved by the VPC's own resolver, which security groups do not govern.
        self.job_security_group.add_egress_rule(
            ec2.Peer.any_ipv4(), ec2.Port.tcp(_HTTPS), "AWS APIs, image registries, S3"
        )
        self._zones = list(subnets)
        self._endpoints = None
        if endpoint_services:
            self._endpoints = ServiceEndpoints(
                self, "Endpoints", vpc=vpc, subnets=self.subnets, services=endpoint_services
            )
            self._endpoints.admit(self.job_security_group)

    def admit(self, client: ec2.IConnectable) -> None:
        """Let instances of a security group other than `job_security_group` reach AWS's services, too."""
        if self._endpoints is not None:
            self._endpoints.admit(client)

    def zone(self, index: int) -> ec2.SubnetSelection:
        """The subnet in one zone of the network, counted from 0; for what has to lie close together."""
        return ec2.SubnetSelection(subnets=[self.subnet_in(index)])

    def subnet_in(self, index: int) -> ec2.ISubnet:
        """The subnet itself."""
        if not 0 <= index < len(self._zones):
            problem = f"the network has zones 0 to {len(self._zones) - 1}, got {index!r}; choose one of these"
            raise PropertyError(self, "zone", problem)
        return self._zones[index]
