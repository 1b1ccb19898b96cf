"""Whether the nodes of a job fit the instances that they will run on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from aws_cdk import aws_batch as batch
from constructs import IConstruct

from batch_limits import USABLE_MEMORY
from constructs_lib.errors import PropertyError
from constructs_lib.node_group import NodeGroup
from instance_type_facts import has_efa, memory_mib_of, vcpus_of

_MNP_PAGE: Final = "https://docs.aws.amazon.com/batch/latest/userguide/multi-node-parallel-jobs.html"


def check_node_capacity(
    construct: IConstruct,
    *,
    environment: batch.IComputeEnvironment,
    groups: Sequence[NodeGroup],
    default_nodes: int,
    use_efa: bool,
) -> None:
    """Return where nodes of these groups can run; else raise PropertyError, naming `construct`.

    What cannot would be refused when it is submitted, or wait for ever.
    """
    if not isinstance(environment, batch.ManagedEc2EcsComputeEnvironment) or environment.spot:
        kind = "Spot" if isinstance(environment, batch.ManagedEc2EcsComputeEnvironment) else type(environment)
        problem = (
            f"multi-node parallel jobs run on a managed environment of on-demand EC2 instances ({_MNP_PAGE}), "
            f"got {kind if isinstance(kind, str) else kind.__name__} ({environment.node.path}); "
            "use an MpiComputeQueue's"
        )
        raise PropertyError(construct, "compute_environment", problem)
    names = [kind.to_string() for kind in environment.instance_types or ()]
    without = [name for name in names if not has_efa(name)]
    if use_efa and without:
        problem = (
            f"every instance type of {environment.node.path} has an Elastic Fabric Adapter, got "
            f"{', '.join(without)}; use for instance hpc6a.48xlarge or c6i.32xlarge, or do without the adapter"
        )
        raise PropertyError(construct, "use_efa", problem)
    for group in groups:
        _refuse_too_large(construct, group, names, environment)
    _refuse_too_many(construct, groups, default_nodes, environment)


def _refuse_too_large(
    construct: IConstruct, group: NodeGroup, names: Sequence[str], environment: batch.ManagedEc2EcsComputeEnvironment
) -> None:
    vcpus = {name: vcpus_of(name) for name in names}
    if _is_above(group.vcpus, vcpus.values()):
        largest = max(names, key=lambda name: vcpus[name] or 0)
        problem = (
            f"a node is one instance ({_MNP_PAGE}), and the largest of {environment.node.path} is {largest} with "
            f"{vcpus[largest]} vCPUs, got {group.vcpus:g} for nodes {group.target_nodes!r}; lower it, or name a "
            "larger type"
        )
        raise PropertyError(construct, "vcpus", problem)
    usable_mib = {
        name: None if (nominal := memory_mib_of(name)) is None else int(nominal * USABLE_MEMORY)
        for name in names
        if not _is_above(group.vcpus, [vcpus[name]])
    }
    if _is_above(group.memory.to_mebibytes(), usable_mib.values()):
        largest = max(usable_mib, key=lambda name: usable_mib[name] or 0)
        problem = (
            f"a node is one instance, and of {largest}, with its {vcpus[largest]} vCPUs, about "
            f"{usable_mib[largest]} MiB are left to jobs "
            "(https://docs.aws.amazon.com/batch/latest/userguide/memory-management.html), "
            f"got {group.memory.to_mebibytes():g} for nodes {group.target_nodes!r}; lower it, or name a larger type"
        )
        raise PropertyError(construct, "memory", problem)


def _refuse_too_many(
    construct: IConstruct,
    groups: Sequence[NodeGroup],
    default_nodes: int,
    environment: batch.ManagedEc2EcsComputeEnvironment,
) -> None:
    """Refuse nodes that the environment would not start all at a time, by the smallest group: a bound from below."""
    least = default_nodes * min(group.vcpus for group in groups)
    if least > environment.maxv_cpus:
        problem = (
            f"all nodes of a job run at a time ({_MNP_PAGE}), and {environment.node.path} has at most "
            f"{environment.maxv_cpus:g} vCPUs, got {default_nodes} nodes with {least:g}; raise its bound, or lower this"
        )
        raise PropertyError(construct, "default_nodes", problem)


def _is_above(value: float, bounds: Iterable[int | None]) -> bool:
    """Whether it is above every bound; not where one is unknown, or there is none."""
    known = list(bounds)
    return bool(known) and all(bound is not None and value > bound for bound in known)
