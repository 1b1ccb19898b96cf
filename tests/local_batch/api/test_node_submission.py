"""SubmitJob of multi-node parallel jobs: where they run, how many nodes they have, what their ranges become."""

from __future__ import annotations

from typing import Any

import pytest

from local_batch.api.errors import ApiError
from local_batch.engine.jobs import Demand
from tests.local_batch.api.front import Front, ec2, multinode_definition, size

TWO_RANGES = {"0": {"command": ["main"]}, "1:": {"command": ["worker"]}}


def submit(front: Front, overrides: dict[str, Any] | None = None, **more: Any) -> str:
    """A job of the definition `nodes` on EC2."""
    request = {} if overrides is None else {"nodeOverrides": overrides}
    return front.submit(jobQueue="ec2", jobDefinition="nodes", **request, **more)


def register(front: Front, ranges: dict[str, dict[str, Any]], num_nodes: int, **more: Any) -> None:
    """The definition `nodes`."""
    front.call("RegisterJobDefinition", **multinode_definition("nodes", ranges, num_nodes=num_nodes, **more))


def shown_ranges(front: Front, job_id: str) -> dict[str, dict[str, Any]]:
    """The containers of a job's ranges, by the range as it was written."""
    ranges = front.job(job_id)["nodeProperties"]["nodeRangeProperties"]
    return {item["targetNodes"]: item["container"] for item in ranges}


def test_a_job_has_the_nodes_of_its_definition(front: Front) -> None:
    """Ranges are shown as they were written, and there is no container of the whole."""
    register(front, TWO_RANGES, 4, main_node=0)
    job_id = submit(front)
    job = front.job(job_id)
    assert (job["nodeProperties"]["numNodes"], job["nodeProperties"]["mainNode"]) == (4, 0)
    assert "container" not in job
    assert {text: item["command"] for text, item in shown_ranges(front, job_id).items()} == {
        "0": ["main"],
        "1:": ["worker"],
    }
    profile = front.record(job_id).profile
    assert [profile.container_of(node).detail["command"] for node in range(4)] == [["main"], *[["worker"]] * 3]
    assert front.record(job_id).spec.command == ()


def test_a_nested_range_overrides_the_one_around_it(front: Front) -> None:
    """However the definition orders them, and even where fewer nodes make the two alike."""
    register(front, {":": {"command": ["outer"]}, "0:2": {"command": ["inner"]}}, 5)
    profile = front.record(submit(front)).profile
    assert [profile.container_of(node).detail["command"][0] for node in range(5)] == [*["inner"] * 3, *["outer"] * 2]
    profile = front.record(submit(front, {"numNodes": 2})).profile
    assert [profile.container_of(node).detail["command"][0] for node in range(2)] == ["inner"] * 2


def test_the_number_of_nodes_is_overridden_where_a_range_is_open(front: Front) -> None:
    """Up and down: the open range ends with the job's nodes."""
    register(front, TWO_RANGES, 2)
    for num_nodes in (4, 2):
        job_id = submit(front, {"numNodes": num_nodes})
        assert front.job(job_id)["nodeProperties"]["numNodes"] == num_nodes
        profile = front.record(job_id).profile
        assert (profile.num_nodes, profile.container_of(num_nodes - 1).last_node) == (num_nodes, num_nodes - 1)


@pytest.mark.parametrize(
    ("ranges", "main_node", "num_nodes", "text"),
    [
        ({"0:2": {}}, 0, 2, "numNodes needs a node range with an open upper boundary, such as : or n:.*got 0:2"),
        ({"0:1": {}, "2": {}}, 0, 4, "numNodes needs a node range with an open upper boundary"),
        ({"0:1": {}, "2:": {}}, 0, 2, "Node range error 2:. Node range should be smaller than number of nodes"),
        ({":": {}, "2:2": {}}, 0, 2, "Node range error 2:2. Node range should be smaller than number of nodes"),
        ({"0:": {}}, 2, 2, "Main node index is out of range, must be less than numNodes."),
        ({"0:": {}}, 0, 0, "Number of nodes must be between 1 and 1000."),
        ({"0:": {}}, 0, -1, "Number of nodes must be between 1 and 1000."),
        ({"0:": {}}, 0, 1001, "Number of nodes must be between 1 and 1000."),
    ],
)
def test_a_number_of_nodes_that_the_definition_does_not_allow_is_refused(
    front: Front, ranges: dict[str, dict[str, Any]], main_node: int, num_nodes: int, text: str
) -> None:
    """The three conditions of API_NodeOverrides, and its bounds."""
    register(front, ranges, 3, main_node=main_node)
    with pytest.raises(ApiError, match=text):
        submit(front, {"numNodes": num_nodes})
    assert front.dispatcher.engine.jobs == {}


