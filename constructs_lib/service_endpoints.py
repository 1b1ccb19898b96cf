"""The way to AWS's services from subnets that have no other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from constructs_lib.errors import PropertyError

_HTTPS: Final = 443

SERVICES_OF_JOBS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ecr.api": "what an image consists of",
        "ecr.dkr": "the image itself, whose layers come from S3",
        "logs": "the output of jobs",
        "secretsmanager": "the secret of MPI nodes",
        "ecs": "instances register",
        "ecs-agent": "instances are told what to start",
        "ecs-telemetry": "instances say how they are",
    }
)
"""Exactly what jobs on Fargate and EC2 need besides S3, which has a gateway endpoint; the last three are for EC2.

Sources: https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html and
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/vpc-endpoints.html
"""


class ServiceEndpoints(Construct):
    """An interface endpoint for each service, in each of the subnets; 0.01 USD an hour each and zone, used or not.

    They take HTTPS from whom they are told to, by security group, and from nobody else.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        vpc: ec2.IVpc,
        subnets: ec2.SubnetSelection,
        services: Sequence[str],
    ) -> None:
        """Declare them; `services` by the last part of their endpoints' names, such as `ecr.api`."""
        super().__init__(scope, construct_id)
        if len(set(services)) < len(services):
            problem = f"each service has one endpoint, got {', '.join(services)}; drop the repetition"
            raise PropertyError(self, "services", problem)
        security_group = ec2.SecurityGroup(
            self,
            "SecurityGroup",
            vpc=vpc,
            description="Interface endpoints: HTTPS from jobs",
            allow_all_outbound=False,
        )
        for service in services:
            ec2.InterfaceVpcEndpoint(
                self,
                "".join(part.capitalize() for part in service.replace("-", ".").split(".")),
                vpc=vpc,
                subnets=subnets,
                service=ec2.InterfaceVpcEndpointAwsService(service),
                security_groups=[security_group],
                # By default the whole VPC could speak to it.
                open=False,
                private_dns_enabled=True,
            )
        self._security_group = security_group

    def admit(self, client: ec2.IConnectable) -> None:
        """Let `client` reach the services. The rules are of the client's stack."""
        client.connections.allow_to(self._security_group, ec2.Port.tcp(_HTTPS), "AWS services")
