"""Traces become workflows: the same graph, the recorded times, the files that can be played."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.child_content import overrides
from runner.names import MAX_TASK_NAME, MAX_WORKFLOW_NAME, explain_name
from runner.requests import overrides_characters
from runner.template_values import substitute
from runner.wfformat.distinct_names import file_names, task_names, workflow_name
from runner.wfformat.imported_workflow import ID_VARIABLE, ImportedWorkflow, Playing, import_trace
from runner.wfformat.trace import read_trace
from runner.workflow_file import parse
from tests.runner.planned import Declared, declared
from tests.runner.shell import Shell
from tests.runner.wfformat.instances import FILES, content, edges_in, encoded, instance, old_instance

SLEEPING = Playing(scale=0.01, cpu=False, files=False, job_definition="standin", queue="normal")
WITH_FILES = Playing(scale=0.01, cpu=False, files=True, job_definition="standin", queue="normal")


def imported(data: bytes, playing: Playing = SLEEPING) -> ImportedWorkflow:
    """What comes of a file's content."""
    return import_trace(read_trace(data, "t.json"), playing, "t.json")


def played(made: ImportedWorkflow) -> dict[str, tuple[str, Declared]]:
    """The tasks as `hpc run` finds them in the file that was written, and their names, by the trace's ids."""
    tasks = declared(parse(made.workflow.to_yaml(), "w.yaml").graph())
    return {
        found.task.environment.get(ID_VARIABLE, name).replace("$$", "$"): (name, found) for name, found in tasks.items()
    }


def edges(tasks: dict[str, tuple[str, Declared]]) -> set[tuple[str, str]]:
    """Needed and needing task, by the trace's ids."""
    ids = {name: one for one, (name, _) in tasks.items()}
    return {(ids[needed], one) for one, (_, found) in tasks.items() for needed in found.needs}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("playing", [SLEEPING, WITH_FILES], ids=["times", "files"])
def test_a_trace_keeps_its_graph(name: str, playing: Playing) -> None:
    """Every task and every dependency, and no other; each request fits what Batch and ECS take."""
    data = content(name)
    tasks = played(imported(data, playing))
    assert (len(tasks), len(edges(tasks))) == FILES[name]
    assert edges(tasks) == edges_in(json.loads(data))
    for called, found in tasks.values():
        assert explain_name(called, MAX_TASK_NAME) is None
        said = [substitute(text, {"prefix": f"results/{'r' * 63}/"}) for text in found.task.command or ()]
        request = {"containerOverrides": overrides((said, dict(found.task.environment)))}
        assert overrides_characters(request) <= 8192


def test_a_small_trace_becomes_exactly_this() -> None:
    """The whole file, as it is written."""
    document = instance({"split": [], "work.1": ["split"], "work.2": ["split"]}, seconds={"split": 1.5, "work.1": 1234})
    first, second, third = document["workflow"]["specification"]["tasks"]
    first["outputFiles"] = ["/a/part 1", "lost"]
    second["inputFiles"] = ["/a/part 1", "from-outside"]
    third["inputFiles"] = ["/a/part 1"]
    document["workflow"]["specification"]["files"] = [{"id": "/a/part 1", "sizeInBytes": 150}]
    made = imported(encoded(document), WITH_FILES)
    assert made.workflow.to_yaml() == (
        """\
name: small
defaults:
  job_definition: standin
  queue: normal
tasks:
  split:
    command:
    - --seconds
    - '0.015'
    - --write
    - ${prefix}files/a_part_1=2
    - --write
    - ${prefix}files/lost=0
  work-1:
    command:
    - --seconds
    - '12.34'
    - --read
    - ${prefix}files/a_part_1
    environment:
      WFFORMAT_ID: work.1
    needs:
    - split
  work-2:
    command:
    - --seconds
    - '0'
    - --read
    - ${prefix}files/a_part_1
    environment:
      WFFORMAT_ID: work.2
    needs:
    - split
"""
    )
    assert made.notes == (
        "tasks without a run time, which end at once: 1",
        "reads left out, of files that no task above writes: 1",
        "empty files, whose size the trace does not say: 1",
    )


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, list[str]]:
    """Tasks under any ids, in any order, each waiting for some of those that were drawn before it."""
    alphabet = st.one_of(
        st.sampled_from("aA1_-.#:/$é{}e "), st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    )
    ids = draw(st.lists(st.text(alphabet, min_size=1, max_size=90), unique=True, min_size=1, max_size=12))
    needs = {one: draw(st.lists(st.sampled_from(ids[:at]), unique=True)) if at else [] for at, one in enumerate(ids)}
    return {one: needs[one] for one in draw(st.permutations(ids))}


