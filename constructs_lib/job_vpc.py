"""Where the network of jobs lies: a VPC that is made for them, or one that is there already."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_logs as logs
from constructs import Construct

from constructs_lib.errors import PropertyError
from constructs_lib.log_retention import log_retention
from constructs_lib.network_mode import NetworkMode
from constructs_lib.rule_packs import INLINE_POLICY, KEY_OF_LOGS, acknowledge

_LARGEST_VPC_PREFIX: Final = 16
_SMALLEST_VPC_PREFIX: Final = 24
"""/28 is AWS's bound; /26 subnets of 59 usable addresses are the least worth having, one address a job."""

_ZONES_OF_ANY_REGION: Final = 2
"""As many as CDK counts on in a template that is not bound to a region."""

_GATEWAY_SUBNET_MASK: Final = 28
"""AWS's least: a NAT gateway takes one address."""

_SUBNET_BITS: Final = 2
"""Of a range, so that there is room for four zones: where the range were shared out among those in use, one zone more
would replace every subnet that there is.
"""


class JobVpc(Construct):
    """A VPC over some zones, with the subnets that a mode asks for, a flow log, and S3 through a gateway endpoint."""

    vpc: ec2.IVpc
    subnets: Sequence[ec2.ISubnet]
    """For jobs, one a zone."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        cidr: str,
        flow_log_retention_days: int,
        mode: NetworkMode = NetworkMode.PUBLIC,
        zones: int = _ZONES_OF_ANY_REGION,
        nat_gateways: int = 1,
    ) -> None:
        """Declare the VPC; `nat_gateways` counts in mode NAT only, and one a zone survives the loss of a zone."""
        super().__init__(scope, construct_id)
        self._refuse_bad_cidr(cidr)
        vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(cidr),
            availability_zones=_zones(zones) if zones > _ZONES_OF_ANY_REGION else None,
            max_azs=zones if zones <= _ZONES_OF_ANY_REGION else None,
            nat_gateways=nat_gateways if mode is NetworkMode.NAT else 0,
            subnet_configuration=_subnet_configuration(mode, ipaddress.IPv4Network(cidr).prefixlen + _SUBNET_BITS),
            gateway_endpoints={"S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3)},
            # Emptying the default group takes a Lambda-backed custom resource. It is left as AWS makes it, open to
            # its own members only, and has none: every environment is given its group.
            restrict_default_security_group=False,
        )
        log_group = logs.LogGroup(
            self,
            "FlowLogGroup",
            retention=log_retention(self, flow_log_retention_days),
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        acknowledge(log_group, "CloudWatchLogGroupEncrypted", KEY_OF_LOGS)
        acknowledge(
            vpc, "VPCDefaultSecurityGroupClosed", "Nothing is in the default group; to empty it takes a function"
        )
        for subnet in vpc.public_subnets:
            acknowledge(
                subnet, "VPCNoUnrestrictedRouteToIGW", "The way out: of jobs in mode PUBLIC, of gateways in NAT"
            )
            if mode is NetworkMode.PUBLIC:
                acknowledge(
                    subnet,
                    "VPCSubnetAutoAssignPublicIpDisabled",
                    "Instances have no other way out in this mode; no security group lets anything in",
                )
        flow_log = vpc.add_flow_log("FlowLog", destination=ec2.FlowLogDestination.to_cloud_watch_logs(log_group))
        acknowledge(flow_log, "IAMNoInlinePolicy", INLINE_POLICY)
        self.vpc = vpc
        self.subnets = {
            NetworkMode.PUBLIC: vpc.public_subnets,
            NetworkMode.NAT: vpc.private_subnets,
            NetworkMode.ENDPOINTS: vpc.isolated_subnets,
        }[mode]

    def _refuse_bad_cidr(self, cidr: str) -> None:
        rule = (
            f"a VPC's IPv4 range has a prefix of /{_LARGEST_VPC_PREFIX} to /{_SMALLEST_VPC_PREFIX} and no host bits "
            "(https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html)"
        )
        try:
            network = ipaddress.IPv4Network(cidr)
        except ValueError as error:
            raise PropertyError(self, "cidr", f"{rule}, got {cidr!r}; {error}") from error
        if not _LARGEST_VPC_PREFIX <= network.prefixlen <= _SMALLEST_VPC_PREFIX:
            raise PropertyError(self, "cidr", f"{rule}, got {cidr!r}; use for instance 10.64.0.0/16")


class BorrowedVpc(Construct):
    """A VPC that is there already, as it stands: nothing is looked up, and nothing is added to it but what jobs need.

    Its subnets are of the kind that the mode says, and have the way out that the mode says.
    """

    vpc: ec2.IVpc
    subnets: Sequence[ec2.ISubnet]

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        vpc_id: str,
        availability_zones: Sequence[str],
        subnet_ids: Sequence[str],
        mode: NetworkMode,
    ) -> None:
        """Name it; `subnet_ids` are as many as zones, in their order."""
        super().__init__(scope, construct_id)
        is_public = mode is NetworkMode.PUBLIC
        self.vpc = ec2.Vpc.from_vpc_attributes(
            self,
            "Vpc",
            vpc_id=vpc_id,
            availability_zones=list(availability_zones),
            public_subnet_ids=list(subnet_ids) if is_public else None,
            private_subnet_ids=None if is_public else list(subnet_ids),
        )
        self.subnets = self.vpc.public_subnets if is_public else self.vpc.private_subnets
        for subnet in self.subnets:
            cdk.Validations.of(subnet).acknowledge(
                cdk.Acknowledgment(
                    id="Annotation::@aws-cdk/aws-ec2:noSubnetRouteTableId",
                    reason="Its route table is its owner's: no route is added here, so that nothing asks for it",
                )
            )


def _zones(count: int) -> list[str]:
    return [cdk.Fn.select(index, cdk.Fn.get_azs()) for index in range(count)]


def _subnet_configuration(mode: NetworkMode, mask: int) -> list[ec2.SubnetConfiguration]:
    """Jobs' subnets, and in mode NAT small public ones for the gateways alone."""
    if mode is NetworkMode.PUBLIC:
        public = ec2.SubnetType.PUBLIC
        return [
            ec2.SubnetConfiguration(name="Public", subnet_type=public, cidr_mask=mask, map_public_ip_on_launch=True)
        ]
    if mode is NetworkMode.ENDPOINTS:
        return [ec2.SubnetConfiguration(name="Jobs", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED, cidr_mask=mask)]
    return [
        ec2.SubnetConfiguration(
            name="Gateways",
            subnet_type=ec2.SubnetType.PUBLIC,
            cidr_mask=_GATEWAY_SUBNET_MASK,
            map_public_ip_on_launch=False,
        ),
        # The gateways' subnets take the beginning of the range.
        ec2.SubnetConfiguration(name="Jobs", subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS, cidr_mask=mask + 1),
    ]
