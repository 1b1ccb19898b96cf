"""Runs become instances of WfFormat 1.5."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.ledger import find
from runner.names import MAX_TASK_NAME
from runner.run import Run
from runner.wfformat.command_files import files_of
from runner.wfformat.executed_run import ExecutedRun, ExecutedTask, Machine
from runner.wfformat.imported_workflow import Playing, import_trace
from runner.wfformat.instance import wfformat_instance
from runner.wfformat.observed_run import observed_run
from runner.wfformat.trace import read_trace
from tests.runner.fake_aws import deployed_batch
from tests.runner.planned import declared
from tests.runner.shell import Shell
from tests.runner.wfformat.instances import content, encoded
from tests.runner.wfformat.strict_format import check, check_public_schema

NOW = dt.datetime(2026, 11, 26, 12, 0, tzinfo=dt.UTC)
HOST = Machine(name="host", system="linux", architecture="x86_64", release="6.1", memory_bytes=1 << 33, cores=2)
RUN = ExecutedRun(
    run_id="w-20261126-120000-abcdef",
    workflow="w",
    submitted_at_ms=1_000_000,
    tasks=(
        ExecutedTask(
            name="first",
            started_at_ms=1_001_500,
            stopped_at_ms=1_003_750,
            program="standin",
            command=("--write", "p/a=3", "--seconds", "2", ""),
            vcpus=1.0,
            memory_mib=2048,
            machine="host",
            writes=("p/a", "p/unknown"),
        ),
        ExecutedTask(
            name="second",
            needs=("first",),
            started_at_ms=1_004_000,
            stopped_at_ms=1_009_000,
            vcpus=0.25,
            reads=("p/a",),
        ),
        ExecutedTask(name="third", needs=("first", "second", "first")),
    ),
    machines=(HOST, Machine(name="idle")),
    prefix="p/",
    sizes={"p/a": 3, "p/beside": 9},
)


def made(run: ExecutedRun) -> dict[str, Any]:
    """The instance, which is one."""
    document = wfformat_instance(run, now=NOW, system_version="0.1.0")
    check(document)
    return document


def test_a_run_becomes_exactly_this() -> None:
    """What is known, and nothing that is not."""
    assert made(RUN) == {
        "name": "w-20261126-120000-abcdef",
        "description": "A run of the workflow w on AWS Batch",
        "createdAt": "2026-11-26T12:00:00+00:00",
        "schemaVersion": "1.5",
        "runtimeSystem": {"name": "cloud-hpc", "version": "0.1.0", "url": "https://aws.amazon.com/batch/"},
        "workflow": {
            "specification": {
                "tasks": [
                    {
                        "name": "first",
                        "id": "first",
                        "parents": [],
                        "children": ["second", "third"],
                        "inputFiles": [],
                        "outputFiles": ["a"],
                    },
                    {
                        "name": "second",
                        "id": "second",
                        "parents": ["first"],
                        "children": ["third"],
                        "inputFiles": ["a"],
                        "outputFiles": [],
                    },
                    {
                        "name": "third",
                        "id": "third",
                        "parents": ["first", "second"],
                        "children": [],
                        "inputFiles": [],
                        "outputFiles": [],
                    },
                ],
                "files": [{"id": "a", "sizeInBytes": 3}],
            },
            "execution": {
                "makespanInSeconds": 9.0,
                "executedAt": "1970-01-01T00:16:40.000+00:00",
                "tasks": [
                    {
                        "id": "first",
                        "runtimeInSeconds": 2.25,
                        "executedAt": "1970-01-01T00:16:41.500+00:00",
                        "command": {"program": "standin", "arguments": ["--write", "p/a=3", "--seconds", "2"]},
                        "coreCount": 1.0,
                        "memoryInBytes": 2048 * 1024 * 1024,
                        "machines": ["host"],
                    },
                    {"id": "second", "runtimeInSeconds": 5.0, "executedAt": "1970-01-01T00:16:44.000+00:00"},
                ],
                "machines": [
                    {
                        "nodeName": "host",
                        "system": "linux",
                        "architecture": "x86_64",
                        "release": "6.1",
                        "memoryInBytes": 1 << 33,
                        "cpu": {"coreCount": 2},
                    }
                ],
            },
        },
    }


def test_the_public_schema_takes_it() -> None:
    """Also a run of which nothing has run, which is a specification alone."""
    waiting = ExecutedRun(run_id="r", workflow="w", submitted_at_ms=0, tasks=(ExecutedTask(name="a"),))
    assert "execution" not in made(waiting)["workflow"]
    check_public_schema(made(RUN))
    check_public_schema(made(waiting))


TIMES = st.one_of(st.none(), st.integers(0, 2**41))
TEXTS = st.one_of(st.none(), st.text(max_size=8))
KEYS = st.lists(st.sampled_from(["p/a", "p/b/c", "p/b_c", "q", "p/ü"]), max_size=4).map(tuple)


@st.composite
def runs(draw: st.DrawFn) -> ExecutedRun:
    """Any names of tasks, any of what may be known."""
    name = st.from_regex(rf"[A-Za-z0-9][A-Za-z0-9_-]{{0,{MAX_TASK_NAME - 1}}}", fullmatch=True)
    names = draw(st.lists(name, unique=True, min_size=1, max_size=8))
    tasks = tuple(
        ExecutedTask(
            name=one,
            needs=tuple(draw(st.lists(st.sampled_from(names[:at]), max_size=4))) if at else (),
            started_at_ms=draw(TIMES),
            stopped_at_ms=draw(TIMES),
            program=draw(TEXTS),
            command=draw(st.one_of(st.none(), st.lists(st.text(max_size=5), max_size=3).map(tuple))),
            vcpus=draw(st.sampled_from([None, 0.25, 1.0, 1.5, 96.0])),
            memory_mib=draw(st.sampled_from([None, 512, 2048])),
            machine=draw(st.sampled_from([None, "host", "other"])),
            reads=draw(KEYS),
            writes=draw(KEYS),
        )
        for at, one in enumerate(names)
    )
    sizes = draw(st.dictionaries(st.sampled_from(["p/a", "p/b/c", "p/b_c", "p/ü"]), st.integers(0, 2**40)))
    machines = (HOST, Machine(name="other"))
    return ExecutedRun(
        run_id="r", workflow="w", submitted_at_ms=1000, tasks=tasks, machines=machines, prefix="p/", sizes=sizes
    )


@settings(deadline=None)
@given(runs())
def test_any_run_is_an_instance_that_can_be_imported(run: ExecutedRun) -> None:
    """With the same tasks and dependencies."""
    document = made(run)
    playing = Playing(scale=0, cpu=False, files=True, job_definition="d", queue="q")
    tasks = declared(import_trace(read_trace(encoded(document), "t"), playing, "t").workflow.graph())
    assert {one: set(found.needs) for one, found in tasks.items()} == {task.name: set(task.needs) for task in run.tasks}


@pytest.mark.parametrize(
    ("command", "reads", "writes", "sizes"),
    [
        ("--seconds 1", (), (), {}),
        ("--read a b --cpu --read a c --write d=1 e=2 x", ("a", "b", "c"), ("d", "e"), {"d": 1, "e": 2}),
        ("--points 9 --key k.txt", (), ("k.txt",), {}),
        ("--input-key in --key out", ("in",), ("out",), {}),
        ("--write =1 a=x b=", (), (), {}),
    ],
)
def test_commands_tell_of_files(command: str, reads: tuple[str, ...], writes: tuple[str, ...], sizes: Any) -> None:
    """Those of this project's programs."""
    found = files_of(command.split())
    assert (found.reads, found.writes, found.sizes) == (reads, writes, sizes)


