"""EC2 instance types: one table for DescribeInstanceTypes and for what a compute environment may launch.

Source: https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-types.html, as of November 2026. Families by
size: every size of a family here has the family's memory per vCPU unless it is listed with its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from local_batch.engine.resources import InstanceSize

_X86: Final = "x86_64"
_ARM: Final = "arm64"

_UP_TO_24: Final = {"large": 2, "xlarge": 4, "2xlarge": 8, "4xlarge": 16, "12xlarge": 48, "24xlarge": 96, "metal": 96}
_GEN5: Final = {**_UP_TO_24, "8xlarge": 32, "16xlarge": 64}
_GEN5_C: Final = {**_UP_TO_24, "9xlarge": 36, "18xlarge": 72}
_GEN6: Final = {**_GEN5, "32xlarge": 128, "metal": 128}
_GEN7: Final = {
    **{size: vcpus for size, vcpus in _GEN5.items() if size != "metal"},
    "48xlarge": 192,
    "metal-24xl": 96,
    "metal-48xl": 192,
}
_GRAVITON: Final = {
    "medium": 1,
    "large": 2,
    "xlarge": 4,
    "2xlarge": 8,
    "4xlarge": 16,
    "8xlarge": 32,
    "12xlarge": 48,
    "16xlarge": 64,
    "metal": 64,
}

_GRAVITON4: Final = {
    **{size: vcpus for size, vcpus in _GRAVITON.items() if size != "metal"},
    "24xlarge": 96,
    "48xlarge": 192,
    "metal-24xl": 96,
    "metal-48xl": 192,
}
_GEN6A: Final = {**{size: vcpus for size, vcpus in _GEN6.items() if size != "metal"}, "48xlarge": 192, "metal": 192}
_GEN7A: Final = {
    "medium": 1,
    **{size: vcpus for size, vcpus in _GEN6.items() if size != "metal"},
    "48xlarge": 192,
    "metal-48xl": 192,
}

_FAMILIES: Final[Mapping[str, tuple[str, float, Mapping[str, int]]]] = {
    # family: architecture, GiB per vCPU, vCPUs by size
    "c5": (_X86, 2, _GEN5_C),
    "m5": (_X86, 4, _GEN5),
    "r5": (_X86, 8, _GEN5),
    "c6i": (_X86, 2, _GEN6),
    "m6i": (_X86, 4, _GEN6),
    "r6i": (_X86, 8, _GEN6),
    "c7i": (_X86, 2, _GEN7),
    "m7i": (_X86, 4, _GEN7),
    "r7i": (_X86, 8, _GEN7),
    "c6g": (_ARM, 2, _GRAVITON),
    "m6g": (_ARM, 4, _GRAVITON),
    "r6g": (_ARM, 8, _GRAVITON),
    "c7g": (_ARM, 2, _GRAVITON),
    "m7g": (_ARM, 4, _GRAVITON),
    "r7g": (_ARM, 8, _GRAVITON),
    "c7gn": (_ARM, 2, _GRAVITON),
    "c8g": (_ARM, 2, _GRAVITON4),
    "m8g": (_ARM, 4, _GRAVITON4),
    "r8g": (_ARM, 8, _GRAVITON4),
    "c6a": (_X86, 2, _GEN6A),
    "m6a": (_X86, 4, _GEN6A),
    "r6a": (_X86, 8, _GEN6A),
    "c7a": (_X86, 2, _GEN7A),
    "m7a": (_X86, 4, _GEN7A),
    "r7a": (_X86, 8, _GEN7A),
}

_BURSTABLE_GIB: Final = {"nano": 0.5, "micro": 1, "small": 2, "medium": 4, "large": 8, "xlarge": 16, "2xlarge": 32}
_BURSTABLE_VCPUS: Final = {"xlarge": 4, "2xlarge": 8}
_BURSTABLE: Final = {"t3": _X86, "t3a": _X86, "t4g": _ARM}

_ODD_ONES: Final[Mapping[str, tuple[str, int, float]]] = {
    # name: architecture, vCPUs, GiB
    "c5n.large": (_X86, 2, 5.25),
    "c5n.xlarge": (_X86, 4, 10.5),
    "c5n.2xlarge": (_X86, 8, 21),
    "c5n.4xlarge": (_X86, 16, 42),
    "c5n.9xlarge": (_X86, 36, 96),
    "c5n.18xlarge": (_X86, 72, 192),
    "c5n.metal": (_X86, 72, 192),
    "hpc6a.48xlarge": (_X86, 96, 384),
    "hpc6id.32xlarge": (_X86, 64, 1024),
    "hpc7a.12xlarge": (_X86, 24, 768),
    "hpc7a.24xlarge": (_X86, 48, 768),
    "hpc7a.48xlarge": (_X86, 96, 768),
    "hpc7a.96xlarge": (_X86, 192, 768),
    "hpc7g.4xlarge": (_ARM, 16, 128),
    "hpc7g.8xlarge": (_ARM, 32, 128),
    "hpc7g.16xlarge": (_ARM, 64, 128),
}

_WITH_GPUS: Final[Mapping[str, tuple[int, int, int]]] = {
    # name: vCPUs, GiB, NVIDIA GPUs; all x86_64
    "g4dn.xlarge": (4, 16, 1),
    "g4dn.2xlarge": (8, 32, 1),
    "g4dn.4xlarge": (16, 64, 1),
    "g4dn.8xlarge": (32, 128, 1),
    "g4dn.16xlarge": (64, 256, 1),
    "g4dn.12xlarge": (48, 192, 4),
    "g4dn.metal": (96, 384, 8),
    **{
        f"{family}.{size}": (vcpus, 4 * vcpus, gpus)
        for family in ("g5", "g6")
        for size, vcpus, gpus in (
            ("xlarge", 4, 1),
            ("2xlarge", 8, 1),
            ("4xlarge", 16, 1),
            ("8xlarge", 32, 1),
            ("16xlarge", 64, 1),
            ("12xlarge", 48, 4),
            ("24xlarge", 96, 4),
            ("48xlarge", 192, 8),
        )
    },
    "p3.2xlarge": (8, 61, 1),
    "p3.8xlarge": (32, 244, 4),
    "p3.16xlarge": (64, 488, 8),
    "p3dn.24xlarge": (96, 768, 8),
    "p4d.24xlarge": (96, 1152, 8),
    "p4de.24xlarge": (96, 1152, 8),
    "p5.48xlarge": (192, 2048, 8),
    "p5e.48xlarge": (192, 2048, 8),
    "p5en.48xlarge": (192, 2048, 8),
    **{
        f"g6e.{size}": (vcpus, 8 * vcpus, gpus)
        for size, vcpus, gpus in (
            ("xlarge", 4, 1),
            ("2xlarge", 8, 1),
            ("4xlarge", 16, 1),
            ("8xlarge", 32, 1),
            ("16xlarge", 64, 1),
            ("12xlarge", 48, 4),
            ("24xlarge", 96, 4),
            ("48xlarge", 192, 8),
        )
    },
}

_GRAVITON_WITH_GPUS: Final[Mapping[str, tuple[int, int, int]]] = {
    # name: vCPUs, GiB, NVIDIA GPUs; all arm64
    "g5g.xlarge": (4, 8, 1),
    "g5g.2xlarge": (8, 16, 1),
    "g5g.4xlarge": (16, 32, 1),
    "g5g.8xlarge": (32, 64, 1),
    "g5g.16xlarge": (64, 128, 2),
    "g5g.metal": (64, 128, 2),
}


def _table() -> dict[str, InstanceSize]:
    sizes = {
        f"{family}.{size}": InstanceSize(
            name=f"{family}.{size}", vcpus=vcpus, memory_mib=int(vcpus * gib * 1024), architecture=architecture
        )
        for family, (architecture, gib, family_sizes) in _FAMILIES.items()
        for size, vcpus in family_sizes.items()
    }
    for name, (architecture, vcpus, memory_gib) in _ODD_ONES.items():
        sizes[name] = InstanceSize(name=name, vcpus=vcpus, memory_mib=int(memory_gib * 1024), architecture=architecture)
    for family, architecture in _BURSTABLE.items():
        for size, gib in _BURSTABLE_GIB.items():
            name, vcpus = f"{family}.{size}", _BURSTABLE_VCPUS.get(size, 2)
            memory_mib = int(gib * 1024)
            sizes[name] = InstanceSize(name=name, vcpus=vcpus, memory_mib=memory_mib, architecture=architecture)
    for architecture, table in ((_X86, _WITH_GPUS), (_ARM, _GRAVITON_WITH_GPUS)):
        for name, (vcpus, memory_gib, gpus) in table.items():
            sizes[name] = InstanceSize(
                name=name, vcpus=vcpus, memory_mib=memory_gib * 1024, gpus=gpus, architecture=architecture
            )
    return dict(sorted(sizes.items(), key=lambda item: (item[0].split(".")[0], item[1].vcpus, item[0])))


INSTANCE_TYPES: Final[Mapping[str, InstanceSize]] = MappingProxyType(_table())
"""By name."""

SHORTHANDS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "default_x86_64": ("m6i", "c6i", "r6i", "c7i"),
        "optimal": ("m6i", "c6i", "r6i", "c7i"),
        "default_arm64": ("m6g", "c6g", "r6g", "c7g"),
    }
)
"""Batch's own words for groups of families.

Source: https://docs.aws.amazon.com/batch/latest/userguide/instance-type-compute-table.html
"""


class UnknownInstanceTypeError(ValueError):
    """A name that is no instance type, family or shorthand of this table."""


def instance_sizes(names: Sequence[str]) -> tuple[InstanceSize, ...]:
    """What the instanceTypes of a compute environment stand for: types, families, `optimal` and its like.

    Raises UnknownInstanceTypeError. Bare metal is left out of families, as Batch does.
    """
    found: dict[str, InstanceSize] = {}
    for name in names:
        if name in INSTANCE_TYPES:
            found[name] = INSTANCE_TYPES[name]
            continue
        families = SHORTHANDS.get(name, (name,))
        members = {
            type_name: size
            for type_name, size in INSTANCE_TYPES.items()
            if type_name.split(".")[0] in families and ".metal" not in type_name
        }
        if not members:
            raise UnknownInstanceTypeError(
                f"instanceTypes: names an instance type or family that the local cloud has in its table, got {name!r}; "
                f"use one of: {', '.join(sorted({known.split('.')[0] for known in INSTANCE_TYPES}))}, or their types"
            )
        found.update(members)
    return tuple(found.values())
