"""SubmitJob of arrays, and of jobs that wait for others: sizes and dependencies, refused and taken."""

from __future__ import annotations

from typing import Any

import pytest

from local_batch.api.errors import ApiError
from local_batch.engine.jobs import Dependency, DependencyType
from tests.local_batch.api.front import Front, multinode_definition


def array(front: Front, size: int, **more: Any) -> str:
    """An array job on Fargate."""
    return front.submit(arrayProperties={"size": size}, **more)


@pytest.mark.parametrize("size", [2, 10_000])
def test_an_array_has_two_to_ten_thousand_children(front: Front, size: int) -> None:
    """One profile and one submission for all of them."""
    job_id = array(front, size)
    assert front.job(job_id)["arrayProperties"]["size"] == size
    assert front.record(job_id).spec.array_size == size
    assert len(front.dispatcher.engine.jobs) == 1


@pytest.mark.parametrize("size", [-1, 0, 1, 10_001])
def test_other_sizes_are_refused(front: Front, size: int) -> None:
    """An array of one is none."""
    with pytest.raises(ApiError, match=f"Array size must be between 2 and 10000, got {size}"):
        array(front, size)


def test_array_properties_without_a_size_ask_for_nothing(front: Front) -> None:
    """CDK and CloudFormation write empty structures."""
    assert "arrayProperties" not in front.job(front.submit(arrayProperties={}))


def test_all_types_of_dependencies_are_taken_and_shown(front: Front) -> None:
    """Each once, in the order given; a plain one may name an array, its child or any other job."""
    first = array(front, 3)
    single = front.submit()
    depends_on: list[dict[str, str]] = [
        {"jobId": first, "type": "N_TO_N"},
        {"type": "SEQUENTIAL"},
        {"jobId": single},
        {"jobId": f"{first}:2"},
        {"jobId": single},
    ]
    job_id = array(front, 3, dependsOn=depends_on)
    assert front.record(job_id).spec.depends_on == (
        Dependency(first, DependencyType.N_TO_N),
        Dependency(None, DependencyType.SEQUENTIAL),
        Dependency(single),
        Dependency(f"{first}:2"),
    )
    assert front.job(job_id)["dependsOn"] == depends_on[:4]


def test_a_single_job_may_wait_for_a_child(front: Front) -> None:
    """Children are jobs with ids of their own once their array has them."""
    first = array(front, 2)
    job_id = front.submit(dependsOn=[{"jobId": f"{first}:1"}])
    assert front.job(job_id)["status"] == "PENDING"
    front.start(f"{first}:1")
    front.exit(f"{first}:1")
    assert front.job(job_id)["status"] != "PENDING"


@pytest.mark.parametrize(
    ("depends_on", "text"),
    [
        ([{"jobId": "nobody"}], "dependsOn jobId nobody does not exist."),
        ([{}], "dependsOn jobId None does not exist."),
        ([{"jobId": ""}], "dependsOn jobId  does not exist."),
        ([{"jobId": "{array}:2"}], "dependsOn jobId .*:2 does not exist."),
        ([{"jobId": "{single}:0"}], "dependsOn jobId .*:0 does not exist."),
        ([{"jobId": "{waiting}:0"}], "dependsOn jobId .*:0 does not exist."),
        ([{"jobId": "{single}"}] * 21, "Job cannot have more than 20 dependencies"),
        ([{"type": "N_TO_N"}], "dependsOn jobId None does not exist."),
        ([{"type": "N_TO_N", "jobId": "nobody"}], "dependsOn jobId nobody does not exist."),
        ([{"type": "N_TO_N", "jobId": "{single}"}], "N_TO_N needs the jobId of an array job"),
        ([{"type": "N_TO_N", "jobId": "{array}:0"}], "N_TO_N needs the jobId of an array job"),
        ([{"type": "N_TO_N", "jobId": "{larger}"}], "N_TO_N needs an array job of the same size, 2, got .* of size 3"),
        ([{"type": "SEQUENTIAL", "jobId": "{array}"}], "SEQUENTIAL must not have a jobId"),
    ],
)
def test_dependencies_that_nothing_could_satisfy_are_refused(
    front: Front, depends_on: list[dict[str, str]], text: str
) -> None:
    """Here at once; a child has no id before its array has children."""
    names = {"single": front.submit(), "array": array(front, 2), "larger": array(front, 3)}
    names["waiting"] = array(front, 2, dependsOn=[{"jobId": names["single"]}])
    entries = [{name: value.format(**names) for name, value in entry.items()} for entry in depends_on]
    with pytest.raises(ApiError, match=text):
        array(front, 2, dependsOn=entries)
    assert len(front.dispatcher.engine.jobs) == 4


@pytest.mark.parametrize("entry", [{"type": "SEQUENTIAL"}, {"type": "N_TO_N", "jobId": "{array}"}])
def test_types_of_dependencies_are_for_arrays(front: Front, entry: dict[str, str]) -> None:
    """A single job has no children to pair."""
    job_id = array(front, 2)
    with pytest.raises(ApiError, match=f"dependsOn type {entry['type']} is only applicable to array jobs"):
        front.submit(dependsOn=[{name: value.format(array=job_id) for name, value in entry.items()}])


def test_twenty_dependencies_are_taken_whatever_their_types(front: Front) -> None:
    """An array counts once, a SEQUENTIAL entry too."""
    ids = [front.submit() for _ in range(18)]
    depends_on = [*({"jobId": job_id} for job_id in ids), {"type": "SEQUENTIAL"}]
    job_id = array(front, 2, dependsOn=[*depends_on, {"jobId": array(front, 2), "type": "N_TO_N"}])
    assert len(front.job(job_id)["dependsOn"]) == 20


def test_a_node_cannot_be_waited_for(front: Front) -> None:
    """It ends with its job, and that is what to wait for."""
    front.call("RegisterJobDefinition", **multinode_definition("nodes", {"0:": {}}, num_nodes=2))
    job_id = front.submit(jobQueue="ec2", jobDefinition="nodes")
    with pytest.raises(ApiError, match=f"{job_id}#0 is a node of a multi-node parallel job.*; depend on {job_id}"):
        front.submit(dependsOn=[{"jobId": f"{job_id}#0"}])


def test_the_variables_of_children_count_in_the_overrides_length(front: Front) -> None:
    """Their index and the array's size leave a little less than a single job has."""
    command = {"command": ["x" * 7_886]}
    single, children = front.submit(containerOverrides=command), array(front, 10_000, containerOverrides=command)
    assert front.job(single)["status"] != "FAILED"
    shown = front.job(children)
    assert (shown["status"], shown["statusReason"]) == ("FAILED", "Container Overrides length must be at most 8192")
