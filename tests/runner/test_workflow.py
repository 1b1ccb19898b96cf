"""Workflows made in Python, and what expansion makes of any."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import InputError
from runner.foreach import NumberRange
from runner.graph import layers
from runner.retries import Retries
from runner.workflow import Workflow
from runner.workflow_file import parse
from tests.runner.planned import Declared, declared


def workflow(**tasks: Mapping[str, object]) -> Workflow:
    """A workflow of these tasks, all of one definition and queue."""
    made = Workflow("w", defaults={"job_definition": "d", "queue": "q"})
    for name, keys in tasks.items():
        made.task(name.replace("_", "-"), **keys)  # type: ignore[arg-type]
    return made


def tasks_of(made: Workflow) -> dict[str, Declared]:
    """By name."""
    return declared(made.graph())


def test_a_mistake_in_python_is_told_at_once_and_names_the_task() -> None:
    """Without a file, the workflow's name stands where file and line would."""
    with pytest.raises(InputError, match=r"workflow 'w': tasks\.t\.vcpus: is greater than 0, got -1"):
        workflow(t={"vcpus": -1})
    with pytest.raises(InputError, match=r"workflow 'w': tasks\.t: is declared already"):
        workflow(t={}).task("t")
    with pytest.raises(InputError, match=r"workflow 'a b': name: a name is 1 to 36"):
        Workflow("a b")


def test_a_workflow_without_tasks_is_refused_when_it_is_used() -> None:
    """It may be empty while it is being made."""
    with pytest.raises(InputError, match="a workflow has at least one task, got none"):
        Workflow("w").graph()


def test_foreach_makes_every_combination_the_last_name_fastest() -> None:
    """Values appear in names as far as names allow."""
    tasks = tasks_of(workflow(t={"foreach": {"a": [1, 2], "b": ["x", "y/z"]}}))
    assert {name: dict(task.values) for name, task in tasks.items()} == {
        "t-1-x": {"a": "1", "b": "x"},
        "t-1-y-z": {"a": "1", "b": "y/z"},
        "t-2-x": {"a": "2", "b": "x"},
        "t-2-y-z": {"a": "2", "b": "y/z"},
    }


def test_needing_a_group_is_needing_all_of_it() -> None:
    """And one of it can be needed by its own name, or by foreach values."""
    tasks = tasks_of(
        workflow(
            sim={"foreach": {"n": ["1", "2.5"]}},
            one={"needs": ["sim-1"]},
            check={"foreach": {"n": ["1", "2.5"]}, "needs": ["sim-${n}"]},
            merge={"needs": ["sim", "check"]},
        )
    )
    assert tasks["one"].needs == ("sim-1",)
    assert tasks["check-2-5"].needs == ("sim-2-5",)
    assert tasks["merge"].needs == ("sim-1", "sim-2-5", "check-1", "check-2-5")


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [
        (
            {"t": {"foreach": {"x": ["a/b", "a-b"]}}},
            "a task's name is used once, got 't-a-b' from t; rename a task, or change the foreach values",
        ),
        ({"t": {"foreach": {"x": [1]}}, "t_1": {}}, "a task's name is used once, got 't-1' from t and t-1"),
        ({"t": {"foreach": {"x": ["y" * 70]}}}, "a name is 1 to 64 letters"),
        (
            {"t": {"command": ["${nope}"]}},
            "names a value that is known here, got '${nope}'; use one of: bucket, job_",
        ),
        ({"a": {}, "t": {"command": ["${jobs.a}"]}}, "(add 'a' to 'needs': this task does not wait for it)"),
        ({"t": {"command": ["$prefix/x"]}}, "a name is written in braces, got '$prefix'; write ${prefix}, or $$prefix"),
        ({"t": {"command": ["${prefix"]}}, "'${' begins a name that ends with '}'"),
        ({"t": {"needs": ["t-${x}"]}}, "names a value that is known here, got '${x}'"),
    ],
)
def test_names_that_do_not_fit_together_are_refused(tasks: dict[str, dict[str, object]], expected: str) -> None:
    """Two tasks of one name, values and tasks that are not known, or not there in time."""
    with pytest.raises(InputError) as caught:
        workflow(**tasks).graph()
    assert expected in str(caught.value)


def test_a_job_name_of_what_is_upstream_of_upstream_can_be_used() -> None:
    """It has succeeded by then all the same."""
    made = workflow(a={}, b={"needs": ["a"]}, c={"needs": ["b"], "command": ["${jobs.a} ${jobs.c}"]})
    assert list(tasks_of(made)) == ["a", "b", "c"]


def test_yaml_of_a_workflow_declares_the_same() -> None:
    """Every key survives the way through a file."""
    made = Workflow("w", variables={"n": 3}, defaults={"queue": "q", "environment": {"A": 1}})
    made.task("a", job_definition="d", command=["${n}", 5], retries=Retries(attempts=2), timeout_seconds=60)
    made.task(
        "b",
        job_definition="d:3",
        needs=["a"],
        foreach={"x": ["on", 2]},
        vcpus=0.5,
        memory_mib=1024,
        retries={"attempts": 3, "on": ["host_lost", {"exit_code": 75, "reason": "x*"}]},
    )
    assert tasks_of(parse(made.to_yaml(), "w.yaml")) == tasks_of(made)


