"""Which nodes of a multi-node parallel job are of one size."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Final

import aws_cdk as cdk
from constructs import IConstruct

from batch_limits import MAX_NODE_RANGES, MAX_NODES
from constructs_lib.errors import PropertyError

_NODE_RANGES: Final = "API_NodeRangeProperty"


@dataclasses.dataclass(frozen=True, kw_only=True)
class NodeGroup:
    """Nodes `first` to `last`, both included, and what each of them needs; one container has a node for itself.

    A group that lies inside another takes its nodes out of it: `0:` for all and `0:0` inside for the main node.
    """

    first: int
    last: int | None = None
    """None is the last node, however many a submission asks for."""
    vcpus: float
    memory: cdk.Size

    @property
    def target_nodes(self) -> str:
        """The range as Batch writes it, and as a submission that overrides the group has to write it."""
        return f"{self.first}:{'' if self.last is None else self.last}"


def check_node_groups(
    construct: IConstruct, groups: Sequence[NodeGroup], *, default_nodes: int, main_node: int
) -> None:
    """Return where Batch would run these groups; else raise PropertyError, naming `construct`."""
    if not 1 <= default_nodes <= MAX_NODES:
        problem = f"a multi-node parallel job has 1 to {MAX_NODES} nodes, got {default_nodes!r}; choose in that range"
        raise PropertyError(construct, "default_nodes", problem)
    if not 1 <= len(groups) <= MAX_NODE_RANGES:
        problem = f"a job has 1 to {MAX_NODE_RANGES} node groups ({_NODE_RANGES}), got {len(groups)}; merge some"
        raise PropertyError(construct, "node_groups", problem)
    if not 0 <= main_node < default_nodes:
        problem = (
            f"the main node is one of the job's, 0 to {default_nodes - 1} (API_NodeProperties), got {main_node!r}; "
            "choose one of these"
        )
        raise PropertyError(construct, "main_node", problem)
    for group in groups:
        last = default_nodes - 1 if group.last is None else group.last
        if not 0 <= group.first <= last < default_nodes:
            problem = (
                f"a range lies within the job's nodes, 0 to {default_nodes - 1}, and does not end before it begins "
                f"({_NODE_RANGES}), got {group.target_nodes!r}; correct it"
            )
            raise PropertyError(construct, "node_groups", problem)
    _refuse_overlaps(construct, groups, default_nodes)
    _refuse_gaps(construct, groups, default_nodes)


def _nodes(group: NodeGroup, default_nodes: int) -> range:
    return range(group.first, default_nodes if group.last is None else group.last + 1)


def _is_inside(inner: NodeGroup, outer: NodeGroup) -> bool:
    """Whether it is for every number of nodes."""
    return outer.first <= inner.first and (outer.last is None or (inner.last is not None and inner.last <= outer.last))


def _refuse_overlaps(construct: IConstruct, groups: Sequence[NodeGroup], default_nodes: int) -> None:
    for one, other in itertools.combinations(groups, 2):
        shared = set(_nodes(one, default_nodes)) & set(_nodes(other, default_nodes))
        if shared and (
            one.target_nodes == other.target_nodes or not (_is_inside(one, other) or _is_inside(other, one))
        ):
            problem = (
                f"two ranges are apart, or one lies inside the other ({_NODE_RANGES}), "
                f"got {one.target_nodes!r} and {other.target_nodes!r}; separate them"
            )
            raise PropertyError(construct, "node_groups", problem)


def _refuse_gaps(construct: IConstruct, groups: Sequence[NodeGroup], default_nodes: int) -> None:
    covered = set(itertools.chain.from_iterable(_nodes(group, default_nodes) for group in groups))
    missing = sorted(set(range(default_nodes)) - covered)
    if missing:
        ranges = ", ".join(repr(group.target_nodes) for group in groups)
        problem = (
            f"the ranges cover nodes 0 to {default_nodes - 1} ({_NODE_RANGES}), got {ranges} without node "
            f"{missing[0]}; add its range"
        )
        raise PropertyError(construct, "node_groups", problem)