@settings(deadline=None)
@given(graphs(), st.sampled_from(["1.4", "1.5", "1.6"]))
def test_any_graph_survives_import_and_file(needs: dict[str, list[str]], version: str) -> None:
    """Whatever tasks are called: names of ours are allowed, distinct, the same again, and say whose they are."""
    document = old_instance(needs) if version == "1.4" else instance(needs, version=version)
    made = imported(encoded(document))
    tasks = played(made)
    assert set(tasks) == set(needs)
    assert edges(tasks) == {(parent, child) for child, parents in needs.items() for parent in parents}
    assert all((name == one) == (ID_VARIABLE not in found.task.environment) for one, (name, found) in tasks.items())
    assert imported(encoded(document)).workflow.to_yaml() == made.workflow.to_yaml()


def test_names_are_readable_and_distinct() -> None:
    """What is a name stays; of what is too long the end; numbers where two become one."""
    long = "NFCORE_FETCHNGS.SRA.FASTQ_DOWNLOAD_PREFETCH_FASTERQDUMP_SRATOOLS.CUSTOM_SRATOOLSNCBISETTINGS_1"
    assert task_names(["a.b", "a-b", "a:b", "_x", "…", "1e5", long, f"x{long}", "_" * 99]) == {
        "a.b": "a-b-2",
        "a-b": "a-b",
        "a:b": "a-b-3",
        "_x": "x",
        "…": "task",
        "1e5": "1e5",
        long: "PREFETCH_FASTERQDUMP_SRATOOLS-CUSTOM_SRATOOLSNCBISETTINGS_1",
        f"x{long}": "PREFETCH_FASTERQDUMP_SRATOOLS-CUSTOM_SRATOOLSNCBISETTINGS_1-2",
        "_" * 99: "task-2",
    }
    many = task_names([f"{'é' * number}" for number in range(1, 3000)])
    assert len(set(many.values())) == 2999
    assert workflow_name("nf-core/ampliseq: " + "x" * 60) == "nf-core-ampliseq-" + "x" * (MAX_WORKFLOW_NAME - 17)
    assert workflow_name("…") == "trace"
    assert file_names(["/a/b", "a_b", "..", "a=b c"]) == {"/a/b": "a_b", "a_b": "a_b-2", "..": "file", "a=b c": "a_b_c"}


def test_names_in_1_4_may_be_repeated_where_ids_are_not() -> None:
    """Tasks are then called by their ids."""
    document = old_instance({"a": [], "b": ["1"]})
    first, second = document["workflow"]["tasks"]
    first["id"], second["id"], second["name"] = "1", "2", "a"
    assert edges(played(imported(encoded(document)))) == {("1", "2")}


def test_1_4_takes_a_dependency_from_either_side() -> None:
    """Its files name parents, children or both."""
    document = old_instance({"a": [], "b": [], "c": ["b"]})
    document["workflow"]["tasks"][0]["children"] = ["b"]
    assert edges(played(imported(encoded(document)))) == {("a", "b"), ("b", "c")}


def test_computing_is_asked_for() -> None:
    """With --cpu."""
    playing = Playing(scale=2, cpu=True, files=False, job_definition="d", queue="q", name="other")
    made = imported(encoded(instance({"a": []})), playing)
    ((_, found),) = played(made).values()
    assert (found.task.command, found.task.job_definition, found.task.queue) == (("--seconds", "20", "--cpu"), "d", "q")
    assert made.workflow.name == "other"


def test_a_file_is_read_only_below_the_task_that_writes_it() -> None:
    """Also at a distance; a task beside it might run before it is there."""
    document = instance({"a": [], "b": ["a"], "c": ["b"], "beside": []})
    tasks = document["workflow"]["specification"]["tasks"]
    tasks[0]["outputFiles"] = ["f"]
    for task in tasks:
        task["inputFiles"] = ["f"]
    commands = {
        one: found.task.command or () for one, (_, found) in played(imported(encoded(document), WITH_FILES)).items()
    }
    assert [one for one, command in commands.items() if "--read" in command] == ["b", "c"]


def test_the_command_writes_a_file_that_runs_dry(shell: Shell) -> None:
    """From a file or standard input, to a file or standard output."""
    Path("t.json").write_bytes(content("ampliseq-14-v1.5.json"))
    result = shell("import", "t.json", "-o", "out.yaml", "--local")
    assert result.stdout == "out.yaml\n"
    assert "t.json: tasks without a run time, which end at once: 3" in result.stderr
    assert "next: hpc run out.yaml --local" in result.stderr
    piped = shell("import", "-", standard_input=Path("t.json").read_text())
    assert piped.stdout == Path("out.yaml").read_text()
    document: Any = shell.document("import", "t.json", "--name", "n", "--job-definition", "dopi", "--queue", "high")
    assert (document["workflow"], document["tasks"], document["wfformat"]) == ("n", 14, "1.5")
    Path("n.yaml").write_text(document["yaml"])
    assert len(shell.document("run", "n.yaml", "--dry-run", "--local")["requests"]) == 14
