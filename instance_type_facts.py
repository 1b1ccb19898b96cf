"""EC2 instance types by name: which can be asked for, how large they are, and which have an Elastic Fabric Adapter.

Read from the name where AWS's naming says it, from short tables where not. A type of a family that is in no table is
taken at its word: nothing is refused for want of a row. Imports nothing of ours, so that settings and constructs
share one copy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

X86_64: Final = "x86_64"
ARM64: Final = "arm64"

NAME_PATTERN: Final = r"[a-z][a-z0-9-]*\.[a-z0-9-]+"

_VCPUS_PER_XLARGE: Final = 4
_SMALL_VCPUS: Final[Mapping[str, int]] = MappingProxyType({"medium": 1, "large": 2, "xlarge": _VCPUS_PER_XLARGE})

_VCPUS_OF_ODD_TYPES: Final[Mapping[str, int]] = MappingProxyType(
    {
        "c4.8xlarge": 36,
        "d2.8xlarge": 36,
        "hpc6a.48xlarge": 96,
        "hpc6id.32xlarge": 64,
        "hpc7a.12xlarge": 24,
        "hpc7a.24xlarge": 48,
        "hpc7a.48xlarge": 96,
        "hpc7a.96xlarge": 192,
    }
)
"""Other than the size's name says: HPC types have one thread a core, two old ones half a dozen more.

Source: https://docs.aws.amazon.com/ec2/latest/instancetypes/hpc.html, November 2026
"""

_MEMORY_GIB_PER_VCPU: Final[Mapping[str, float]] = MappingProxyType(
    {
        **dict.fromkeys(("c5", "c6a", "c6g", "c6i", "c6in", "c7a", "c7g", "c7i"), 2.0),
        **dict.fromkeys(("m5", "m5n", "m6a", "m6g", "m6i", "m7a", "m7g", "m7i", "hpc6a"), 4.0),
        **dict.fromkeys(("r5", "r5n", "r6a", "r6g", "r6i", "r7a", "r7g", "r7i"), 8.0),
        "hpc6id": 16.0,
    }
)
"""Families with the same memory a vCPU at every size.

Source: https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-types.html, November 2026
"""

_EFA_TYPES: Final[frozenset[str]] = frozenset(
    {
        *("c5n.9xlarge", "c5n.18xlarge", "c5n.metal", "c6gn.16xlarge", "c7g.16xlarge"),
        *(f"{family}.{size}" for family in ("c6a", "m6a", "r6a") for size in ("48xlarge", "metal")),
        *(f"{prefix}6i{disk}.{size}" for prefix in "cmr" for disk in ("", "d") for size in ("32xlarge", "metal")),
        *(f"{family}.{size}" for family in ("m5n", "m5dn", "r5n", "r5dn") for size in ("24xlarge", "metal")),
        *("m5zn.12xlarge", "m5zn.metal"),
        *("c7i.48xlarge", "c8a.48xlarge", "c8i.48xlarge", "c8i.96xlarge"),
        *("c8g.24xlarge", "c8g.48xlarge", "c8gn.16xlarge", "c8gn.24xlarge", "c8gn.48xlarge"),
    }
)
"""CPU types with an Elastic Fabric Adapter, besides all of the HPC families, as of November 2026.

AWS's guide names the older ones, EC2's own answer the newer. Not complete: a type that is missing is refused until
it is added here. What a region has:
`aws ec2 describe-instance-types --filters Name=network-info.efa-supported,Values=true`.
Sources: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/efa.html and that call, as recorded in
https://github.com/eksctl-io/eksctl/blob/main/pkg/utils/instance/instance_types.go
"""

_HPC_FAMILY: Final = r"hpc[0-9]"

_GPU_FAMILY: Final = r"(g|gr|p)[0-9]"
"""How families with GPUs are called: G for graphics (Gr with more memory), P for GPUs for computing, a generation.

Source: https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html, November 2026
"""

_FAMILIES_OF_OTHER_GPUS: Final[frozenset[str]] = frozenset({"g4ad"})
"""With GPUs of AMD, for which ECS has neither driver nor count.

Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-gpu.html, November 2026
"""

_FAMILIES_OF_OLD_GPUS: Final[frozenset[str]] = frozenset({"g3", "g3s", "p3", "p3dn"})
"""Which the driver of Batch's image type ECS_AL2023_NVIDIA does not know.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_Ec2Configuration.html, November 2026
"""

_BURSTABLE_FAMILY: Final = r"t[0-9]"
_FLEXIBLE_FAMILIES: Final[frozenset[str]] = frozenset({"m7i-flex"})
"""Of the current types, those that no cluster placement group takes are the burstable and these.

Source: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/placement-strategies.html, November 2026
"""


def has_efa(name: str) -> bool:
    """Whether the table knows the type to have an Elastic Fabric Adapter."""
    return name in _EFA_TYPES or re.match(_HPC_FAMILY, name) is not None


def has_nvidia_gpus(name: str) -> bool:
    """Whether the type's name is one of those with NVIDIA's GPUs."""
    family = name.partition(".")[0]
    return re.match(_GPU_FAMILY, family) is not None and family not in _FAMILIES_OF_OTHER_GPUS


def has_gpu_image(name: str) -> bool:
    """Whether Batch has a machine image with a driver for the GPUs of the type."""
    is_old = name.partition(".")[0] in _FAMILIES_OF_OLD_GPUS
    return has_nvidia_gpus(name) and not is_old and architecture_of(name) == X86_64


def takes_cluster_placement(name: str) -> bool:
    """Whether instances of the type can be placed close to each other."""
    family = name.partition(".")[0]
    return re.match(_BURSTABLE_FAMILY, family) is None and family not in _FLEXIBLE_FAMILIES


def vcpus_of(name: str) -> int | None:
    """vCPUs of an instance type; None where its name does not say (bare metal) and no table here does."""
    if name in _VCPUS_OF_ODD_TYPES:
        return _VCPUS_OF_ODD_TYPES[name]
    family, _, size = name.partition(".")
    if re.fullmatch(r"t[0-9][a-z]*", family) and size in {"nano", "micro", "small", "medium"}:
        return None  # two in all but the first of these families
    if size in _SMALL_VCPUS:
        return _SMALL_VCPUS[size]
    multiple = re.fullmatch(r"([0-9]+)xlarge", size)
    return int(multiple[1]) * _VCPUS_PER_XLARGE if multiple else None


def memory_mib_of(name: str) -> int | None:
    """Nominal memory of an instance type, more than jobs can have; None where no table here says."""
    vcpus, gib_per_vcpu = vcpus_of(name), _MEMORY_GIB_PER_VCPU.get(name.partition(".")[0])
    return None if vcpus is None or gib_per_vcpu is None else int(vcpus * gib_per_vcpu * 1024)


def architecture_of(name: str) -> str:
    """`arm64` for Graviton, which AWS's naming marks with a g after the generation, `x86_64` for all else.

    Source: https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html
    """
    family = name.partition(".")[0]
    return ARM64 if family == "a1" or re.match(r"[a-z]+[0-9]+g", family) else X86_64