def test_the_command_writes_what_a_run_did(shell: Shell) -> None:
    """Here of an imported trace, whose graph comes back."""
    Path("t.json").write_bytes(content("ampliseq-14-v1.5.json"))
    shell("import", "t.json", "-o", "t.yaml", "--files", "--job-definition", "dopi")
    shell("run", "t.yaml", "--local")
    run_id = find(shell.home, None).path.parent.name
    document = json.loads(shell("export", "--wfformat").stdout)
    check(document)
    assert document["name"] == run_id
    specification, execution = document["workflow"]["specification"], document["workflow"]["execution"]
    assert len(specification["tasks"]) == len(execution["tasks"]) == 14
    assert sum(len(task["parents"]) for task in specification["tasks"]) == 16
    assert len(specification["files"]) == 15
    assert all(task["runtimeInSeconds"] > 0 and task["command"]["arguments"] for task in execution["tasks"])
    result = shell("export", run_id, "--wfformat", "-o", "out.json", "--json")
    assert json.loads(result.stdout) == {"run": run_id, "file": "out.json"}
    assert json.loads(Path("out.json").read_text())["workflow"] == document["workflow"]


def test_what_the_format_cannot_say_is_said_beside_it(shell: Shell) -> None:
    """That a task failed: it is there with its last attempt, and who was not run because of it is specified only."""
    shell.clients.batch = deployed_batch({"-a": [3]})
    shell("run", "w.yaml", "--local", code=1)
    result = shell("export", "--wfformat")
    document = json.loads(result.stdout)
    check(document)
    assert [task["id"] for task in document["workflow"]["execution"]["tasks"]] == ["a"]
    assert result.stderr == "tasks that failed, which WfFormat does not say; it has their last attempt: a\n"


