"""Workflow files: what is read, and what each mistake is answered with."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from runner.errors import InputError
from runner.workflow import Workflow
from runner.workflow_file import parse, read
from tests.runner.planned import declared

CHECKOUT = Path(__file__).resolve().parents[2]
TWO_TASKS = """\
name: two
tasks:
  first: {job_definition: d, queue: q}
  second: {job_definition: d, queue: q, needs: [first]}
"""


def findings(text: str, settings: dict[str, str] | None = None) -> list[str]:
    """Everything that is wrong with a workflow file named w.yaml."""
    with pytest.raises(InputError) as caught:
        parse(text, "w.yaml").graph(settings)
    return list(caught.value.findings)


def test_the_main_job_is_three_tasks_in_order() -> None:
    """The two later tasks need the first; 100,000 points unless told otherwise."""
    workflow = read(str(CHECKOUT / "examples" / "dopi.yaml"))
    tasks = declared(workflow.graph())
    assert {name: task.needs for name, task in tasks.items()} == {
        "dopi": (),
        "dopisecond-a": ("dopi",),
        "dopisecond-b": ("dopi",),
    }
    assert [found.task.queue for found in tasks.values()] == ["high", "normal", "normal"]
    assert tasks["dopi"].values["points"] == "100000"
    assert declared(workflow.graph({"points": "7"}))["dopi"].values["points"] == "7"


def test_the_python_example_declares_the_same_graph() -> None:
    """`python examples/dopi.py | hpc run -` is examples/dopi.yaml."""
    done = subprocess.run(
        [sys.executable, "examples/dopi.py"],
        cwd=CHECKOUT,
        env={"PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    made = parse(done.stdout, "<stdin>").graph()
    assert declared(made) == declared(read(str(CHECKOUT / "examples" / "dopi.yaml")).graph())


def test_a_workflow_is_read_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` is what comes down a pipe."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(TWO_TASKS))
    assert list(read("-").graph().names()) == ["first", "second"]


def test_words_stay_words() -> None:
    """YAML 1.1 would make booleans of `on` and `no`, a number of 1:30 and a date of 2026-01-02."""
    tasks = parse(
        "name: w\ntasks:\n  t: {job_definition: d, queue: no, command: [on, 1:30, 2026-01-02, 017, 0x1f, 12],"
        " retries: {attempts: 2, on: [host_lost]}}\n",
        "w.yaml",
    ).graph()
    task = tasks.groups[0].task
    assert task.queue == "no"
    assert task.command == ("on", "1:30", "2026-01-02", "017", "0x1f", "12")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("name: two", "name: 'two words'", "w.yaml:1: name: a name is 1 to 36 letters"),
        ("name: two", "name: two\nvars: {}", "w.yaml:2: vars: is one of the keys known here (name, variables, "),
        ("name: two\n", "", "w.yaml:1: needs the key 'name', got none; add it"),
        ("name: two", "name: two", "w.yaml:4: tasks.second.needs[0]: names a task, got 'furst'; use one of: first"),
        ("queue: q}", "queue: 3}", 'w.yaml:3: tasks.first.queue: is text, got 3; put it in quotes: "…"'),
        ("queue: q}", "queue: q, vcpus: '1'}", "w.yaml:3: tasks.first.vcpus: is a number, got '1'; write it without"),
        ("queue: q}", "queue: q, vcpus: 0}", "w.yaml:3: tasks.first.vcpus: is greater than 0, got 0; change it"),
        ("queue: q}", "queue: q, memory_mib: 2.5}", "w.yaml:3: tasks.first.memory_mib: is a "),
        ("queue: q}", "queue: q, memory_mib: 3}", "w.yaml:3: tasks.first.memory_mib: is greater than or equal to 4"),
        ("queue: q}", "queue: q, timeout_seconds: 59}", "tasks.first.timeout_seconds: is greater than or equal to 60"),
        ("queue: q}", "queue: q, command: sh}", "w.yaml:3: tasks.first.command: is a "),
        ("queue: q}", "queue: q, command: [1.5]}", "w.yaml:3: tasks.first.command[0]: is text, or a whole number, got"),
        ("queue: q}", "queue: q, command: ['']}", "tasks.first.command[0]: Batch takes no empty string in a command"),
        ("queue: q}", "queue: q, environment: {A: true}}", "tasks.first.environment.A: is text, or a whole number"),
        (
            "queue: q}",
            "queue: q, environment: {AWS_BATCH_A: x}}",
            "does not begin with AWS_BATCH, which is",
        ),
        ("queue: q}", "queue: q, foreach: {x: []}}", "tasks.first.foreach.x: needs values, each once, got []"),
        ("queue: q}", "queue: q, foreach: {x: [1, 1]}}", "tasks.first.foreach.x: needs values, each once, got"),
        ("queue: q}", "queue: q, foreach: {task: [1]}}", "have their values already, got 'task'; choose another name"),
        ("queue: q}", "queue: q, foreach: {x-y: [1]}}", "a name of a value is a letter or underscore, then letters"),
        ("queue: q}", "queue: q, retires: 3}", "tasks.first.retires: is one of the keys known here (job_definition, "),
        ("queue: q}", "queue: q, retries: {}}", "tasks.first.retries: needs the key 'attempts', got none; add it"),
        (", queue: q}", "}", "w.yaml:3: tasks.first: needs the key 'queue', got none; add it here or under 'defaults'"),
    ],
)
def test_a_mistake_is_named_with_its_line_key_value_and_fix(old: str, new: str, expected: str) -> None:
    """Where it is, the rule, the value got, what to do."""
    text = TWO_TASKS.replace(old, new, 1)
    if old == new:
        text = text.replace("[first]", "[furst]")
    (found,) = findings(text)
    assert expected in found


def test_every_mistake_is_reported_not_only_the_first() -> None:
    """One run of the command shows all there is to correct."""
    text = TWO_TASKS.replace("queue: q}", "queue: 3, vcpus: no}").replace("needs: [first]", "memory_mib: x")
    assert [finding.split(": ")[1] for finding in findings(text)] == [
        "tasks.first.queue",
        "tasks.first.vcpus",
        "tasks.second.memory_mib",
    ]


def test_a_circle_is_shown_as_the_waiting_it_would_be() -> None:
    """Each task named waits for the next."""
    text = TWO_TASKS.replace("queue: q}", "queue: q, needs: [second]}", 1)
    (found,) = findings(text)
    assert "tasks do not wait for one another in a circle" in found
    assert "first needs second needs first" in found or "second needs first needs second" in found


def test_a_task_may_not_need_itself() -> None:
    """The smallest circle."""
    assert "got first needs first" in findings(TWO_TASKS.replace("queue: q}", "queue: q, needs: [first]}", 1))[0]


def test_a_repeated_key_is_refused_with_both_lines() -> None:
    """YAML readers usually keep the last one silently: a task would vanish."""
    text = TWO_TASKS + "  first: {job_definition: other, queue: q}\n"
    assert findings(text) == ["w.yaml:5: tasks: a key stands once, got 'first' here and in line 3; remove one"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "w.yaml: a workflow has a name and tasks, got nothing"),
        ("- a", "w.yaml:1: is a mapping, got ['a']; write it as `key: value`"),
        ("name: [", "w.yaml:1: is YAML, got an error: expected the node content"),
        ("name: x\ntasks: {}", "w.yaml:2: tasks: needs at least one entry, got none; add one"),
        ("a: 1\n---\nb: 2\n", "w.yaml:2: is YAML, got an error: but found another document"),
        ("name: !!python/object:os.system x", "w.yaml:1: is YAML, got an error: could not determine a constructor"),
    ],
)
def test_what_is_no_workflow_is_refused(text: str, expected: str) -> None:
    """Nothing, a list, broken YAML, two documents, a tag that would run code."""
    (found,) = findings(text)
    assert found.startswith(expected)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Absent, a folder, not UTF-8."""
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("name: für".encode("latin-1"))
    for path, expected in (
        (tmp_path / "no.yaml", "No such file"),
        (tmp_path, "Is a directory"),
        (latin, "is UTF-8 text"),
    ):
        with pytest.raises(InputError, match=expected) as caught:
            read(str(path))
        assert str(caught.value).startswith(f"{path}: ")


