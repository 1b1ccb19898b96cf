"""Who holds how much: vCPUs of each compute environment, vCPUs and memory of this machine."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from local_batch.engine.jobs import Demand
from local_batch.engine.resources import ComputeEnvironment, Platform

MAX_RESOURCE = (
    "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - CE(s) associated with the job queue cannot meet the CPU "
    "requirement of the job."
)
JOB_REQUIREMENT = (
    "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - The job resource requirement (vCPU/memory/GPU) is higher than that "
    "can be met by the CE(s) attached to the job queue."
)


@dataclass(frozen=True, slots=True)
class HostCapacity:
    """What this machine gives to jobs: a bound over all compute environments, as an account's quota is on AWS."""

    vcpus: float
    memory_mib: int


def never_fits(environment: ComputeEnvironment, demand: Demand, host: HostCapacity) -> str | None:
    """AWS's reason why this demand can never be met here, however idle everything is; None where it can.

    Source of the texts: https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable.html
    """
    if demand.vcpus > environment.max_vcpus:
        return MAX_RESOURCE
    on_fargate = environment.platform is Platform.FARGATE
    if not on_fargate and not any(
        size.vcpus >= demand.vcpus and size.memory_mib >= demand.memory_mib and size.gpus >= demand.gpus
        for size in environment.instance_sizes
    ):
        return JOB_REQUIREMENT
    if demand.vcpus > host.vcpus or demand.memory_mib > host.memory_mib:
        return JOB_REQUIREMENT
    return None


class CapacityLedger:
    """What is reserved at the moment. Never lets a sum exceed its bound."""

    def __init__(self, host: HostCapacity) -> None:
        self.host = host
        self.host_vcpus = 0.0
        self.host_memory_mib = 0
        self.environment_vcpus: defaultdict[str, float] = defaultdict(float)

    def fits_now(self, environment: ComputeEnvironment, demand: Demand) -> bool:
        """Whether the demand could be reserved at once."""
        return (
            self.environment_vcpus[environment.arn] + demand.vcpus <= environment.max_vcpus
            and self.host_vcpus + demand.vcpus <= self.host.vcpus
            and self.host_memory_mib + demand.memory_mib <= self.host.memory_mib
        )

    def reserve(self, environment_arn: str, demand: Demand) -> None:
        """Hold the demand; the caller has asked fits_now."""
        self.environment_vcpus[environment_arn] += demand.vcpus
        self.host_vcpus += demand.vcpus
        self.host_memory_mib += demand.memory_mib

    def release(self, environment_arn: str, demand: Demand) -> None:
        """Give back what reserve took."""
        self.environment_vcpus[environment_arn] -= demand.vcpus
        self.host_vcpus -= demand.vcpus
        self.host_memory_mib -= demand.memory_mib
