"""nodeOverrides of a submission, and what they make of the node properties of its definition.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_NodeOverrides.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import batch_limits
from local_batch.api.container_overrides import check_words
from local_batch.api.node_properties import ranges_of
from local_batch.api.node_ranges import NodeRange
from local_batch.api.refusals import refuse, refuse_unplayed

_UNPLAYED: Final = ("ecsPropertiesOverride", "eksPropertiesOverride", "consumableResourcePropertiesOverride")
_WHERE: Final = "nodeOverrides.nodePropertyOverrides."


def check_node_overrides(overrides: Mapping[str, Any], properties: Mapping[str, Any]) -> None:
    """Raise ApiError for overrides that the service refuses over these node properties."""
    containers = {item["targetNodes"]: item["container"] for item in properties["nodeRangeProperties"]}
    given = overrides.get("nodePropertyOverrides") or ()
    targets = [entry["targetNodes"] for entry in given]
    unknown = [target for target in targets if target not in containers]
    if unknown:
        raise refuse(f"NodeOverride targets should match job definition. Non matching targets - {','.join(unknown)}")
    if len(set(targets)) < len(targets):
        raise refuse(f"NodeOverride targets must be unique, got {','.join(targets)}")
    for entry in given:
        refuse_unplayed(entry, _UNPLAYED, _WHERE)
        if entry.get("instanceTypes"):
            raise refuse("Using instanceTypes with nodeRangeProperty is only allowed for ecsProperties jobs.")
        check_words(entry.get("containerOverrides") or {}, containers[entry["targetNodes"]])
    if overrides.get("numNodes") is not None:
        _check_num_nodes(overrides["numNodes"], properties)


def overridden_ranges(overrides: Mapping[str, Any], properties: Mapping[str, Any]) -> tuple[int, list[NodeRange]]:
    """How many nodes the job has, and its ranges in the order of the definition."""
    num_nodes: int = overrides.get("numNodes") or properties["numNodes"]
    return num_nodes, [item.cut(num_nodes) for item in ranges_of(properties)]


def container_overrides_of(overrides: Mapping[str, Any], target_nodes: str) -> Mapping[str, Any]:
    """The containerOverrides of a range; none where nothing of it is overridden."""
    entries: Sequence[Mapping[str, Any]] = overrides.get("nodePropertyOverrides") or ()
    return next(
        (entry.get("containerOverrides") or {} for entry in entries if entry["targetNodes"] == target_nodes), {}
    )


def _check_num_nodes(num_nodes: int, properties: Mapping[str, Any]) -> None:
    """The three conditions that the service names, and its bounds."""
    ranges = ranges_of(properties)
    if not 1 <= num_nodes <= batch_limits.MAX_NODES:
        raise refuse(f"Number of nodes must be between 1 and {batch_limits.MAX_NODES}.")
    if not any(item.is_open for item in ranges):
        raise refuse(
            "nodeOverrides.numNodes needs a node range with an open upper boundary, such as : or n:, in the job "
            f"definition, got {', '.join(item.text for item in ranges)}."
        )
    if properties["mainNode"] >= num_nodes:
        raise refuse("Main node index is out of range, must be less than numNodes.")
    for item in ranges:
        if item.first >= num_nodes:
            raise refuse(f"Node range error {item.text}. Node range should be smaller than number of nodes")
