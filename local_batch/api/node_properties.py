"""nodeProperties of a multi-node parallel job's definition.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_NodeProperties.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

import batch_limits
from local_batch.api.container_properties import Place, check_container, shown_container
from local_batch.api.node_ranges import NodeRange, check_ranges, parsed_range
from local_batch.api.refusals import refuse, refuse_unplayed

_UNPLAYED: Final = ("ecsProperties", "eksProperties", "consumableResourceProperties")
_WHERE: Final = "nodeProperties.nodeRangeProperties."


def check_node_properties(properties: Mapping[str, Any], place: Place) -> None:
    """Raise ApiError for what the service refuses or the local cloud does not play."""
    num_nodes, main_node, ranges = properties["numNodes"], properties["mainNode"], properties["nodeRangeProperties"]
    if not 1 <= num_nodes <= batch_limits.MAX_NODES:
        raise refuse(f"Number of nodes must be between 1 and {batch_limits.MAX_NODES}.")
    if main_node < 0:
        raise refuse(f"Main node index must not be negative, got {main_node}.")
    if main_node >= num_nodes:
        raise refuse("Main node index is out of range, must be less than numNodes.")
    if len(ranges) > batch_limits.MAX_NODE_RANGES:
        raise refuse(f"Maximum allowed size of node range properties is {batch_limits.MAX_NODE_RANGES}")
    for item in ranges:
        _check_range(item, replace(place, is_node=True))
    check_ranges(ranges_of(properties), num_nodes)
    check_instance_types(item["container"] for item in ranges)


def check_instance_types(containers: Iterable[Mapping[str, Any]]) -> None:
    """All node groups use one instance type; raises ApiError.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/mnp-node-groups.html
    """
    types = sorted({container["instanceType"] for container in containers if container.get("instanceType")})
    if len(types) > 1:
        raise refuse(
            f"All node groups in a multi-node parallel job must use the same instance type, got {', '.join(types)}."
        )


def ranges_of(properties: Mapping[str, Any]) -> list[NodeRange]:
    """Its ranges, in their order."""
    return [parsed_range(item["targetNodes"], properties["numNodes"]) for item in properties["nodeRangeProperties"]]


def shown_node_properties(properties: Mapping[str, Any], place: Place) -> dict[str, Any]:
    """The node properties as the service shows them: ranges as they were written."""
    ranges = [
        {"targetNodes": item["targetNodes"], "container": shown_container(item["container"], place.platform)}
        for item in properties["nodeRangeProperties"]
    ]
    return {**properties, "nodeRangeProperties": ranges}


def _check_range(item: Mapping[str, Any], place: Place) -> None:
    if item.get("container") and item.get("ecsProperties"):
        raise refuse("NodeRangeProperties can not use both ecsProperties and container fields")
    refuse_unplayed(item, _UNPLAYED, _WHERE)
    if item.get("instanceTypes"):
        raise refuse("Using instanceTypes with nodeRangeProperty is only allowed for ecsProperties jobs.")
    if not item.get("container"):
        raise refuse(f"Must specify container for node range {item['targetNodes']}")
    check_container(item["container"], place)