def test_each_range_is_overridden_by_the_text_of_its_targets(front: Front) -> None:
    """What redun and Metaflow send: command, environment and size of each range."""
    own = {"command": ["worker", "Ref::what"], "environment": [{"name": "A", "value": "1"}]}
    register(front, {"0": {"command": ["main"]}, "1:": own}, 3, parameters={"what": "nothing"})
    overrides = [
        {"targetNodes": "0", "containerOverrides": {"command": ["lead", "Ref::what"]}},
        {
            "targetNodes": "1:",
            "containerOverrides": {
                "environment": [{"name": "A", "value": "2"}, {"name": "B", "value": "3"}],
                "resourceRequirements": size("2", "2048"),
            },
        },
    ]
    job_id = submit(front, {"nodePropertyOverrides": overrides}, parameters={"what": "all"})
    shown = shown_ranges(front, job_id)
    assert shown["0"]["command"] == ["lead", "all"]
    assert shown["1:"]["command"] == ["worker", "all"]
    assert shown["1:"]["environment"] == [{"name": "A", "value": "2"}, {"name": "B", "value": "3"}]
    profile = front.record(job_id).profile
    assert [profile.container_of(node).demand for node in range(3)] == [Demand(1, 1024), *[Demand(2, 2048)] * 2]


@pytest.mark.parametrize(
    ("entries", "text"),
    [
        (
            [{"targetNodes": "0:0"}, {"targetNodes": "1:1"}],
            "NodeOverride targets should match job definition. Non matching targets - 0:0,1:1",
        ),
        ([{"targetNodes": "1:2"}], "Non matching targets - 1:2"),
        ([{"targetNodes": "0"}, {"targetNodes": "0"}], "NodeOverride targets must be unique, got 0,0"),
        (
            [{"targetNodes": "0", "instanceTypes": ["m6i.large"]}],
            "Using instanceTypes with nodeRangeProperty is only allowed for ecsProperties jobs.",
        ),
        (
            [{"targetNodes": "0", "ecsPropertiesOverride": {"taskProperties": [{}]}}],
            "nodePropertyOverrides.ecsPropertiesOverride: is not played",
        ),
        (
            [{"targetNodes": "0", "eksPropertiesOverride": {"podProperties": {"containers": [{}]}}}],
            "nodePropertyOverrides.eksPropertiesOverride: is not played",
        ),
        (
            [
                {
                    "targetNodes": "0",
                    "consumableResourcePropertiesOverride": {"consumableResourceList": [{"consumableResource": "r"}]},
                }
            ],
            "nodePropertyOverrides.consumableResourcePropertiesOverride: is not played",
        ),
        (
            [
                {"targetNodes": "0", "containerOverrides": {"instanceType": "m6i.large"}},
                {"targetNodes": "1:", "containerOverrides": {"instanceType": "c6i.large"}},
            ],
            "must use the same instance type, got c6i.large, m6i.large",
        ),
    ],
)
def test_node_overrides_that_do_not_fit_are_refused(front: Front, entries: list[dict[str, Any]], text: str) -> None:
    """Targets are compared as text, which is what the service does."""
    register(front, TWO_RANGES, 3)
    with pytest.raises(ApiError, match=text):
        submit(front, {"nodePropertyOverrides": entries})
    assert front.dispatcher.engine.jobs == {}


def test_sizes_may_be_missing_until_the_submission(front: Front) -> None:
    """They must be given for each node at least once: in the definition or here."""
    register(front, {"0:": {"resourceRequirements": [{"type": "VCPU", "value": "1"}]}}, 2)
    with pytest.raises(ApiError, match=r"Memory is required\."):
        submit(front)
    memory = {"resourceRequirements": [{"type": "MEMORY", "value": "512"}]}
    job_id = submit(front, {"nodePropertyOverrides": [{"targetNodes": "0:", "containerOverrides": memory}]})
    assert front.record(job_id).container.demand == Demand(1, 512)


def test_they_run_on_demand_instances_only(front: Front) -> None:
    """Not on Fargate, nor where all there is comes from Spot: AWS takes those and never runs them."""
    register(front, {"0:": {}}, 2)
    spot = {"type": "SPOT", "allocationStrategy": "SPOT_PRICE_CAPACITY_OPTIMIZED"}
    front.call("CreateComputeEnvironment", **ec2("spot", **spot))
    front.queue("spot", "spot")
    with pytest.raises(ApiError, match="not supported on compute environments that use Spot Instances"):
        front.submit(jobQueue="spot", jobDefinition="nodes")
    with pytest.raises(ApiError, match="Fargate does not support MNP jobs"):
        front.submit(jobQueue="normal", jobDefinition="nodes")


def test_they_are_no_arrays(front: Front) -> None:
    """The service documents no such thing."""
    register(front, {"0:": {}}, 2)
    with pytest.raises(ApiError, match="A multi-node parallel job cannot be an array job"):
        submit(front, arrayProperties={"size": 2})


def test_a_range_too_long_for_ecs_fails_the_job(front: Front) -> None:
    """Each range's overrides count by themselves, with the variables of nodes."""
    register(front, TWO_RANGES, 2)

    def overridden(words: int, *targets: str) -> str:
        overrides = {"command": ["x" * words]}
        entries = [{"targetNodes": target, "containerOverrides": overrides} for target in targets]
        return str(front.job(submit(front, {"nodePropertyOverrides": entries}))["status"])

    assert overridden(7_000, "0", "1:") != "FAILED"
    assert overridden(7_850, "1:") == "FAILED"


def test_equal_submissions_share_a_profile(front: Front) -> None:
    """Commands of nodes are part of it."""
    register(front, TWO_RANGES, 2)
    overrides = {"nodePropertyOverrides": [{"targetNodes": "0", "containerOverrides": {"command": ["other"]}}]}
    ids = [submit(front), submit(front), submit(front, overrides)]
    first, second, third = (front.record(job_id).profile for job_id in ids)
    assert first is second
    assert first.key != third.key
