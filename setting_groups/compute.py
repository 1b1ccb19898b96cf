"""Settings of what jobs of one container run on, and of the queues they wait in."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from batch_limits import MAX_ACTIVE_SHARES, SHARE_IDENTIFIER_PATTERN
from instance_type_facts import NAME_PATTERN, architecture_of, has_gpu_image, has_nvidia_gpus, vcpus_of
from setting_groups.finding import Finding

MIN_ROOT_VOLUME_GIB: Final = 30
"""Size of the image that instances start from: the ECS-optimised Amazon Linux 2023.

Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-optimized_AMI.html
"""

MAX_PRIORITY: Final = 1000
"""Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-batch-jobqueue.html"""

MIN_LIMIT_SECONDS: Final = 600
MAX_LIMIT_SECONDS: Final = 86_400
"""Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_JobStateTimeLimitAction.html"""

MIN_WEIGHT: Final = 0.0001
MAX_WEIGHT: Final = 999.9999
"""Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_ShareAttributes.html"""

MAX_DECAY_SECONDS: Final = 604_800
"""Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_FairsharePolicy.html"""

_ONE_TYPE: Final = "use for instance c6i.large"
_GPU_TYPES: Final = "use for instance g4dn.xlarge or g5.xlarge"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ComputeSettings:
    """Capacity by the job (Fargate) and by the instance (EC2), on demand and Spot; nothing of it while no job runs."""

    fargate_max_vcpus: int = 32
    """Upper bound of Fargate, Spot included: at most 1.6 per hour with 2 GB a vCPU, 0 while no job runs.

    A new account's own quota is often 6 vCPUs; jobs beyond it wait in RUNNABLE.
    """

    ec2_max_vcpus: int = 32
    """Upper bound of EC2, Spot included: about 1.5 per hour when full, 0 while no job runs (minimum vCPUs is 0)."""

    spot_share: float = 0.5
    """Which part of those two bounds is Spot capacity, from 0 (none) to below 1: some 70 % cheaper, and interrupted.

    Queue `low` begins with Fargate Spot, `spot` with EC2 Spot; each falls back to on-demand capacity. With 0 there is
    no Spot environment, and both queues have on-demand capacity only.
    """

    ec2_instance_types: tuple[str, ...] = (
        "c6i.large",
        "m6i.large",
        "c6i.xlarge",
        "m6i.xlarge",
        "c6i.2xlarge",
        "m6i.2xlarge",
        "c6i.4xlarge",
        "m6i.4xlarge",
    )
    """Types that Batch may choose from, 0.085 to 0.77 per hour each; a job is billed for its instance's time.

    Named types rather than whole families: no job can start a machine that is not on this list. All x86, or all
    Graviton (c7g, m7g, …: some 15 % cheaper for the same work) where `cpu_architecture` says arm64. For Spot, the more
    types, the fewer interruptions.
    """

    ec2_root_volume_gib: int = 50
    """Encrypted gp3 root volume of an instance, image layers and scratch: 0.08 per GiB-month while it runs."""

    gpu_instance_types: tuple[str, ...] = ()
    """x86 types with NVIDIA GPUs, of an environment and a queue `gpu` of their own; none of both where this is empty.

    g4dn.xlarge is 0.53 per hour, g5.xlarge 1.01, p4d.24xlarge 32.8; 0 while no job runs.
    """

    gpu_max_vcpus: int = 16
    """Upper bound of the GPU environment: four g4dn.xlarge, 2.1 per hour when full."""

    high_priority: int = 100
    """Priority of queue `high`; Batch places jobs of the higher one first on an environment that queues share."""

    normal_priority: int = 10
    """Priority of queue `normal`: Fargate, then Fargate Spot where that is full."""

    low_priority: int = 1
    """Priority of queue `low`: Fargate Spot, then Fargate where that is full."""

    ec2_priority: int = 10
    """Priority of queue `ec2`: on-demand instances."""

    spot_priority: int = 1
    """Priority of queue `spot`: Spot instances, then on-demand ones."""

    gpu_priority: int = 10
    """Priority of queue `gpu`, which has its environment for itself."""

    share_weights: Mapping[str, float] = dataclasses.field(default_factory=lambda: MappingProxyType({}))
    """Groups that share queues `normal`, `low`, `ec2` and `spot` fairly: name -> weight, the lower the larger its part.

    Empty: first come, first served. With weights, who used least lately comes first, and every job names its group:
    `hpc run --share GROUP`, or HPC_SHARE. A name is letters and digits; one that ends with * stands for all that begin
    so. A group with weight 0.5 gets twice the part of one with 1. Costs nothing.
    """

    share_decay_seconds: int = 86_400
    """How long past use of a group counts against it. 0 is Batch's least window, ten minutes."""

    share_reservation_percent: int = 0
    """Part of the capacity that is kept free for groups that have no job yet, of 0 to 99."""

    misfit_limit_seconds: int = 600
    """After how long at the head of its queue a job that can never run there (larger than any instance, or than the
    environment's bound) is cancelled with the reason, rather than block those behind it: 600 to 86,400.
    """

    capacity_limit_seconds: int | None = 86_400
    """The same for a job for which AWS has no capacity; None waits for ever."""