def test_a_run_that_goes_on_is_written_as_far_as_it_is(shell: Shell) -> None:
    """With a word on what is missing."""
    shell.clients.batch.stuck["-a"] = ""
    shell("run", "w.yaml", "--local", "--detach")
    result = shell("export", "--wfformat")
    assert "execution" not in json.loads(result.stdout)["workflow"]
    assert result.stderr == "tasks that have not ended, and have no run time in the trace: a, b\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "hpc: --wfformat: chooses the format, of which there is one, got none; add --wfformat\n"),
        (("none", "--wfformat"), "hpc: RUN: is the id of a run in .hpc/runs"),
        (("--wfformat", "-o", "no/where.json"), "hpc: --output: is a file that can be written, got 'no/where.json'"),
    ],
)
def test_wrong_use_is_exit_code_2(shell: Shell, arguments: tuple[str, ...], expected: str) -> None:
    """With what to do."""
    shell("run", "w.yaml", "--local")
    assert shell("export", *arguments, code=2).stderr.startswith(expected)


def test_on_aws_machines_are_instances_and_fargate_tasks(shell: Shell) -> None:
    """As DescribeJobs tells; a command that holds a credential is not spread."""
    shell("run", "w.yaml")
    ledger = find(shell.home, None)
    state = Run(ledger, shell.clients.batch).look(0)
    first, second = state.record.job_ids.values()
    definition = "arn:aws:batch:eu-central-1:111122223333:job-definition/dopi-Ab12:7"
    instance = "arn:aws:ecs:eu-central-1:111122223333:container-instance/c/0123abcd"
    details: dict[str, Any] = {
        first: {
            "jobDefinition": definition,
            "container": {"containerInstanceArn": instance, "command": ["--key", "k"]},
        },
        second: {"container": {"taskArn": "arn:aws:ecs:x:1:task/c/ff00", "command": ["--password", "hunter2"]}},
    }
    names = {"dopi": definition.replace(":7", ":8")}
    run = observed_run(state, details=details, sizes={"k": 5}, definitions=names, local_machine=None)
    later = observed_run(state, details=details, sizes={}, definitions={}, local_machine=None)
    assert later.tasks[0].program == "dopi-Ab12"
    assert [(task.program, task.command, task.machine) for task in run.tasks] == [
        ("dopi", ("--key", "k"), "0123abcd"),
        (None, None, "ff00"),
    ]
    assert [machine.name for machine in run.machines] == ["0123abcd", "ff00"]
    document = made(run)
    assert document["workflow"]["specification"]["files"] == [{"id": "k", "sizeInBytes": 5}]


def test_an_mpi_task_has_the_command_of_its_main_node(shell: Shell) -> None:
    """And the cores of all its nodes."""
    shell("run", "w.yaml")
    state = Run(find(shell.home, None), shell.clients.batch).look(0)
    job_id = next(iter(state.record.job_ids.values()))
    container = {"command": ["hello.c"]}
    properties = {
        "numNodes": 2,
        "mainNode": 0,
        "nodeRangeProperties": [{"targetNodes": "0:", "container": container}],
    }
    details = {job_id: {"nodeProperties": properties}}
    run = observed_run(state, details=details, sizes={}, definitions={}, local_machine=None)
    assert run.tasks[0].command == ("hello.c",)
    assert run.tasks[0].machine is None
