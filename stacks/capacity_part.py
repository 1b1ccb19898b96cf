"""The part of the entry stack that jobs of one container run on: compute environments, and the queues before them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_batch as batch
from constructs import Construct

import deployment_outputs
from constructs_lib.batch_network import BatchNetwork
from constructs_lib.ec2_compute import Ec2Compute
from constructs_lib.fair_shares import FairShares
from constructs_lib.fargate_compute import FargateCompute
from constructs_lib.prioritised_queue import PrioritisedQueue

SHARED_FAIRLY = ("normal", "low", "ec2", "spot")
"""Queues that a fair-share policy governs, where there is one; `high` is for what must not wait its turn."""


class CapacityPart(Construct):
    """Fargate, Fargate Spot, EC2, EC2 Spot and GPUs, each where wanted, and queues that prefer one and fall back."""

    job_queues: Mapping[str, batch.IJobQueue]
    """By name, as users say it."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        network: BatchNetwork,
        fargate_max_vcpus: int,
        fargate_spot_max_vcpus: int,
        ec2_max_vcpus: int,
        ec2_spot_max_vcpus: int,
        ec2_instance_types: Sequence[str],
        gpu_max_vcpus: int,
        gpu_instance_types: Sequence[str],
        root_volume: cdk.Size,
        queue_priorities: Mapping[str, int],
        share_weights: Mapping[str, float],
        share_decay: cdk.Duration,
        share_reservation_percent: int,
        time_limits: Sequence[batch.JobStateTimeLimitAction],
    ) -> None:
        """Declare it; Spot environments with 0 vCPUs, and GPUs without types, are left out."""
        super().__init__(scope, construct_id)
        self._network = network
        self._root_volume = root_volume
        fargate = self._fargate("Fargate", fargate_max_vcpus, spot=False)
        fargate_spot = self._fargate("FargateSpot", fargate_spot_max_vcpus, spot=True)
        ec2 = self._ec2("Ec2", ec2_max_vcpus, ec2_instance_types)
        ec2_spot = self._ec2("Ec2Spot", ec2_spot_max_vcpus, ec2_instance_types, spot=True)
        environments = {
            "high": fargate,
            "normal": [*fargate, *fargate_spot],
            "low": [*fargate_spot, *fargate],
            "ec2": ec2,
            "spot": [*ec2_spot, *ec2],
        }
        if gpu_instance_types:
            environments["gpu"] = self._ec2("Gpu", gpu_max_vcpus, gpu_instance_types, has_gpus=True)
        policy = None
        if share_weights:
            policy = FairShares(
                self,
                "Shares",
                weights=share_weights,
                decay=share_decay,
                reservation_percent=share_reservation_percent,
            ).policy
        queues = {}
        for name, behind in environments.items():
            is_fair = policy is not None and name in SHARED_FAIRLY
            queues[name] = PrioritisedQueue(
                self,
                f"{'Fair' if is_fair else ''}Queue{name.capitalize()}",
                priority=queue_priorities[name],
                environments=behind,
                scheduling_policy=policy if is_fair else None,
                time_limits=time_limits,
            ).queue
        self.job_queues = queues
        for name, key in deployment_outputs.JOB_QUEUES.items():
            if name in queues or name == "gpu":
                value = queues[name].job_queue_arn if name in queues else deployment_outputs.NONE
                cdk.CfnOutput(self, key, value=value).override_logical_id(key)

    def _fargate(self, construct_id: str, max_vcpus: int, *, spot: bool) -> list[batch.IComputeEnvironment]:
        if spot and not max_vcpus:
            return []
        compute = FargateCompute(
            self,
            construct_id,
            vpc=self._network.vpc,
            subnets=self._network.subnets,
            security_group=self._network.job_security_group,
            max_vcpus=max_vcpus,
            spot=spot,
        )
        return [compute.environment]

    def _ec2(
        self,
        construct_id: str,
        max_vcpus: int,
        instance_types: Sequence[str],
        *,
        spot: bool = False,
        has_gpus: bool = False,
    ) -> list[batch.IComputeEnvironment]:
        if spot and not max_vcpus:
            return []
        compute = Ec2Compute(
            self,
            construct_id,
            vpc=self._network.vpc,
            subnets=self._network.subnets,
            security_group=self._network.job_security_group,
            max_vcpus=max_vcpus,
            instance_types=instance_types,
            root_volume=self._root_volume,
            spot=spot,
            has_gpus=has_gpus,
        )
        return [compute.environment]