def compute_findings(settings: ComputeSettings) -> Iterator[Finding]:
    """What is wrong with environments and queues."""
    yield from _bound_findings(settings)
    yield from type_findings("ec2_instance_types", settings.ec2_instance_types)
    if settings.gpu_instance_types:
        yield from type_findings("gpu_instance_types", settings.gpu_instance_types)
        yield from _gpu_type_findings(settings.gpu_instance_types)
        yield from fits_findings("gpu_max_vcpus", settings.gpu_max_vcpus, settings.gpu_instance_types)
    if settings.ec2_root_volume_gib < MIN_ROOT_VOLUME_GIB:
        rule = f"the machine image of instances takes {MIN_ROOT_VOLUME_GIB} GiB (ECS-optimised Amazon Linux 2023)"
        yield Finding("ec2_root_volume_gib", rule, settings.ec2_root_volume_gib, "raise it")
    for name in ("high", "normal", "low", "ec2", "spot", "gpu"):
        yield from priority_findings(f"{name}_priority", getattr(settings, f"{name}_priority"))
    yield from _share_findings(settings)
    limits = {
        "misfit_limit_seconds": settings.misfit_limit_seconds,
        "capacity_limit_seconds": settings.capacity_limit_seconds,
    }
    for name, limit in limits.items():
        if limit is not None and not MIN_LIMIT_SECONDS <= limit <= MAX_LIMIT_SECONDS:
            rule = f"Batch acts after {MIN_LIMIT_SECONDS} to {MAX_LIMIT_SECONDS} seconds (API_JobStateTimeLimitAction)"
            yield Finding(name, rule, limit, "choose in that range")


def spot_vcpus(max_vcpus: int, share: float) -> int:
    """How many of `max_vcpus` are Spot capacity; the rest is on demand."""
    return int(max_vcpus * share)


def _bound_findings(settings: ComputeSettings) -> Iterator[Finding]:
    share = settings.spot_share
    if not 0 <= share < 1:
        yield Finding("spot_share", "the Spot part of the maximum vCPUs, 0 or more and below 1", share, "use 0.5")
        return
    fargate_spot = spot_vcpus(settings.fargate_max_vcpus, share)
    if settings.fargate_max_vcpus - fargate_spot < 1 or (share and fargate_spot < 1):
        rule = f"at least 1 vCPU on demand, and 1 of Spot with a spot_share of {share:g}"
        yield Finding("fargate_max_vcpus", rule, settings.fargate_max_vcpus, "raise it, or set spot_share to 0")
    ec2_spot = spot_vcpus(settings.ec2_max_vcpus, share)
    parts = [settings.ec2_max_vcpus - ec2_spot, *([ec2_spot] if share else [])]
    yield from fits_findings("ec2_max_vcpus", settings.ec2_max_vcpus, settings.ec2_instance_types, min(parts))


