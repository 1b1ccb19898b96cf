"""Definitions of multi-node parallel jobs: ranges of nodes, and what is refused of them."""

from __future__ import annotations

from typing import Any

import pytest

from local_batch.api.errors import ApiError
from local_batch.api.node_ranges import parsed_range
from tests.local_batch.api.front import Front, definition, multinode_definition

MISSING = "Node Range Properties target nodes have missing ranges"
ECS = {"taskProperties": [{"containers": [{"image": "i"}]}]}


@pytest.mark.parametrize(
    ("text", "first", "last", "is_open"),
    [
        ("0:3", 0, 3, False),
        (":3", 0, 3, False),
        ("2:", 2, 4, True),
        (":", 0, 4, True),
        ("3", 3, 3, False),
        ("03:3", 3, 3, False),
    ],
)
def test_ranges_are_written_in_five_ways(text: str, first: int, last: int, is_open: bool) -> None:
    """Both ends are included, and either may be left out."""
    found = parsed_range(text, 5)
    assert (found.text, found.first, found.last, found.is_open) == (text, first, last, is_open)


@pytest.mark.parametrize(
    ("ranges", "num_nodes"),
    [
        ([":"], 1),
        (["0:"], 1000),
        (["0", "1:"], 3),
        (["1:2", "0"], 3),
        (["0:10", "4:5"], 11),
        ([":", "4:5", "4"], 11),
        (["0", "1", "2", "3", "4"], 5),
    ],
)
def test_ranges_that_cover_all_nodes_are_taken(front: Front, ranges: list[str], num_nodes: int) -> None:
    """In any order, side by side or nested, also more than once."""
    request = multinode_definition("nodes", {text: {} for text in ranges}, num_nodes=num_nodes)
    assert front.call("RegisterJobDefinition", **request)["revision"] == 1


@pytest.mark.parametrize(
    ("ranges", "num_nodes", "text"),
    [
        ([], 1, MISSING),
        (["1:"], 3, MISSING),
        (["0:1", "3:"], 4, MISSING),
        (["0:1"], 3, MISSING),
        (["0:5"], 3, "Node range error 0:5. Node range should be smaller than number of nodes"),
        (["0:", "3:"], 3, "Node range error 3:. Node range should be smaller than number of nodes"),
        (["2:1"], 3, "Node range error 2:1. The first node of a range must not be greater than its last."),
        (["a:b"], 3, "targetNodes should contain only digits."),
        (["-1:"], 3, "targetNodes should contain only digits."),
        (["0:1:2"], 3, "targetNodes should contain only digits."),
        (["٣:"], 3, "targetNodes should contain only digits."),
        ([""], 1, "targetNodes should contain only digits."),
        (["0:2", "1:3"], 4, "Node ranges may be nested but must not overlap otherwise, got 0:2 and 1:3"),
        (["0:1", ":1"], 2, "Node ranges may be nested but must not overlap otherwise, got 0:1 and :1"),
        (["0", "1", "2", "3", "4", "5"], 6, "Maximum allowed size of node range properties is 5"),
        ([":"], 0, "Number of nodes must be between 1 and 1000."),
        ([":"], 1001, "Number of nodes must be between 1 and 1000."),
    ],
)
def test_ranges_that_do_not_fit_are_refused(front: Front, ranges: list[str], num_nodes: int, text: str) -> None:
    """In the service's words where they are known; overlaps that are no nesting leave a node's container open."""
    request = multinode_definition("nodes", {target: {} for target in ranges}, num_nodes=num_nodes)
    with pytest.raises(ApiError, match=text):
        front.call("RegisterJobDefinition", **request)


@pytest.mark.parametrize(("main_node", "text"), [(2, "Main node index is out of range"), (-1, "must not be negative")])
def test_the_main_node_is_one_of_the_nodes(front: Front, main_node: int, text: str) -> None:
    """They count from 0."""
    with pytest.raises(ApiError, match=text):
        front.call("RegisterJobDefinition", **multinode_definition("n", {":": {}}, num_nodes=2, main_node=main_node))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"container": None}, "Must specify container for node range 0:"),
        ({"container": {}}, "Must specify container for node range 0:"),
        ({"ecsProperties": ECS}, "NodeRangeProperties can not use both ecsProperties and container fields"),
        ({"container": None, "ecsProperties": ECS}, "nodeRangeProperties.ecsProperties: is not played"),
        (
            {"container": None, "eksProperties": {"podProperties": {"hostNetwork": True}}},
            "nodeRangeProperties.eksProperties: is not played",
        ),
        (
            {"consumableResourceProperties": {"consumableResourceList": [{"consumableResource": "r"}]}},
            "nodeRangeProperties.consumableResourceProperties: is not played",
        ),
        (
            {"instanceTypes": ["m6i.large"]},
            "Using instanceTypes with nodeRangeProperty is only allowed for ecsProperties jobs.",
        ),
    ],
)
def test_a_range_has_one_container(front: Front, change: dict[str, Any], text: str) -> None:
    """And nothing else."""
    request = multinode_definition("nodes", {"0:": {}}, num_nodes=2)
    request["nodeProperties"]["nodeRangeProperties"][0] |= change
    with pytest.raises(ApiError, match=text):
        front.call("RegisterJobDefinition", **request)


@pytest.mark.parametrize(
    ("container", "text"),
    [
        ({"image": ""}, "Container image must be specified."),
        ({"networkConfiguration": {"assignPublicIp": "ENABLED"}}, "networkConfiguration not applicable for EC2."),
        ({"resourceRequirements": [{"type": "VCPU", "value": "0.5"}]}, "vCPU must be at least 1, got 0.5."),
        ({"resourceRequirements": [{"type": "MEMORY", "value": "3"}]}, "Memory must be at least 4 Mib, got 3 Mib."),
        ({"resourceRequirements": [{"type": "MEMORY", "value": "x"}]}, "Memory must be a number, got 'x'."),
        ({"environment": [{"name": "AWS_BATCH_JOB_ID", "value": "x"}]}, "must not start with AWS_BATCH"),
        ({"mountPoints": [{"sourceVolume": "v", "containerPath": "/v"}]}, "Unknown volume 'v'."),
    ],
)
def test_a_ranges_container_is_checked_as_any_other(front: Front, container: dict[str, Any], text: str) -> None:
    """But for its size, of which the submission may give what is missing."""
    with pytest.raises(ApiError, match=text):
        front.call("RegisterJobDefinition", **multinode_definition("n", {":": container}, num_nodes=2))


def test_all_ranges_have_one_instance_type(front: Front) -> None:
    """Those that name one."""
    ranges = {"0": {"instanceType": "m6i.large"}, "1": {}, "2:": {"instanceType": "c6i.large"}}
    with pytest.raises(ApiError, match=r"must use the same instance type, got c6i\.large, m6i\.large"):
        front.call("RegisterJobDefinition", **multinode_definition("n", ranges, num_nodes=3))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"platformCapabilities": ["FARGATE"]}, "Fargate does not support MNP jobs"),
        ({"nodeProperties": None}, "Node properties of multinode job is required."),
        (
            {"containerProperties": definition("d")["containerProperties"]},
            "containerProperties must not be specified for a job definition of type multinode.",
        ),
        ({"ecsProperties": ECS}, "ecsProperties: is not played"),
    ],
)
def test_type_and_properties_go_together(front: Front, change: dict[str, Any], text: str) -> None:
    """And nodes with EC2."""
    with pytest.raises(ApiError, match=text):
        front.call("RegisterJobDefinition", **{**multinode_definition("n", {":": {}}, num_nodes=2), **change})
