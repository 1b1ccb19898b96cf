"""A network for tests of what is placed in one. CDK is imported inside: see test_refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aws_cdk import Stack

    from constructs_lib.batch_network import BatchNetwork


def build_network(stack: Stack) -> BatchNetwork:
    """Two zones with public subnets."""
    from constructs_lib.batch_network import BatchNetwork
    from constructs_lib.job_vpc import JobVpc

    place = JobVpc(stack, "Vpc", cidr="10.0.0.0/16", flow_log_retention_days=7)
    return BatchNetwork(stack, "Network", vpc=place.vpc, subnets=place.subnets)