def fits_findings(name: str, max_vcpus: int, types: Sequence[str], part: int | None = None) -> Iterator[Finding]:
    """Whether the smallest of `types` fits into a bound, or into the smaller `part` that is left of it beside Spot."""
    room = max_vcpus if part is None else part
    sizes = {kind: vcpus for kind in types if (vcpus := vcpus_of(kind)) is not None}
    least = min(sizes.values(), default=1) if len(sizes) == len(types) else 1
    if room < least:
        smallest = min(sizes, key=sizes.__getitem__, default="one instance")
        split = "" if part is None else f", in each of its parts on demand and Spot (the smaller is {part})"
        rule = f"the vCPUs of one instance at least ({smallest} has {least}){split}"
        yield Finding(name, rule, max_vcpus, "raise it, name a smaller type, or lower the Spot share")


def type_findings(name: str, types: Sequence[str]) -> Iterator[Finding]:
    """What is wrong with the instance types of one environment."""
    if not types:
        yield Finding(name, "an EC2 compute environment has at least one instance type", types, _ONE_TYPE)
    for kind in types:
        if not re.fullmatch(NAME_PATTERN, kind):
            yield Finding(name, "each is the full name of an instance type", kind, _ONE_TYPE)
    if len({architecture_of(kind) for kind in types}) > 1:
        rule = "all instances of an environment start from one machine image and so have one architecture"
        listed = ", ".join(f"{kind} ({architecture_of(kind)})" for kind in types)
        yield Finding(name, rule, listed, "name types of one architecture")


def _gpu_type_findings(types: Sequence[str]) -> Iterator[Finding]:
    without = [kind for kind in types if not has_nvidia_gpus(kind)]
    if without:
        rule = "every type has GPUs of NVIDIA, which its machine image has the driver for"
        yield Finding("gpu_instance_types", rule, ", ".join(without), _GPU_TYPES)
    unknown = [kind for kind in types if has_nvidia_gpus(kind) and not has_gpu_image(kind)]
    if unknown:
        rule = "Batch's machine image for GPUs is for x86 and knows neither p3 nor g3 (API_Ec2Configuration)"
        yield Finding("gpu_instance_types", rule, ", ".join(unknown), _GPU_TYPES)


def priority_findings(name: str, priority: int) -> Iterator[Finding]:
    """Whether a queue can have the priority."""
    if not 0 <= priority <= MAX_PRIORITY:
        rule = f"a queue's priority is 0 to {MAX_PRIORITY}, higher first (AWS::Batch::JobQueue)"
        yield Finding(name, rule, priority, "choose in that range")


def _share_findings(settings: ComputeSettings) -> Iterator[Finding]:
    name = "share_weights"
    if len(settings.share_weights) > MAX_ACTIVE_SHARES:
        rule = f"a policy names at most {MAX_ACTIVE_SHARES} shares"
        yield Finding(name, rule, len(settings.share_weights), "let one name that ends with * stand for several")
    for share, weight in settings.share_weights.items():
        if not re.match(SHARE_IDENTIFIER_PATTERN, share):
            rule = "a group is 1 to 255 letters and digits, then at most one * (API_ShareAttributes)"
            yield Finding(name, rule, share, "rename it")
        if not MIN_WEIGHT <= weight <= MAX_WEIGHT:
            rule = f"a weight is {MIN_WEIGHT} to {MAX_WEIGHT}, lower for more (API_ShareAttributes)"
            yield Finding(name, rule, {share: weight}, "1 is what groups without an entry have")
    for share, covered in _overlaps(settings.share_weights):
        rule = "a group has one entry, its own or one with a * that stands for it (API_ShareAttributes)"
        yield Finding(name, rule, f"{share} and {covered}", "leave one of the two out")
    if not 0 <= settings.share_decay_seconds <= MAX_DECAY_SECONDS:
        rule = f"0 to {MAX_DECAY_SECONDS} seconds (API_FairsharePolicy)"
        yield Finding("share_decay_seconds", rule, settings.share_decay_seconds, "a day is 86400")
    if not 0 <= settings.share_reservation_percent <= 99:
        rule = "0 to 99 percent (API_FairsharePolicy)"
        yield Finding("share_reservation_percent", rule, settings.share_reservation_percent, "0 keeps nothing free")


def _overlaps(shares: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Entries that end with a star, each with another that stands for the same names or for some of them."""
    shares = sorted(shares)
    for wide in (share for share in shares if share.endswith("*")):
        prefix = wide.removesuffix("*")
        yield from ((wide, other) for other in shares if other != wide and other.startswith(prefix))
