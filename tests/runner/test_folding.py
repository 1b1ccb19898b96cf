"""Folding: fewer calls, and nobody waits for anybody else than the graph says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.planner import Planned
from tests.runner.expanded import awaited_tasks, check_limits, children
from tests.runner.planned import planned, workflow

Tasks = Mapping[str, Mapping[str, Any]]


def checked(tasks: Tasks) -> Planned:
    """The plan, proved to mean the graph: who waits for whom, and what each task does."""
    made = planned(tasks)
    graph = workflow(tasks).graph()
    alone = planned(tasks, folds=False)
    assert awaited_tasks(made.plan.requests) == {
        name: frozenset(graph.names_needed(number)) for number, name in enumerate(graph.names())
    }
    check_limits(made.plan.requests)
    assert _done(made) == _done(alone)
    barriers = sum(request.is_barrier for request in made.plan.requests)
    assert len(made.plan.requests) <= len(graph) + barriers
    return made


def _done(made: Planned) -> dict[str, object]:
    found: dict[str, object] = {}
    for request in made.plan.requests:
        kept = ("jobQueue", "jobDefinition", "retryStrategy", "timeout", "tags")
        shared = [request.request.get(key) for key in kept]
        for name, child in zip(request.tasks, children(made.plan, request), strict=bool(request.tasks)):
            found[name] = (child, shared)
    return found


def sizes(made: Planned) -> list[int]:
    """Tasks of each request; 0 for a barrier."""
    return [len(request.tasks) for request in made.plan.requests]


def numbers(last: int) -> dict[str, Any]:
    """Of a foreach."""
    return {"i": {"from": 1, "to": last}}


def test_a_map_and_a_reduce_are_two_calls() -> None:
    """10,000 tasks and one that waits for all of them."""
    made = checked({"map": {"foreach": numbers(10_000), "command": ["${i}"]}, "reduce": {"needs": ["map"]}})
    assert sizes(made) == [10_000, 1]
    assert made.plan.requests[1].depends_on == ((0, None, False),)


def test_more_than_an_array_holds_is_several_of_the_same_size() -> None:
    """None of them has one child only, which Batch would refuse."""
    assert sizes(checked({"map": {"foreach": numbers(10_001), "command": ["${i}"]}})) == [5000, 5001]


def test_chains_continue_child_by_child() -> None:
    """Three stages of 1,000 are three calls, each waiting index by index."""
    chain: Tasks = {
        "a": {"foreach": numbers(1000), "command": ["${i}"]},
        "b": {"foreach": numbers(1000), "needs": ["a-${i}"], "command": ["${i}"]},
        "c": {"foreach": numbers(1000), "needs": ["b-${i}", "a-${i}"], "queue": "high"},
    }
    made = checked(chain)
    assert sizes(made) == [1000, 1000, 1000]
    assert made.plan.requests[2].depends_on == ((0, None, True), (1, None, True))


def test_chains_that_end_early_are_cut_from_those_that_go_on() -> None:
    """Only every second task has a continuation: two arrays and a third, not an array and 500 jobs."""
    made = checked(
        {
            "a": {"foreach": numbers(1000), "command": ["${i}"]},
            "b": {"foreach": {"i": {"from": 2, "to": 1000, "step": 2}}, "needs": ["a-${i}"], "command": ["${i}"]},
        }
    )
    assert sorted(sizes(made)) == [500, 500, 500]


def test_two_arrays_meet_in_a_third_though_in_another_order() -> None:
    """c-i needs a-i and b-(101 - i): one of the arrays is turned round."""
    tasks: dict[str, dict[str, Any]] = {
        "a": {"foreach": numbers(100), "command": ["${i}"]},
        "b": {"foreach": numbers(100), "command": ["${i}"], "queue": "high"},
    }
    tasks |= {f"c{i}": {"needs": [f"a-{i}", f"b-{101 - i}"]} for i in range(1, 101)}
    assert sizes(checked(tasks)) == [100, 100, 100]


def test_neighbours_cannot_be_said_index_by_index() -> None:
    """c-i needs a-i and a-(i + 1): all are jobs of their own, as children may not be there when they are waited for."""
    tasks: dict[str, dict[str, Any]] = {"a": {"foreach": numbers(6), "command": ["${i}"]}}
    tasks |= {f"c{i}": {"needs": [f"a-{i}", f"a-{i + 1}"]} for i in range(1, 6)}
    assert sizes(checked(tasks)) == [1] * 11


def test_what_is_needed_together_stays_together() -> None:
    """b needs the first three of ten, c the third to the fifth: 2, 1, 2, and the other five."""
    tasks: dict[str, dict[str, Any]] = {"a": {"foreach": numbers(10), "command": ["${i}"]}}
    tasks |= {"b": {"needs": ["a-1", "a-2", "a-3"]}, "c": {"needs": ["a-3", "a-4", "a-5"], "queue": "high"}}
    assert sorted(sizes(checked(tasks))) == [1, 1, 1, 2, 2, 5]


def test_a_chain_of_which_one_link_is_needed_alone_is_cut_as_a_whole() -> None:
    """Somebody waits for b-7: its a-7 becomes a job too, and the other 99 stay arrays, child by child."""
    tasks: dict[str, dict[str, Any]] = {
        "a": {"foreach": numbers(100), "command": ["${i}"]},
        "b": {"foreach": numbers(100), "needs": ["a-${i}"], "command": ["${i}"]},
        "look": {"needs": ["b-7"]},
    }
    assert sorted(sizes(checked(tasks))) == [1, 1, 1, 99, 99]


def test_several_continuations_of_each_child() -> None:
    """Three tasks after each of 50: three arrays of 50, not 50 of three."""
    tasks: dict[str, dict[str, Any]] = {"a": {"foreach": numbers(50), "command": ["${i}"]}}
    for part in "xyz":
        tasks[f"b{part}"] = {"foreach": numbers(50), "needs": ["a-${i}"], "command": ["${i}"]}
    assert sizes(checked(tasks)) == [50, 50, 50, 50]


@pytest.mark.parametrize(("needed", "barriers"), [(20, 0), (21, 1), (39, 1), (40, 2), (1000, 52)])
def test_a_large_fan_in_is_gathered_by_the_fewest_barriers(needed: int, barriers: int) -> None:
    """Each takes 20 dependencies and gives back one; what is needed here cannot be one array."""
    tasks: dict[str, dict[str, Any]] = {f"a{i}": {"timeout_seconds": 60 + i} for i in range(needed)}
    tasks["all"] = {"needs": list(tasks)}
    made = checked(tasks)
    assert sum(request.is_barrier for request in made.plan.requests) == barriers
    assert len(made.plan.requests) == needed + 1 + barriers


def test_all_that_need_the_same_share_its_barriers() -> None:
    """Two tasks of different kinds after the same 100."""
    tasks: dict[str, dict[str, Any]] = {f"a{i}": {"timeout_seconds": 60 + i} for i in range(100)}
    tasks |= {"x": {"needs": list(tasks)}, "y": {"needs": list(tasks), "queue": "high"}}
    assert sum(request.is_barrier for request in checked(tasks).plan.requests) == 5


def test_most_of_an_array_is_cut_from_it_rather_than_named_child_by_child() -> None:
    """500 of 1,000 are needed: two arrays, no barrier."""
    tasks: dict[str, dict[str, Any]] = {"a": {"foreach": numbers(1000), "command": ["${i}"]}}
    tasks["some"] = {"needs": [f"a-{i}" for i in range(1, 501)]}
    assert sorted(sizes(checked(tasks))) == [1, 500, 500]


def test_what_must_differ_stays_apart() -> None:
    """Another queue, timeout, retries or size is another array."""
    tasks: dict[str, dict[str, Any]] = {}
    different: dict[str, dict[str, Any]] = {
        "plain": {},
        "queue": {"queue": "high"},
        "timeout": {"timeout_seconds": 90},
        "retries": {"retries": {"attempts": 2}},
        "vcpus": {"vcpus": 2, "memory_mib": 4096},
        "gpus": {"gpus": 1},
        "definition": {"job_definition": "dopisecond"},
        "allowed": {"allow_failure": True},
    }
    for name, keys in different.items():
        tasks[name] = {"foreach": numbers(3), "command": ["${i}"], **keys}
    assert sizes(checked(tasks)) == [3] * 8


def test_an_image_without_the_launcher_is_folded_where_all_do_the_same() -> None:
    """Different commands stay jobs of their own, unless they are scripts for a shell."""
    foreign = {"job_definition": "plain:1", "foreach": numbers(4)}
    assert sizes(checked({"same": {**foreign, "command": ["x"]}})) == [4]
    assert sizes(checked({"differ": {**foreign, "command": ["${i}"]}})) == [1, 1, 1, 1]


@st.composite
def graphs(draw: st.DrawFn) -> Tasks:
    """Tasks of a few kinds, in layers with many equal and some irregular needs."""
    tasks: dict[str, dict[str, Any]] = {}
    names: list[str] = []
    for entry in range(draw(st.integers(1, 9))):
        size = draw(st.sampled_from([1, 1, 2, 3, 5, 8, 30]))
        keys: dict[str, Any] = {"queue": draw(st.sampled_from(["normal", "normal", "high"]))}
        keys["job_definition"] = draw(st.sampled_from(["dopi", "dopi", "dopisecond", "plain:1"]))
        keys["allow_failure"] = draw(st.sampled_from([False, False, False, True]))
        earlier = list(tasks)
        needs = draw(st.lists(st.sampled_from(earlier), max_size=3, unique=True)) if earlier else []
        if names:
            needs += draw(st.lists(st.sampled_from(names), max_size=draw(st.sampled_from([1, 2, 40])), unique=True))
        if size > 1:
            keys["foreach"] = {"i": {"from": 1, "to": size}}
            partners = [name for name in earlier if tasks[name].get("foreach", {}).get("i", {}).get("to", 0) >= size]
            if partners:
                chosen = draw(st.lists(st.sampled_from(partners), max_size=2, unique=True))
                needs += [f"{partner}-${{i}}" for partner in chosen]
        keys["command"] = ["x", draw(st.sampled_from(["same", "${task}", "${job_name}"]))]
        name = f"t{entry}"
        tasks[name] = {**keys, "needs": needs}
        names += [f"{name}-{index}" for index in range(1, size + 1)] if size > 1 else [name]
    return tasks


@settings(max_examples=400, deadline=None)
@given(graphs())
def test_any_graph_is_found_again_in_its_plan(tasks: Tasks) -> None:
    """Expanded by Batch's rules the requests are the graph, each task doing what it says."""
    checked(tasks)
