"""The stack of what changes least: the network."""

from __future__ import annotations

import aws_cdk as cdk
from constructs import Construct

from constructs_lib.batch_network import BatchNetwork


class NetworkStack(cdk.Stack):
    """The VPC that jobs run in, for the other stacks to place things in."""

    network: BatchNetwork

    def __init__(self, scope: Construct, construct_id: str, *, vpc_cidr: str, flow_log_retention_days: int) -> None:
        super().__init__(scope, construct_id, description="Cloud HPC: network of jobs")
        self.network = BatchNetwork(self, "Network", cidr=vpc_cidr, flow_log_retention_days=flow_log_retention_days)
