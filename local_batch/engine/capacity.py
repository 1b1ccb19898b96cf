"""Who holds how much: vCPUs of each compute environment; vCPUs, memory and GPUs of this machine."""

from __future__ import annotations

import heapq
from collections import defaultdict
from dataclasses import dataclass

from local_batch.engine.jobs import Claim, Container, Job, Profile
from local_batch.engine.resources import ComputeEnvironment, Platform

MAX_RESOURCE = (
    "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - CE(s) associated with the job queue cannot meet the CPU "
    "requirement of the job."
)
JOB_REQUIREMENT = (
    "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - The job resource requirement (vCPU/memory/GPU) is higher than that "
    "can be met by the CE(s) attached to the job queue."
)

MAX_CLAIMS_KEPT = 4096
"""Of one compute environment, in a ClaimTable."""


@dataclass(frozen=True, slots=True)
class HostCapacity:
    """What this machine gives to jobs: a bound over all compute environments, as an account's quota is on AWS."""

    vcpus: float
    memory_mib: int
    gpus: int = 0


def never_fits(
    environment: ComputeEnvironment, profile: Profile, claim: Claim | None, host: HostCapacity
) -> str | None:
    """AWS's reason why a job with this profile and claim can never be placed here, however idle all is, or None.

    One that is too large for the environment as well as for its instance types is told of the former.
    Source of the texts: https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable.html
    """
    if (profile.vcpus if claim is None else claim.environment_vcpus) > environment.max_vcpus:
        return MAX_RESOURCE
    if claim is None or claim.memory_mib > host.memory_mib or claim.gpus > host.gpus:
        return JOB_REQUIREMENT
    return None


class ClaimTable:
    """What jobs take of compute environments: worked out once for all that have a profile in common."""

    def __init__(self) -> None:
        self._claims: defaultdict[str, dict[str, Claim | None]] = defaultdict(dict)

    def claim_of(self, environment: ComputeEnvironment, job: Job) -> Claim | None:
        """What the job takes as a whole; None where no instance that the environment may launch holds a container."""
        claims, key = self._claims[environment.arn], job.profile.key
        if key not in claims:
            if len(claims) == MAX_CLAIMS_KEPT:
                claims.clear()
            claims[key] = _whole_claim(environment, job.profile)
        return claims[key]

    def forget(self, environment_arn: str) -> None:
        """The environment is another one now, or gone."""
        self._claims.pop(environment_arn, None)


def _whole_claim(environment: ComputeEnvironment, profile: Profile) -> Claim | None:
    if profile.num_nodes is None:
        return container_claim(environment, profile.containers[0], is_node=False)
    # https://docs.aws.amazon.com/batch/latest/userguide/multi-node-parallel-jobs.html: on demand only.
    if environment.is_spot:
        return None
    total = Claim()
    for node in range(profile.num_nodes):
        claim = container_claim(environment, profile.container_of(node), is_node=True)
        if claim is None:
            return None
        total = total.plus(claim)
    return total


def container_claim(environment: ComputeEnvironment, container: Container, *, is_node: bool) -> Claim | None:
    """What one container takes.

    A node has an instance for itself, so that the environment's vCPUs shrink by all that the instance has: the
    smallest that holds the node. https://docs.aws.amazon.com/batch/latest/userguide/multi-node-parallel-jobs.html
    """
    demand = container.demand
    environment_vcpus = demand.vcpus
    if environment.platform is Platform.EC2:
        fitting = [
            size.vcpus
            for size in environment.instance_sizes
            if size.vcpus >= demand.vcpus
            and size.memory_mib >= demand.memory_mib
            and size.gpus >= demand.gpus
            and container.instance_type in (None, size.name)
        ]
        if not fitting:
            return None
        if is_node:
            environment_vcpus = min(fitting)
    return Claim(environment_vcpus, demand.vcpus, demand.memory_mib, demand.gpus)


class CapacityLedger:
    """What is reserved at the moment. Never lets a sum exceed its bound, with one exception.

    A job with more vCPUs than the machine has gets all of it while nothing else runs: a vCPU here is counted, not
    enforced, and a laptop could otherwise never try what is meant for a larger instance.
    """

    def __init__(self, host: HostCapacity) -> None:
        self.host = host
        self.host_vcpus = 0.0
        self.host_memory_mib = 0
        self.host_gpus = 0
        self.environment_vcpus: defaultdict[str, float] = defaultdict(float)

    def fits_now(self, environment: ComputeEnvironment, claim: Claim, reserved_vcpus: float = 0.0) -> bool:
        """Whether the claim could be reserved at once, leaving `reserved_vcpus` of the environment free.

        A reservation that leaves less than the first job wants does not keep an idle environment from it.
        """
        used = self.environment_vcpus[environment.arn]
        after = used + claim.environment_vcpus
        if after > environment.max_vcpus or (used and after > environment.max_vcpus - reserved_vcpus):
            return False
        return (
            (self.host_vcpus + claim.vcpus <= self.host.vcpus or not self.host_vcpus)
            and self.host_memory_mib + claim.memory_mib <= self.host.memory_mib
            and self.host_gpus + claim.gpus <= self.host.gpus
        )

    def reserve(self, environment_arn: str, claim: Claim) -> None:
        """Hold the claim; the caller has asked fits_now."""
        self.environment_vcpus[environment_arn] += claim.environment_vcpus
        self.host_vcpus += claim.vcpus
        self.host_memory_mib += claim.memory_mib
        self.host_gpus += claim.gpus

    def release(self, environment_arn: str, claim: Claim) -> None:
        """Give back what reserve took."""
        self.environment_vcpus[environment_arn] -= claim.environment_vcpus
        self.host_vcpus -= claim.vcpus
        self.host_memory_mib -= claim.memory_mib
        self.host_gpus -= claim.gpus


class AddressPool:
    """Numbers for the addresses of nodes: always the lowest that is free, so that a replay gives the same."""

    def __init__(self) -> None:
        self._free: list[int] = []
        self._next = 0

    def take(self) -> int:
        """A number that nobody else has."""
        if self._free:
            return heapq.heappop(self._free)
        self._next += 1
        return self._next - 1

    def give_back(self, number: int) -> None:
        """Somebody else may have it."""
        heapq.heappush(self._free, number)
