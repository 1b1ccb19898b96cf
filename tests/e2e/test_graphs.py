"""Graphs on the deployed stacks: arrays whose children learn what to do, barriers, ends that are waited for, reruns."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from runner.names import job_name
from runner.wfformat.imported_workflow import Playing, import_trace
from runner.wfformat.trace import read_trace
from tests.e2e.conftest import CHECKOUT, Shell

TRACES = CHECKOUT / "tests" / "data" / "wfformat"
HEAD = "name: graph\ndefaults: {job_definition: standin, queue: normal}\ntasks:\n"


def objects(shell: Shell, run: str) -> dict[str, int]:
    """Sizes of a run's objects by the end of their keys."""
    found = shell.json("results", run, "--local")["objects"]
    return {entry["key"].rpartition("/")[2]: entry["size_bytes"] for entry in found}


def jobs_of(shell: Shell, run: str) -> list[dict[str, Any]]:
    """What `hpc stat` knows of a run's jobs, arrays as one."""
    found = [job for job in shell.json("stat", "-s", "ALL", "--local")["jobs"] if job["job_name"].startswith(run)]
    return [job for job in found if ":" not in job["job_id"]]


def begun(runner: subprocess.Popen[str]) -> str:
    """The id of the run that a process is submitting."""
    assert runner.stderr is not None
    for line in runner.stderr:
        if line.startswith("run "):
            return line.split()[1].rstrip(":")
    raise AssertionError(f"it submitted nothing: {runner.wait()}")


def test_children_of_a_large_array_do_each_its_own(shell: Shell) -> None:
    """What they do is in the bucket: their launchers fetch it; a task that waits for all of them reads it."""
    text = (
        "  map:\n"
        "    foreach: {i: {from: 1, to: 200}}\n"
        "    command: [--seconds, 0]\n"
        "    environment: {NOTE: 'a note of some length that makes the request too long for all of them ${i}'}\n"
        "  write: {foreach: {i: {from: 3, to: 6}}, needs: ['map-${i}'], command: [--write, '${prefix}o${i}=${i}']}\n"
        "  reduce: {needs: [map, write], command: [--read, '${prefix}o4', --write, '${prefix}all=7']}\n"
    )
    path = shell.workflow(HEAD + text)
    plan = shell.json("run", path, "--local", "--dry-run")
    assert plan["calls"]["PutObject"] == 1
    run = shell.json("run", path, "--local")
    assert run["counts"] == {"SUCCEEDED": 205}
    assert objects(shell, run["run"]) == {"o3": 3, "o4": 4, "o5": 5, "o6": 6, "all": 7}
    assert len(jobs_of(shell, run["run"])) == plan["calls"]["SubmitJob"] == 4
    assert "slept for 0" in shell.hpc("logs", run["run"], "map-17", "--local").stdout


def test_what_is_too_much_for_one_job_goes_through_barriers_and_the_bucket(shell: Shell) -> None:
    """30 tasks that are no array, and a command of 20,000 characters."""
    tasks = "".join(f"  one{i}: {{timeout_seconds: {60 + i}, command: [--seconds, 0]}}\n" for i in range(30))
    names = ", ".join(f"one{i}" for i in range(30))
    long = f"  long: {{needs: [{names}], command: [--seconds, 0], environment: {{LONG: {'x' * 20_000}}}}}\n"
    run = shell.json("run", shell.workflow(HEAD + tasks + long), "--local")
    assert run["counts"] == {"SUCCEEDED": 31}
    made = [job["job_name"].removeprefix(run["run"]) for job in jobs_of(shell, run["run"])]
    assert sorted(made) == sorted([*(f"-one{i}" for i in range(30)), "-_barrier-1", "-long"])


def test_a_failure_that_is_allowed_stops_nobody_and_the_last_task_runs_whatever_happens(shell: Shell) -> None:
    """Exit code 0 for the first run, 1 for the second, whose last task ran all the same."""
    text = (
        "  may: {allow_failure: true, command: [--exit-code, 4]}\n"
        "  after: {needs: [may], command: [--write, '${prefix}after=1']}\n"
        "  last: {finally: true, command: [--write, '${prefix}last=1']}\n"
    )
    run = shell.json("run", shell.workflow(HEAD + text), "--local")
    assert run["counts"] == {"SUCCEEDED": 2, "FAILED (allowed)": 1}
    assert objects(shell, run["run"]) == {"after": 1, "last": 1}
    text = text.replace("allow_failure: true, ", "")
    run = shell.json("run", shell.workflow(HEAD + text), "--local", code=1)
    assert {task["task"]: task["status"] for task in run["tasks"]} == {
        "may": "FAILED",
        "after": "NOT RUN",
        "last": "SUCCEEDED",
    }


def test_another_process_submits_what_waits_for_ends(shell: Shell) -> None:
    """The one that submitted the rest has left."""
    text = "  a: {allow_failure: true, command: [--exit-code, 1]}\n  b: {needs: [a], command: [--seconds, 0]}\n"
    run = shell.json("run", shell.workflow(HEAD + text), "--local", "--detach")["run"]
    assert [job["job_name"] for job in jobs_of(shell, run)] == [job_name(run, "a")]
    shell.hpc("resume", run, "--local")
    assert sorted(job["job_name"] for job in jobs_of(shell, run)) == [job_name(run, "a"), job_name(run, "b")]


