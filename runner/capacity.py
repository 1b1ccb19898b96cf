"""What a container needs of a machine, and which machines have it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from batch_limits import USABLE_MEMORY
from runner.batch_facts import DefinitionFacts, InstanceFacts, NodeRangeFacts
from runner.durations import count

_ARCHITECTURES: Final[Mapping[str, str]] = {"X86_64": "x86_64", "ARM64": "arm64"}
"""Batch's spelling -> EC2's."""


@dataclass(frozen=True)
class Demand:
    """What one container needs."""

    vcpus: float
    memory_mib: int
    gpus: int
    architecture: str | None

    def __str__(self) -> str:
        gpus = f", {count(self.gpus, 'GPU')}" if self.gpus else ""
        return f"{self.vcpus:g} vCPU{'' if self.vcpus == 1 else 's'} and {self.memory_mib} MiB{gpus}"

    @classmethod
    def of(cls, overrides: Mapping[str, Any], defined: DefinitionFacts | NodeRangeFacts) -> Demand:
        """Of a container as it is defined, where its overrides say nothing else."""
        given = {entry["type"]: entry["value"] for entry in overrides.get("resourceRequirements", ())}
        return cls(
            vcpus=float(given.get("VCPU", defined.vcpus)),
            memory_mib=int(given.get("MEMORY", defined.memory_mib)),
            gpus=int(given.get("GPU", defined.gpus)),
            architecture=defined.architecture,
        )

    def fits(self, size: InstanceFacts) -> bool:
        """Whether an instance of that type holds it."""
        wanted = None if self.architecture is None else _ARCHITECTURES.get(self.architecture, self.architecture)
        return (
            (wanted is None or wanted in size.architectures)
            and size.vcpus >= self.vcpus
            and size.memory_mib * USABLE_MEMORY >= self.memory_mib
            and size.gpus >= self.gpus
        )


def instance_misfit(sizes: Sequence[InstanceFacts], named: Iterable[str], demand: Demand) -> str | None:
    """Why no instance of these types, which go by these names, holds it; None where one does."""
    if demand.vcpus != int(demand.vcpus):
        return f"is EC2, which gives whole vCPUs, not {demand.vcpus:g}"
    if not sizes:
        return f"has instance types that EC2 does not know ({', '.join(named)})"
    if demand.architecture is not None:
        wanted = _ARCHITECTURES.get(demand.architecture, demand.architecture)
        sizes = [size for size in sizes if wanted in size.architectures]
        if not sizes:
            return f"has no instance type of architecture {demand.architecture}"
    if any(demand.fits(size) for size in sizes):
        return None
    most_vcpus = max(sizes, key=lambda size: (size.vcpus, size.memory_mib))
    most_memory = max(sizes, key=lambda size: (size.memory_mib, size.vcpus))
    most_gpus = max(sizes, key=lambda size: (size.gpus, size.vcpus)) if demand.gpus else most_vcpus
    largest = {size.name: size for size in (most_vcpus, most_memory, most_gpus)}.values()
    described = " and ".join(
        f"{size.name} with {size.vcpus} vCPUs and about {int(size.memory_mib * USABLE_MEMORY)} MiB for jobs"
        + (f", {count(size.gpus, 'GPU')}" if demand.gpus else "")
        for size in largest
    )
    return f"has nothing larger than {described}"
