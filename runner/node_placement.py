"""Whether the nodes of a multi-node job can run somewhere, all at once and on one instance type.

Source of the rules: https://docs.aws.amazon.com/batch/latest/userguide/multi-node-parallel-jobs.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from batch_limits import MAX_NODES
from runner.batch_facts import BatchFacts, DefinitionFacts, EnvironmentFacts, InstanceFacts, NodeRangeFacts
from runner.capacity import Demand, instance_misfit
from runner.requests import container_overrides, has_open_end


def explain_nodes(nodes: int, definition: DefinitionFacts) -> str | None:
    """Why a multi-node definition cannot run with so many nodes; None where it can."""
    ranges = [entry.target_nodes for entry in definition.node_ranges]
    said = ", ".join(ranges)
    if not 1 <= nodes <= MAX_NODES:
        return f"a job has 1 to {MAX_NODES} nodes (API_NodeProperties), got {nodes}; change 'nodes'"
    if not any(has_open_end(text) for text in ranges):
        if nodes == definition.num_nodes:
            return None
        return (
            "a definition runs on another number of nodes than its own where a node range is open, such as '0:' "
            f"(API_NodeOverrides), got {definition.name} for {definition.num_nodes} nodes with ranges {said}, and "
            f"{nodes}; use {definition.num_nodes}, or a definition with an open range"
        )
    first_absent = next((text for text in ranges if _lowest(text) >= nodes), None)
    if first_absent is not None or definition.main_node >= nodes:
        least = max([definition.main_node, *(_lowest(text) for text in ranges)]) + 1
        return (
            f"every node range begins, and the main node is, among the job's nodes (API_NodeOverrides), got {nodes} "
            f"with ranges {said} and main node {definition.main_node} of {definition.name}; use {least} nodes or more"
        )
    return None


def _lowest(target_nodes: str) -> int:
    return int(target_nodes.partition(":")[0] or 0)


def demands(request: Mapping[str, Any], definition: DefinitionFacts) -> list[tuple[NodeRangeFacts, Demand]]:
    """What a node of each range needs."""
    overrides = container_overrides(request)
    by_range = overrides if len(overrides) == len(definition.node_ranges) else [{}] * len(definition.node_ranges)
    return [(nodes, Demand.of(given, nodes)) for nodes, given in zip(definition.node_ranges, by_range, strict=True)]


def node_misfit(
    environment: EnvironmentFacts, nodes: int, needed: list[tuple[NodeRangeFacts, Demand]], facts: BatchFacts
) -> str | None:
    """Why a compute environment can never run these nodes together; None where it can."""
    if environment.kind != "EC2":
        return f"is {environment.kind}, and nodes run on on-demand instances of EC2 only"
    shared = _sizes(environment, facts)
    for entry, demand in needed:
        sizes, named = shared, environment.instance_types
        if entry.instance_type is not None:
            sizes, named = list(facts.instances.get(entry.instance_type, ())), (entry.instance_type,)
            if sizes and not set(sizes) <= set(shared):
                return f"has not the instance type {entry.instance_type} of nodes {entry.target_nodes}"
        problem = instance_misfit(sizes, named, demand)
        if problem:
            return problem
        shared = [size for size in sizes if demand.fits(size)]
        if not shared:
            return "has no one instance type for all nodes"
    least = min(size.vcpus for size in shared)
    if nodes * least > environment.max_vcpus:
        smallest = min(shared, key=lambda size: (size.vcpus, size.name))
        return (
            f"has at most {environment.max_vcpus:g} vCPUs in all, and {nodes} of {smallest.name} have {nodes * least}"
        )
    return None


def _sizes(environment: EnvironmentFacts, facts: BatchFacts) -> list[InstanceFacts]:
    return [size for name in environment.instance_types for size in facts.instances.get(name, ())]
