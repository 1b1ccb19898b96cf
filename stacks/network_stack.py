"""The stack of what changes least: the network."""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from constructs import Construct

from constructs_lib.batch_network import BatchNetwork
from constructs_lib.job_vpc import BorrowedVpc, JobVpc
from constructs_lib.network_mode import NetworkMode
from constructs_lib.service_endpoints import SERVICES_OF_JOBS


class NetworkStack(cdk.Stack):
    """The network that jobs run in, for the other stacks to place things in."""

    network: BatchNetwork

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        mode: NetworkMode,
        zones: int,
        nat_gateways: int,
        vpc_cidr: str,
        flow_log_retention_days: int,
        further_services: Sequence[str],
    ) -> None:
        """Declare the network in a VPC of its own; `further_services` get interface endpoints besides those of jobs."""
        super().__init__(scope, construct_id, description="Cloud HPC: network of jobs")
        place = JobVpc(
            self,
            "Vpc",
            cidr=vpc_cidr,
            flow_log_retention_days=flow_log_retention_days,
            mode=mode,
            zones=zones,
            nat_gateways=nat_gateways,
        )
        services = [*SERVICES_OF_JOBS, *further_services] if mode is NetworkMode.ENDPOINTS else []
        self.network = BatchNetwork(
            self, "Network", vpc=place.vpc, subnets=place.subnets, mode=mode, endpoint_services=services
        )


class BorrowedNetworkStack(cdk.Stack):
    """The same in a VPC that is there already, whose owner sees to the way out of its subnets."""

    network: BatchNetwork

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        mode: NetworkMode,
        vpc_id: str,
        availability_zones: Sequence[str],
        subnet_ids: Sequence[str],
    ) -> None:
        """Declare what jobs need in that VPC."""
        super().__init__(scope, construct_id, description="Cloud HPC: network of jobs")
        place = BorrowedVpc(
            self,
            "Vpc",
            vpc_id=vpc_id,
            availability_zones=availability_zones,
            subnet_ids=subnet_ids,
            mode=mode,
        )
        self.network = BatchNetwork(self, "Network", vpc=place.vpc, subnets=place.subnets, mode=mode)
