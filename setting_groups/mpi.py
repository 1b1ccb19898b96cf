"""Settings of MPI jobs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Final

from batch_limits import USABLE_MEMORY
from instance_type_facts import has_efa, memory_mib_of, takes_cluster_placement, vcpus_of
from setting_groups.compute import fits_findings, priority_findings, type_findings
from setting_groups.finding import Finding
from setting_groups.jobs import timeout_findings

_MNP_PAGE: Final = "https://docs.aws.amazon.com/batch/latest/userguide/multi-node-parallel-jobs.html"
_PLACEMENT_PAGE: Final = "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/placement-strategies.html"
_EFA_PAGE: Final = "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/efa.html"


@dataclasses.dataclass(frozen=True, kw_only=True)
class MpiSettings:
    """Nodes of MPI jobs: one on-demand instance each, none while no job runs."""

    mpi_instance_types: tuple[str, ...] = ("c6i.large",)
    """Types of MPI nodes, one instance a node, 0.085 per hour each.

    2 vCPUs are two threads of one core: enough to learn with. For real work name one larger type, so that all nodes
    are alike, and raise `mpi_node_vcpus` and `mpi_node_memory_mib` with it.
    """

    mpi_max_vcpus: int = 64
    """Upper bound of all MPI nodes together: 32 of the default type, 2.7 per hour when full, 0 while no job runs.

    A job that needs more waits for ever. A new account's own quota of on-demand vCPUs is often 5 to 32.
    """

    mpi_zone: int = 0
    """Which of the network's zones MPI nodes start in: a cluster placement group lies in one. The other where the
    type is not offered or is short in the first. Traffic within a zone costs nothing.
    """

    mpi_use_efa: bool = False
    """Whether nodes talk through an Elastic Fabric Adapter, which costs nothing itself; the types that have one are
    large: hpc6a.48xlarge 2.9 per hour, c6i.32xlarge 5.4.
    """

    mpi_node_vcpus: float = 2.0
    """vCPUs of a node's container. Two containers never share an instance, so ask for all that the type has."""

    mpi_node_memory_mib: int = 2048
    """Memory of a node's container, of the type's 4,096 MiB; a submission can ask for up to 95 % of those."""

    mpi_shared_memory_mib: int | None = None
    """Size of /dev/shm, through which ranks of one node talk. None is Docker's own 64 MiB, for a dozen ranks.

    Give larger nodes about 8 MiB a rank. The local cloud needs mount name spaces of Linux to give any other size.
    """

    mpi_priority: int = 10
    """Priority of queue `mpi`, which has its environment for itself."""

    mpi_join_seconds: int = 600
    """How long the main node waits for the others, whose instances pull the image: bounds what a node that never comes
    costs at 0.014 a node.
    """

    mpi_timeout_seconds: int = 3600
    """Longest run of one attempt of an MPI job, waiting for its nodes included: 0.085 a node at most."""


def mpi_findings(settings: MpiSettings, zones: int) -> Iterator[Finding]:
    """What is wrong with MPI jobs, in a network of that many zones."""
    yield from type_findings("mpi_instance_types", settings.mpi_instance_types)
    yield from fits_findings("mpi_max_vcpus", settings.mpi_max_vcpus, settings.mpi_instance_types)
    yield from _node_findings(settings)
    if not 0 <= settings.mpi_zone < zones:
        rule = f"one of the network's {zones} zones, counted from 0"
        yield Finding("mpi_zone", rule, settings.mpi_zone, f"use 0 to {zones - 1}")
    unplaced = [kind for kind in settings.mpi_instance_types if not takes_cluster_placement(kind)]
    if unplaced:
        rule = f"a cluster placement group takes no burstable types and no m7i-flex ({_PLACEMENT_PAGE})"
        yield Finding("mpi_instance_types", rule, ", ".join(unplaced), "use for instance c6i.large")
    without = [kind for kind in settings.mpi_instance_types if not has_efa(kind)]
    if settings.mpi_use_efa and without:
        rule = f"with mpi_use_efa, every type has an Elastic Fabric Adapter ({_EFA_PAGE})"
        fix = "use for instance hpc6a.48xlarge or c6i.32xlarge, or do without the adapter"
        yield Finding("mpi_instance_types", rule, ", ".join(without), fix)
    yield from priority_findings("mpi_priority", settings.mpi_priority)
    yield from timeout_findings("mpi_timeout_seconds", settings.mpi_timeout_seconds)
    if settings.mpi_join_seconds < 1:
        yield Finding("mpi_join_seconds", "nodes take a while to start", settings.mpi_join_seconds, "use 600")


def _node_findings(settings: MpiSettings) -> Iterator[Finding]:
    types = settings.mpi_instance_types
    vcpus = [vcpus_of(kind) for kind in types]
    most_vcpus = max((count for count in vcpus if count is not None), default=None)
    if None not in vcpus and most_vcpus is not None and settings.mpi_node_vcpus > most_vcpus:
        rule = f"a node is one instance ({_MNP_PAGE}), and the largest type has {most_vcpus} vCPUs"
        yield Finding("mpi_node_vcpus", rule, settings.mpi_node_vcpus, "lower it, or name a larger type")
    memory = [memory_mib_of(kind) for kind in types]
    most_memory = max((size for size in memory if size is not None), default=None)
    if None not in memory and most_memory is not None:
        usable = int(most_memory * USABLE_MEMORY)
        if settings.mpi_node_memory_mib > usable:
            rule = f"a node is one instance ({_MNP_PAGE}), and the largest type has about {usable} MiB for jobs"
            yield Finding("mpi_node_memory_mib", rule, settings.mpi_node_memory_mib, "lower it, or name a larger type")
