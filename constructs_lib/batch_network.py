"""The network that jobs run in."""

from __future__ import annotations

import ipaddress
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_logs as logs
from constructs import Construct

from constructs_lib.errors import PropertyError
from constructs_lib.log_retention import log_retention

ZONES: Final = 2
"""As many as a template that is not bound to a region can count on; a job runs in whichever has capacity."""

_LARGEST_VPC_PREFIX: Final = 16
_SMALLEST_VPC_PREFIX: Final = 24
"""/28 is AWS's bound; two /25 subnets of 123 usable addresses are the least worth having, one address a job."""

_HTTPS: Final = 443


class BatchNetwork(Construct):
    """Public subnets over two zones that nothing can reach from outside, at no cost while idle.

    Jobs reach AWS's APIs and image registries through the internet gateway from public addresses of their own, S3
    through a gateway endpoint. An address costs 0.005 USD an hour while its job or instance runs; a NAT gateway (0.045
    an hour and zone) or interface endpoints (0.01 an hour, each and zone) would cost while nothing runs. No security
    group has an inbound rule, so the public addresses answer nobody.
    """

    vpc: ec2.IVpc
    subnets: ec2.SubnetSelection
    """Where compute environments place jobs."""
    job_security_group: ec2.ISecurityGroup
    """For compute environments: no inbound rule, HTTPS out."""

    def __init__(self, scope: Construct, construct_id: str, *, cidr: str, flow_log_retention_days: int) -> None:
        super().__init__(scope, construct_id)
        self._refuse_bad_cidr(cidr)
        vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(cidr),
            max_azs=ZONES,
            nat_gateways=0,
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="Public",
                    subnet_type=ec2.SubnetType.PUBLIC,
                    map_public_ip_on_launch=True,
                )
            ],
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
        vpc.add_flow_log("FlowLog", destination=ec2.FlowLogDestination.to_cloud_watch_logs(log_group))
        security_group = ec2.SecurityGroup(
            self,
            "JobSecurityGroup",
            vpc=vpc,
            description="Batch jobs: no inbound rule, HTTPS out",
            allow_all_outbound=False,
        )
        # Names are resolved by the VPC's own resolver, which security groups do not govern.
        security_group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(_HTTPS), "AWS APIs, image registries, S3")
        self.vpc = vpc
        self.subnets = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PUBLIC)
        self.job_security_group = security_group

    def zone(self, index: int) -> ec2.SubnetSelection:
        """The subnet in one zone of the network, counted from 0; for what has to lie close together."""
        if not 0 <= index < ZONES:
            problem = f"the network has zones 0 to {ZONES - 1}, got {index!r}; choose one of these"
            raise PropertyError(self, "zone", problem)
        return ec2.SubnetSelection(subnets=[self.vpc.public_subnets[index]])

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