def test_defaults_hold_where_a_task_says_nothing() -> None:
    """A task's own key wins; environments are merged by name."""
    graph = parse(
        "name: w\n"
        "defaults: {job_definition: d, queue: q, vcpus: 2, environment: {A: a, B: b}}\n"
        "tasks:\n  plain: {}\n  own: {queue: r, environment: {B: other}}\n",
        "w.yaml",
    ).graph()
    plain, own = (group.task for group in graph.groups)
    assert (plain.queue, plain.vcpus, plain.environment) == ("q", 2, {"A": "a", "B": "b"})
    assert (own.queue, own.vcpus, own.environment) == ("r", 2, {"A": "a", "B": "other"})


def test_only_a_declared_variable_can_be_set() -> None:
    """A mistyped --set would otherwise change nothing, silently."""
    (found,) = findings(TWO_TASKS, {"pionts": "1"})
    assert found == (
        "--set: changes a variable that the workflow declares (none), got pionts; "
        "declare it under 'variables', or correct the name"
    )


def test_the_example_that_mixes_mpi_and_containers_fits_together() -> None:
    """Simulation, map, reduction; the analysis reads where the simulation's results go."""
    tasks = declared(read(str(CHECKOUT / "examples" / "heat.yaml")).graph())
    assert list(tasks) == ["simulate", "band-0", "band-1", "band-2", "band-3", "field"]
    simulate = tasks["simulate"].task
    assert (simulate.nodes, simulate.queue, simulate.job_definition) == (2, "mpi", "mpi")
    assert tasks["field"].needs == ("band-0", "band-1", "band-2", "band-3")
    assert "${prefix}simulate/band-${band}.csv" in (tasks["band-0"].task.command or ())


@pytest.mark.parametrize(
    "text", ["1e5", "+.5", "1.5", "0x1F", "null", "~", "yes", "a\x85b", "a\u2028b", " a\nb ", "é: #"]
)
def test_text_that_looks_like_something_else_comes_back_from_a_file(text: str) -> None:
    """Whatever a program calls its tasks and says to them."""
    name = text if text.isalnum() else "a"
    workflow = Workflow("w", defaults={"job_definition": "d", "queue": "q"})
    workflow.task(name, command=[text])
    assert parse(workflow.to_yaml(), "w.yaml").graph().groups[0].task.command == (text,)
