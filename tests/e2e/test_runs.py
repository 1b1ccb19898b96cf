"""Runs on the deployed stacks: results, logs, failures, dependents, a runner that dies, a server that dies."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from local_batch import control
from runner.cli.demo import DemoError, check_objects
from runner.names import job_name
from tests.e2e.conftest import CHECKOUT, Shell

DOPI = str(CHECKOUT / "examples" / "dopi.yaml")


def test_the_main_job_leaves_three_objects_that_tell_the_story(shell: Shell, tmp_path: Path) -> None:
    """Exit code 0; the first job's text, and two that extend it, each under its job's name; logs; a report."""
    report = tmp_path / "report.html"
    run = shell.json("run", DOPI, "--local", "--report", str(report))
    assert run["status"] == "SUCCEEDED"
    shell.hpc("results", run["run"], "--local", "--download", str(tmp_path / "results"))
    texts = {path.name: path.read_text() for path in (tmp_path / "results").rglob("*.txt")}
    check_objects({task["task"]: job_name(run["run"], task["task"]) for task in run["tasks"]}, texts)
    assert "pi estimate: 3." in shell.hpc("logs", run["run"], "dopi", "--local").stdout
    page = report.read_text()
    assert "<svg" in page
    assert "http://" not in page.replace("http://www.w3.org/", "")
    assert all(task["task"] in page for task in run["tasks"])


def test_the_check_of_the_main_jobs_objects_can_fail() -> None:
    """A missing, a foreign and a truncated object are told apart from the right three."""
    names = {"dopi": "r-dopi", "dopisecond-a": "r-dopisecond-a", "dopisecond-b": "r-dopisecond-b"}
    first = "pi estimate: 3.14 (100 points)\n"
    good = {"r-dopi.txt": first, "r-dopisecond-a.txt": f"{first}a\n", "r-dopisecond-b.txt": f"{first}b\n"}
    check_objects(names, good)
    for bad in (
        {key: text for key, text in good.items() if key != "r-dopi.txt"},
        {**good, "other.txt": ""},
        {**good, "r-dopisecond-a.txt": first},
        {**good, "r-dopisecond-b.txt": "something else"},
        {**good, "r-dopi.txt": "no estimate"},
    ):
        with pytest.raises(DemoError):
            check_objects(names, bad)


def test_a_failed_task_is_explained_and_its_dependents_are_not_mysteries(shell: Shell) -> None:
    """Exit code 1; the report has the exit code, the last lines and the command for more; the dependent did not run."""
    path = shell.workflow(
        "name: broken\n"
        "tasks:\n"
        "  first: {job_definition: dopisecond, queue: normal, command: [\n"
        "      '--input-key', '${prefix}nowhere.txt', '--key', '${prefix}x.txt', '--wait-seconds', '1']}\n"
        "  second: {needs: [first], job_definition: dopi, queue: normal, command: ['--key', '${prefix}y.txt']}\n"
    )
    done = shell.hpc("run", path, "--local", code=1)
    said = done.stdout + done.stderr
    assert "exit code 3" in said
    assert "nowhere.txt" in said
    assert "hpc logs" in said
    assert "its dependency first failed" in said
    assert "Dependent Job failed" not in said.replace("its dependency", "")


def test_a_graph_whose_layers_are_needed_task_by_task_runs(shell: Shell) -> None:
    """Nobody names a child of an array that is not there yet; what is left of the array stays one."""
    path = shell.workflow(
        "name: layers\n"
        "defaults: {job_definition: standin, queue: normal, command: ['--seconds', '0']}\n"
        "tasks:\n"
        "  begin: {}\n"
        "  middle: {needs: [begin], foreach: {i: [1, 2, 3, 4, 5]}}\n"
        "  left: {needs: [middle-1, middle-2]}\n"
        "  right: {needs: [middle-2], timeout_seconds: 90}\n"
    )
    run = shell.json("run", path, "--local")
    assert run["status"] == "SUCCEEDED"
    assert len({task["job_name"] for task in run["tasks"]}) == 6


def test_killing_the_runner_after_submission_loses_nothing(shell: Shell) -> None:
    """SIGKILL while it follows: the jobs finish, and `hpc status` of another process sees it."""
    path = shell.workflow(
        "name: orphan\n"
        "tasks:\n"
        "  first: {job_definition: dopi, queue: high, command: ['--points', '400000000', '--key', '${prefix}a.txt']}\n"
        "  second: {needs: [first], job_definition: dopi, queue: normal, command: ['--key', '${prefix}b.txt']}\n"
    )
    runner = shell.start("run", path, "--local")
    deadline = time.monotonic() + 120
    runs: list[dict[str, str]] = []
    while time.monotonic() < deadline:
        runs = [run for run in shell.json("runs", "--local")["runs"] if run["workflow"] == "orphan"]
        if runs and all(task["job_id"] for task in shell.status(runs[0]["run"])["tasks"]):
            break
        time.sleep(0.05)
    os.kill(runner.pid, signal.SIGKILL)
    runner.communicate()
    assert runner.returncode == -signal.SIGKILL
    while (state := shell.status(runs[0]["run"]))["status"] == "RUNNING":
        assert time.monotonic() < deadline, state
        time.sleep(0.2)
    assert [task["status"] for task in state["tasks"]] == ["SUCCEEDED", "SUCCEEDED"]


def test_cancel_ends_a_detached_run(shell: Shell) -> None:
    """Both the running and the waiting task end, and say that they were stopped."""
    path = shell.workflow(
        "name: stopped\n"
        "tasks:\n"
        "  first: {job_definition: dopi, queue: high, command: ['--points', '9000000000', '--key', '${prefix}a.txt']}\n"
        "  second: {needs: [first], job_definition: dopi, queue: normal, command: ['--key', '${prefix}b.txt']}\n"
    )
    run = shell.json("run", path, "--local", "--detach")["run"]
    shell.hpc("cancel", run, "--local")
    deadline = time.monotonic() + 120
    while (state := shell.status(run))["status"] == "RUNNING":
        assert time.monotonic() < deadline, state
        time.sleep(0.1)
    assert [task["status"] for task in state["tasks"]] == ["FAILED", "FAILED"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("name: a\ntasks:\n  x: {job_definition: dopi, queue: normal, vcpus: 64, memory_mib: 249856}\n", "x"),
        ("name: a\ntasks:\n  x: {job_definition: dopi, queue: normal, vcpus: 1, memory_mib: 100}\n", "2048"),
        ("name: a\ntasks:\n  x: {job_definition: dopi, queue: normal, needs: [y]}\n", "y"),
        (
            "name: a\ntasks:\n  x: {job_definition: dopi, queue: normal, environment: {AWS_SECRET_ACCESS_KEY: abc}}\n",
            "AWS_SECRET_ACCESS_KEY",
        ),
        ("name: a\ntasks:\n  x: {job_definition: dopi, queue: nowhere}\n", "nowhere"),
    ],
)
def test_what_cannot_run_is_refused_before_anything_is_submitted(shell: Shell, text: str, complaint: str) -> None:
    """Exit code 2 with the place and the numbers; no run is remembered."""
    before = shell.json("runs", "--local")["runs"]
    done = shell.hpc("run", shell.workflow(text), "--local", code=2)
    assert complaint in done.stderr
    assert shell.json("runs", "--local")["runs"] == before


def test_a_killed_server_comes_back_with_its_state_and_retries_what_it_lost(shell: Shell) -> None:
    """kill -9 while a job runs: after `hpc local up` the attempt is a lost host and the job is tried again."""
    path = shell.workflow(
        "name: survivor\n"
        "tasks:\n"
        "  first: {job_definition: dopi, queue: high, command: ['--points', '400000000', '--key', '${prefix}a.txt']}\n"
        "  second: {needs: [first], job_definition: dopi, queue: normal, command: ['--key', '${prefix}b.txt']}\n"
    )
    run = shell.json("run", path, "--local", "--detach")["run"]
    deadline = time.monotonic() + 120
    while shell.status(run)["tasks"][0]["status"] != "RUNNING":
        assert time.monotonic() < deadline
    endpoint = control.status(shell.home / "local")
    assert endpoint is not None
    os.kill(endpoint.pid, signal.SIGKILL)
    shell.hpc("local", "up", "--vcpus", "4", "--memory-mib", "16384")
    while (state := shell.status(run))["status"] == "RUNNING":
        assert time.monotonic() < deadline, state
        time.sleep(0.2)
    assert [task["status"] for task in state["tasks"]] == ["SUCCEEDED", "SUCCEEDED"]
    attempts = state["tasks"][0]["attempts"]
    assert len(attempts) == 2
    assert attempts[0]["status_reason"].startswith("Host EC2")
    assert attempts[0]["exit_code"] is None
