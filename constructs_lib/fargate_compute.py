"""Capacity by the job: no machine to choose, wait for or pay between jobs."""

from __future__ import annotations

from aws_cdk import aws_batch as batch
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from constructs_lib.errors import PropertyError


class FargateCompute(Construct):
    """A compute environment on Fargate: each job gets a machine of its own size, billed per second from its start."""

    environment: batch.IComputeEnvironment

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        vpc: ec2.IVpc,
        subnets: ec2.SubnetSelection,
        security_group: ec2.ISecurityGroup,
        max_vcpus: int,
        spot: bool = False,
    ) -> None:
        """Declare the environment.

        Args:
            spot: whether jobs run on spare capacity, some 70 % cheaper and interrupted at two minutes' notice.
        """
        super().__init__(scope, construct_id)
        if max_vcpus < 1:
            problem = f"a compute environment that can run a job has at least 1 vCPU, got {max_vcpus!r}; raise it"
            raise PropertyError(self, "max_vcpus", problem)
        self.environment = batch.FargateComputeEnvironment(
            self,
            "Environment",
            vpc=vpc,
            vpc_subnets=subnets,
            security_groups=[security_group],
            maxv_cpus=max_vcpus,
            spot=spot,
        )