names = st.lists(st.integers(0, 9), unique=True, min_size=1, max_size=8).map(lambda numbers: [f"t{n}" for n in numbers])


@st.composite
def acyclic(draw: st.DrawFn) -> dict[str, list[str]]:
    """Needs of tasks, each among those drawn before it, shuffled."""
    ordered = draw(names)
    needs = {
        name: draw(st.lists(st.sampled_from(ordered[:index]), unique=True)) if index else []
        for index, name in enumerate(ordered)
    }
    return {name: needs[name] for name in draw(st.permutations(ordered))}


@given(acyclic())
def test_submission_order_and_layers_respect_every_dependency(needs: dict[str, list[str]]) -> None:
    """Whatever the order of declaration."""
    graph = workflow(**{name: {"needs": needed} for name, needed in needs.items()}).graph()
    by_number = dict(zip(graph.names(), graph.layers, strict=True))
    order = sorted(by_number, key=by_number.__getitem__)
    layer = {name: index for index, column in enumerate(layers(needs)) for name in column}
    assert sorted(order) == sorted(needs) == sorted(layer)
    for name, needed in needs.items():
        for other in needed:
            assert order.index(other) < order.index(name)
            assert layer[other] < layer[name]
            assert by_number[other] < by_number[name]


@given(acyclic(), st.data())
def test_closing_any_way_to_a_circle_is_found(needs: dict[str, list[str]], data: st.DataObject) -> None:
    """Where a task that is needed comes to need the one that needs it; every step of the circle is a real one."""
    waiting = [name for name, needed in needs.items() if needed]
    if waiting:
        name = data.draw(st.sampled_from(waiting))
        first = needs[name][0]
        closed = {**needs, first: [*needs[first], name]}
        with pytest.raises(InputError, match="tasks do not wait for one another in a circle, got ") as caught:
            workflow(**{task: {"needs": needed} for task, needed in closed.items()}).graph()
        cycle = str(caught.value).partition("got ")[2].partition(";")[0].split(" needs ")
        assert cycle[0] == cycle[-1]
        assert all(later in closed[earlier] for earlier, later in itertools.pairwise(cycle))


@pytest.mark.parametrize(
    ("said", "numbers"),
    [
        ({"from": 1, "to": 4}, ["1", "2", "3", "4"]),
        ({"from": -3, "to": 6, "step": 4}, ["-3", "1", "5"]),
        ({"from": 7, "to": 7}, ["7"]),
    ],
)
def test_a_range_is_the_numbers_from_its_first_to_its_last(said: dict[str, int], numbers: list[str]) -> None:
    """Both included; it is written back as it was."""
    made = workflow(t={"foreach": {"i": said}})
    assert [declared.values["i"] for declared in tasks_of(made).values()] == numbers
    assert tasks_of(parse(made.to_yaml(), "w.yaml")) == tasks_of(made)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"from": 1}, r"a range has the whole numbers 'from' and 'to', .* got {'from': 1}; write for instance {from"),
        ({"from": 1, "to": "9"}, "a range has the whole numbers"),
        ({"from": 1, "to": 9, "by": 2}, "a range has the whole numbers"),
        ({"from": 9, "to": 1}, "a range goes up .* got {'from': 9, 'to': 1}; correct these"),
        ({"from": 1, "to": 9, "step": 0}, "a range goes up"),
        ({"from": 1, "to": 10_000_001}, "has at most 10,000,000 numbers"),
        ("1-9", "is a list of values, or a range such as"),
    ],
)
def test_a_range_that_is_none_is_refused(said: object, expected: str) -> None:
    """Before anything is counted."""
    with pytest.raises(InputError, match=expected):
        workflow(t={"foreach": {"i": said}})


@given(st.integers(-(10**7), 10**7), st.integers(0, 500), st.integers(1, 10**5))
def test_samples_of_a_range_have_every_length_that_occurs(first: int, count: int, step: int) -> None:
    """What holds for their characters holds for those of all others."""
    numbers = NumberRange(first, first + count * step, step)
    assert {len(text) for text in numbers.samples()} == {len(text) for text in numbers}
    assert set(numbers.samples()) <= set(numbers)


def test_nothing_waits_for_what_runs_when_all_others_have_ended() -> None:
    """And a task on Spot says once what is tried again."""
    with pytest.raises(InputError, match=r"b\.needs\[0\]: nothing waits for a task that runs when all .* got 'a'"):
        workflow(a={"finally_": True}, b={"needs": ["a"]}).graph()
    fallback = {"queue": "q", "after": 3}
    with pytest.raises(InputError, match="says itself how often"):
        workflow(a={"fallback": fallback, "retries": {"attempts": 2}}).graph()
    (declared,) = tasks_of(workflow(a={"fallback": fallback})).values()
    assert declared.task.retries is not None
    assert declared.task.retries.attempts == 3