def test_what_failed_is_done_again_when_its_cause_is_mended(shell: Shell) -> None:
    """Of an array of 20 the two children whose input was missing; then with a file what has changed, and no more."""
    text = (
        "  gift: {command: [--seconds, 0]}\n"
        "  map: {foreach: {i: {from: 1, to: 20}}, command: [--read, '${prefix}in${i}', --write, '${prefix}o${i}=1']}\n"
        "  reduce: {needs: [map], command: [--read, '${prefix}o7', --write, '${prefix}all=1']}\n"
    )
    feed = "  feed: {foreach: {i: [%s]}, command: [--write, '${prefix}in${i}=1']}\n"
    most = ", ".join(str(i) for i in range(1, 21) if i not in {7, 9})
    first = HEAD + feed % most + text.replace("  map: {", "  map: {needs: [feed], ")
    run = shell.json("run", shell.workflow(first), "--local", code=1)
    assert run["counts"] == {"SUCCEEDED": 37, "FAILED": 2, "NOT RUN": 1}
    before = objects(shell, run["run"])
    mended = first.replace(
        "gift: {command: [--seconds, 0]}", "gift: {command: [--write, '${prefix}in7=1', '${prefix}in9=1']}"
    )
    again = shell.json("rerun", run["run"], shell.workflow(mended), "--local", "--dry-run")
    assert sorted(again["tasks"]) == ["gift", "map-7", "map-9", "reduce"]
    only_gift = HEAD + "  gift: {command: [--write, '${prefix}in7=1', '${prefix}in9=1']}\n"
    shell.json("rerun", run["run"], shell.workflow(only_gift), "--local", code=1)
    done = shell.json("rerun", run["run"], "--failed", "--local")
    assert done["counts"] == {"SUCCEEDED": 40}
    made = [job for job in jobs_of(shell, run["run"]) if "_3-" in job["job_name"]]
    assert sorted(job["job_name"].partition("_3-")[2] for job in made) == ["map", "reduce"]
    after = objects(shell, run["run"])
    assert after.keys() - before.keys() == {"in7", "in9", "o7", "o9", "all"}


@pytest.mark.parametrize("delay_seconds", [0.2, 0.7, 1.3])
def test_a_runner_killed_while_it_submits_is_succeeded_on_another_machine(
    shell: Shell, tmp_path: Path, delay_seconds: float
) -> None:
    """kill -9 in the middle, at 20 calls a second; the bucket knows the rest. Every job is there, none twice."""
    tasks = "".join(f"  t{i}: {{timeout_seconds: {60 + i}, command: [--seconds, 0]}}\n" for i in range(30))
    path = shell.workflow(HEAD.replace("graph", f"killed{round(delay_seconds * 10)}") + tasks)
    slow = Shell(shell.home, {"HPC_SUBMIT_RATE": "20"})
    runner = slow.start("run", path, "--local")
    run = begun(runner)
    time.sleep(delay_seconds + random.random() / 10)
    os.kill(runner.pid, signal.SIGKILL)
    runner.communicate()
    elsewhere = Shell(tmp_path / "elsewhere", {"HPC_LOCAL_STATE": str(shell.home / "local")})
    done = elsewhere.json("resume", run, "--local")
    assert done["counts"] == {"SUCCEEDED": 30}
    assert Counter(job["job_name"] for job in jobs_of(shell, run)) == Counter(job_name(run, f"t{i}") for i in range(30))


def test_cancelling_stops_a_process_that_is_submitting(shell: Shell) -> None:
    """It says so and ends with 1; what was submitted is ended in one call."""
    tasks = "".join(f"  t{i}: {{timeout_seconds: {60 + i}, command: [--seconds, 60]}}\n" for i in range(40))
    slow = Shell(shell.home, {"HPC_SUBMIT_RATE": "3"})
    runner = slow.start("run", shell.workflow(HEAD + tasks), "--local")
    run = begun(runner)
    time.sleep(1)
    shell.hpc("cancel", run, "--local")
    _, said = runner.communicate(timeout=60)
    assert (runner.returncode, "was cancelled while it was submitted" in said) == (1, True), said
    made = jobs_of(shell, run)
    assert 0 < len(made) < 40
    deadline = time.monotonic() + 60
    while shell.status(run)["counts"].get("FAILED", 0) < len(made):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_published_shape_runs_whole_and_is_written_as_it_was(shell: Shell, tmp_path: Path) -> None:
    """Imported, run, exported: the same tasks and dependencies."""
    name = "epigenomics-125-v1.6.json"
    file, out = tmp_path / "trace.yaml", tmp_path / "out.json"
    shell.hpc("import", str(TRACES / name), "--scale", "0", "-o", str(file))
    run = shell.json("run", str(file), "--local")
    assert run["counts"] == {"SUCCEEDED": 125}
    shell.hpc("export", run["run"], "--wfformat", "-o", str(out), "--local")
    playing = Playing(scale=0, cpu=False, files=False, job_definition="standin", queue="normal")
    graphs = [
        import_trace(read_trace(path.read_bytes(), path.name), playing, path.name).workflow.graph()
        for path in (TRACES / name, out)
    ]
    assert len(graphs[0]) == len(graphs[1]) == 125
    degrees = [sorted(len(graph.names_needed(number)) for number in range(len(graph))) for graph in graphs]
    assert degrees[0] == degrees[1]


@pytest.mark.slow
def test_several_thousand_tasks_with_irregular_dependencies_run_whole(shell: Shell) -> None:
    """3,000 tasks in 30 layers, each after up to four of the two layers before."""
    chance = random.Random(7)
    lines = []
    for number in range(3000):
        layer = number // 100
        earlier = range(max(0, (layer - 2) * 100), layer * 100)
        needs = ", ".join(f"t{other}" for other in chance.sample(earlier, k=chance.randint(1, 4))) if layer else ""
        lines.append(f"  t{number}: {{needs: [{needs}], command: [--seconds, 0]}}\n")
    run = shell.json("run", shell.workflow(HEAD + "".join(lines)), "--local")
    assert run["counts"] == {"SUCCEEDED": 3000}
