"""Doing a part of a run again: just that part, in arrays of just its tasks, waiting for just each other."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Collection, Mapping
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from runner.plan import PlannedRequest
from runner.planner import Planned
from runner.rerun import Again, RunPlace, plan_again, unchanged, with_dependents
from tests.runner.expanded import awaited_tasks, check_limits, children
from tests.runner.planned import RUN_ID, planned, surroundings, workflow
from tests.runner.test_folding import Tasks, graphs, numbers


def place_of(made: Planned, submission: int = 2, objects: Mapping[str, bytes] | None = None) -> RunPlace:
    """Behind the requests of a plan."""
    around = surroundings()
    return RunPlace(
        run_id=RUN_ID,
        submission=submission,
        first=len(made.plan.requests),
        deployment=around.deployment,
        definitions=around.definitions,
        region="us-east-1",
        read_object=lambda key: (objects or made.plan.objects)[key],
    )


def again(made: Planned, tasks: Collection[str], queues: Mapping[str, str] | None = None) -> Again:
    """These tasks of a plan once more."""
    return plan_again(made.plan.requests, tasks, place_of(made), queues)


def test_of_an_array_just_the_failed_children_are_an_array_again() -> None:
    """With the commands that they had; what waits for them waits anew."""
    made = planned({"m": {"foreach": numbers(1000), "command": ["-n", "${i}"]}, "r": {"needs": ["m"]}})
    failed = {"m-17", "m-400", "m-1000"}
    subset = with_dependents(made.plan.requests, failed)
    assert subset == failed | {"r"}
    found = again(made, subset)
    array, reduce = found.requests
    assert array.tasks == ["m-17", "m-400", "m-1000"]
    assert array.size == 3
    assert [command for command, _ in children(made.plan, array)] == [["-n", "17"], ["-n", "400"], ["-n", "1000"]]
    assert array.job_name == f"{RUN_ID}_2-m"
    assert reduce.depends_on == ((2, None, False),)


def test_one_failed_child_is_a_job_of_its_own() -> None:
    """With its command where everybody can read it."""
    made = planned({"m": {"foreach": numbers(1000), "command": ["-n", "${i}"], "vcpus": 2, "memory_mib": 4096}})
    (request,) = again(made, {"m-17"}).requests
    assert request.request["containerOverrides"]["command"] == ["-n", "17"]
    assert len(request.request["containerOverrides"]["resourceRequirements"]) == 2
    assert "arrayProperties" not in request.request


def test_tasks_lost_to_reclaims_go_to_another_queue() -> None:
    """Once: from there they go nowhere else."""
    made = planned({"m": {"foreach": numbers(5), "command": ["${i}"], "fallback": {"queue": "high", "after": 3}}})
    (request,) = made.plan.requests
    assert request.request["retryStrategy"]["attempts"] == 3
    queue = request.fallback_queue
    assert queue is not None
    (moved,) = again(made, {"m-2", "m-3"}, {"m-2": queue, "m-3": queue}).requests
    assert (moved.job_queue, moved.fallback_queue, list(moved.tasks)) == (queue, None, ["m-2", "m-3"])


def test_a_child_that_a_shell_told_apart_does_the_same_again() -> None:
    """Run here by a real shell, alone."""
    command = ["sh", "-c", 'printf "%s" "$0 ${i}$A"']
    task = {
        "job_definition": "plain:1",
        "foreach": {"i": ["x", "y"]},
        "command": command,
        "environment": {"A": "<${i}>"},
    }
    (request,) = again(planned({"t": task}), {"t-y"}).requests
    script = request.request["containerOverrides"]["command"]
    done = subprocess.run(script, env={}, capture_output=True, text=True, check=True)
    assert done.stdout == "sh y<y>"


def test_what_changed_is_known_by_its_content_and_by_what_it_waits_for() -> None:
    """A changed command changes the task and all below it; the rest is what it was."""
    tasks: dict[str, dict[str, Any]] = {
        "a": {"command": ["1"]},
        "b": {"needs": ["a"], "command": ["1"]},
        "c": {"command": ["1"], "queue": "high"},
        "d": {"needs": ["b", "c"]},
    }
    before = planned(tasks).plan.requests
    assert unchanged(before, planned(tasks).plan.requests) == {"a", "b", "c", "d"}
    for change in ({"command": ["2"]}, {"environment": {"A": "b"}}, {"job_definition": "dopisecond"}, {"gpus": 1}):
        now = planned({**tasks, "b": {**tasks["b"], **change}}).plan.requests
        assert unchanged(before, now) == {"a", "c"}
    moved = planned({**tasks, "c": {"command": ["1"]}}).plan.requests
    assert unchanged(before, moved) == {"a", "b", "c", "d"}, "where it runs is not what it does"


def test_every_job_says_to_which_deployment_it_belongs() -> None:
    """Arrays, barriers, single jobs and jobs of nodes, done for the first time or again: policies go by it."""
    tasks: dict[str, dict[str, Any]] = {f"a{i}": {"timeout_seconds": 60 + i} for i in range(25)}
    tasks |= {
        "gather": {"needs": list(tasks)},
        "map": {"foreach": numbers(3), "command": ["${i}"]},
        "nodes": {"nodes": 2, "command": ["hostname"]},
    }
    made = planned(tasks)
    names = {name for request in made.plan.requests for name in request.tasks}
    requests = [*made.plan.requests, *again(made, names).requests]
    assert any(request.is_barrier for request in requests)
    assert {json.dumps(request.request["tags"], sort_keys=True) for request in requests} == {
        json.dumps({"cloud-hpc:deployment": "CloudHpc", "cloud-hpc:run": RUN_ID})
    }


@settings(max_examples=200, deadline=None)
@given(graphs(), st.data())
def test_any_part_of_any_run_can_be_done_again(tasks: Tasks, data: st.DataObject) -> None:
    """And a part of that again: each task does what it did, and waits for what it waited for in that part."""
    made = planned(tasks)
    graph = workflow(tasks).graph()
    names = list(graph.names())
    needs = {name: set(graph.names_needed(number)) for number, name in enumerate(names)}
    requests: list[PlannedRequest] = list(made.plan.requests)
    objects = dict(made.plan.objects)
    for submission in (2, 3):
        failed = data.draw(st.sets(st.sampled_from(names), min_size=1))
        subset = with_dependents(requests, failed)
        assert subset == _closure(failed, needs)
        place = RunPlace(
            run_id=RUN_ID,
            submission=submission,
            first=len(requests),
            deployment=surroundings().deployment,
            definitions=surroundings().definitions,
            region="us-east-1",
            read_object=objects.__getitem__,
        )
        found = plan_again(requests, subset, place)
        before = _done(made, requests)
        requests += found.requests
        objects |= found.objects
        check_limits(requests)
        after = awaited_tasks(requests)
        assert {name: set(after[name]) for name in subset} == {name: needs[name] & subset for name in subset}
        assert {name for request in found.requests for name in request.tasks} == subset
        assert _done(made, requests) == before


def _closure(failed: set[str], needs: Mapping[str, set[str]]) -> set[str]:
    found = set(failed)
    while more := {name for name, needed in needs.items() if name not in found and needed & found}:
        found |= more
    return found


def _done(made: Planned, requests: list[PlannedRequest]) -> dict[str, object]:
    return {
        name: child
        for request in requests
        if request.tasks
        for name, child in zip(request.tasks, children(made.plan, request), strict=True)
    }
