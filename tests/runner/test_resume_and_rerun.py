"""Going on with runs: by another process, on another machine, with what failed, with what has changed."""

from __future__ import annotations

import json
import platform
import time
from pathlib import Path
from typing import Any

import pytest

from runner.ledger_mirror import OWNED_SECONDS
from tests.runner.fake_aws import FakeClients
from tests.runner.fake_batch import FakeBatch, client_error
from tests.runner.shell import Shell

MAP = """\
name: w
defaults: {job_definition: dopi, queue: high}
tasks:
  m:
    foreach: {i: {from: 1, to: 5}}
    command: ["${i}"]
  r: {needs: [m]}
  other: {queue: normal}
"""


def run_id(shell: Shell) -> str:
    """Of the newest run."""
    return str(shell.document("runs")["runs"][0]["run"])


def jobs(batch: FakeBatch) -> list[str]:
    """What made a job, as its name ends, without children of arrays."""
    return [job.detail["jobName"] for job_id, job in batch.jobs.items() if ":" not in job_id]


@pytest.fixture
def interrupted(shell: Shell, tmp_path: Path) -> str:
    """A run of which only the first job was made when Ctrl-C came."""
    (tmp_path / "w.yaml").write_text(MAP)
    batch = shell.clients.batch

    def interrupt(_: dict[str, Any]) -> None:
        if batch.jobs:
            raise KeyboardInterrupt

    batch.before_submit = interrupt
    shell("run", "w.yaml", code=130)
    batch.before_submit = lambda _: None
    assert len(jobs(batch)) == 1
    return run_id(shell)


def test_another_process_submits_the_rest(shell: Shell, interrupted: str) -> None:
    """And follows it; there is nothing left for a third one."""
    done = shell("resume", interrupted)
    assert "2 jobs submitted, 1 were" in done.stderr
    assert "SUCCEEDED" in done.stdout
    assert sorted(name.removeprefix(interrupted) for name in jobs(shell.clients.batch)) == ["-m", "-other", "-r"]
    assert "all was submitted" in shell("resume", interrupted).stderr
    assert len(jobs(shell.clients.batch)) == 3


def test_another_machine_finds_the_run_in_the_bucket(
    shell: Shell, interrupted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plan and ledger are copied before the first job is made; a machine that is at it is not disturbed."""
    s3 = shell.clients.s3
    ledger = f"runs/{interrupted}/ledger.jsonl"
    assert s3.puts == [f"runs/{interrupted}/plan-1.jsonl.gz", ledger, ledger]
    monkeypatch.setenv("HPC_HOME", str(tmp_path / "elsewhere"))
    s3.metadata[ledger] = {"host": "laptop", "pid": "7", "at": f"{time.time() - 20:.0f}"}
    refused = shell("resume", interrupted, code=2).stderr
    assert "submitted by one machine at a time, got process 7 on 'laptop' at it 2" in refused
    assert "--take-over" in refused
    assert not (tmp_path / "elsewhere").exists()
    s3.metadata[ledger]["at"] = f"{time.time() - OWNED_SECONDS - 1:.0f}"
    shell("resume", interrupted)
    assert sorted(name.removeprefix(interrupted) for name in jobs(shell.clients.batch)) == ["-m", "-other", "-r"]


def test_a_copy_that_lags_behind_makes_nothing_twice(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All was submitted after the copy that the other machine finds: each job is looked up by its name."""
    (tmp_path / "w.yaml").write_text(MAP)
    shell("run", "w.yaml", "--detach")
    run, s3 = run_id(shell), shell.clients.s3
    ledger = f"runs/{run}/ledger.jsonl"
    s3.objects[ledger] = b"".join(s3.objects[ledger].splitlines(keepends=True)[:2])
    s3.metadata[ledger] = {"host": "laptop", "pid": "7", "at": "0"}
    monkeypatch.setenv("HPC_HOME", str(tmp_path / "elsewhere"))
    shell("resume", run)
    assert sorted(name.removeprefix(run) for name in jobs(shell.clients.batch)) == ["-m", "-other", "-r"]


def test_one_machine_takes_over_from_another(
    shell: Shell, interrupted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where somebody knows that the other is gone; a run that is nowhere is no run."""
    monkeypatch.setenv("HPC_HOME", str(tmp_path / "elsewhere"))
    owner = {"host": f"not-{platform.node()}", "pid": "7", "at": f"{time.time():.0f}"}
    shell.clients.s3.metadata[f"runs/{interrupted}/ledger.jsonl"] = owner
    shell("resume", interrupted, code=2)
    assert "SUCCEEDED" in shell("resume", interrupted, "--take-over").stdout
    assert "RUN: is the id of a run in" in shell("resume", "w-20200101-000000-abcdef", code=2).stderr


def test_requests_to_the_bucket_are_few(shell: Shell, tmp_path: Path) -> None:
    """Three for a run of one task; of a map of thousands one object for all children besides."""
    (tmp_path / "one.yaml").write_text("name: w\ntasks: {a: {job_definition: dopi, queue: high}}\n")
    shell("run", "one.yaml", "--detach")
    assert len(shell.clients.s3.puts) == 3
    (tmp_path / "map.yaml").write_text(MAP.replace("to: 5", "to: 5000"))
    shell("run", "map.yaml", "--detach")
    assert len(shell.clients.s3.puts) == 3 + 4


def test_a_bucket_that_cannot_be_reached_is_told_before_anything_is_submitted(shell: Shell) -> None:
    """A run without a copy could be lost with the machine."""
    shell.clients.s3.refuses = client_error("503", "Please reduce your request rate", "PutObject", 503)
    refused = shell("run", "w.yaml", code=1).stderr
    assert "holds a copy of the run's ledger before anything is submitted, got: Please reduce" in refused
    assert shell.clients.batch.jobs == {}


def test_a_cancelled_run_is_not_resumed_but_can_be_run_again(shell: Shell, interrupted: str) -> None:
    """Its one job is ended."""
    shell("cancel", interrupted)
    assert sum(call.startswith("TerminateJob") for call in shell.clients.batch.calls) == 1
    assert "names a run that was not cancelled" in shell("resume", interrupted, code=2).stderr
    assert "SUCCEEDED" in shell("rerun", interrupted, "--failed").stdout


def test_of_an_array_just_the_failed_children_run_again(shell: Shell, tmp_path: Path) -> None:
    """With what waited for them, and nothing else."""
    (tmp_path / "w.yaml").write_text(MAP)
    batch = shell.clients.batch
    batch.exit_codes = {"-m:1": [1], "-m:3": [1]}
    shell("run", "w.yaml", code=1)
    batch.exit_codes = {}
    first = len(jobs(batch))
    assert "3 tasks to do again, nothing was submitted" in shell("rerun", run_id(shell), "--failed", "--dry-run").stderr
    assert len(jobs(batch)) == first
    done = shell("rerun", run_id(shell), "--failed")
    again = [job.detail for job_id, job in batch.jobs.items() if ":" not in job_id][first:]
    assert [detail["jobName"].removeprefix(run_id(shell)) for detail in again] == ["_2-m", "_2-r"]
    assert again[0]["arrayProperties"]["size"] == 2
    (told,) = again[0]["container"]["environment"]
    assert json.loads(told["value"]) == {"children": [[["2"], {}], [["4"], {}]]}
    assert "SUCCEEDED" in done.stdout
    state = shell.document("status", run_id(shell))
    assert state["counts"] == {"SUCCEEDED": 7}
    assert "every task" not in done.stderr
    assert shell.document("rerun", run_id(shell), "--failed")["tasks"] == []


def test_with_a_file_only_what_changed_runs_again_and_what_waits_for_it(shell: Shell, tmp_path: Path) -> None:
    """Unless everything is asked for."""
    (tmp_path / "w.yaml").write_text(MAP)
    shell("run", "w.yaml")
    batch, first = shell.clients.batch, 3
    (tmp_path / "w.yaml").write_text(MAP.replace("other: {queue: normal}", "other: {queue: normal, command: [new]}"))
    done = shell("rerun", run_id(shell), "w.yaml")
    assert "6 tasks unchanged since they succeeded" in done.stderr
    assert [name.removeprefix(run_id(shell)) for name in jobs(batch)][first:] == ["_2-other"]
    shell("rerun", run_id(shell), "w.yaml", "--no-cache")
    assert sorted(name.removeprefix(run_id(shell)) for name in jobs(batch)[4:]) == ["_3-m", "_3-other", "_3-r"]


def test_an_object_that_a_task_reads_is_part_of_what_it_does(shell: Shell, tmp_path: Path) -> None:
    """It must be there; another content is another task."""
    (tmp_path / "w.yaml").write_text(MAP.replace("other: {", 'other: {inputs: ["data/a.csv"], '))
    refused = shell("run", "w.yaml", code=2).stderr
    assert "w.yaml:8: tasks.other.inputs[0]: is an object that is there" in refused
    shell.clients.s3.objects["data/a.csv"] = b"1"
    shell("run", "w.yaml")
    assert shell.document("rerun", run_id(shell), "w.yaml")["tasks"] == []
    shell.clients.s3.objects["data/a.csv"] = b"2"
    assert shell.document("rerun", run_id(shell), "w.yaml", "--dry-run")["tasks"] == ["other"]


def test_what_cannot_be_run_again_is_refused(shell: Shell, tmp_path: Path) -> None:
    """A run that goes on, another workflow, options that do not go together."""
    shell("run", "w.yaml", "--detach")
    assert "names a run that has ended" in shell("rerun", run_id(shell), "--failed", code=2).stderr
    shell("status", "--follow")
    assert "give one of them" in shell("rerun", run_id(shell), code=2).stderr
    assert "give one of them" in shell("rerun", run_id(shell), "w.yaml", "--failed", code=2).stderr
    assert "leave these out" in shell("rerun", run_id(shell), "--failed", "--no-cache", code=2).stderr
    (tmp_path / "v.yaml").write_text(MAP.replace("name: w", "name: v"))
    assert (
        "is a later version of the run's workflow 'w', got 'v'"
        in shell("rerun", run_id(shell), "v.yaml", code=2).stderr
    )


def test_credentials_that_expire_while_a_run_is_followed_are_waited_for(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody logs in again; the run is followed to its end."""
    renewals: list[float] = []
    asked = shell.clients.batch.describe_jobs

    def describe(**request: Any) -> dict[str, Any]:
        if len(renewals) < 2:
            raise client_error("ExpiredTokenException", "The security token is expired", "DescribeJobs", 403)
        return asked(**request)

    monkeypatch.setattr(shell.clients.batch, "describe_jobs", describe)
    monkeypatch.setattr(shell.clients, "renew", lambda: renewals.append(0.0), raising=False)
    monkeypatch.setattr("runner.renewal.RENEWAL_SECONDS", 0.0)
    done = shell("run", "w.yaml")
    assert done.stderr.count("log in again, for instance with: aws sso login") == 1
    assert "credentials: renewed" in done.stderr
    assert "SUCCEEDED" in done.stdout


def test_a_run_of_two_processes_at_once_is_one_run(shell: Shell, tmp_path: Path) -> None:
    """The later one is told, and changes nothing."""
    del tmp_path
    clients: FakeClients = shell.clients
    said: list[str] = []

    def meanwhile(_: dict[str, Any]) -> None:
        clients.batch.before_submit = lambda _: None
        said.append(shell("resume", run_id(shell), code=1).stderr)

    clients.batch.before_submit = meanwhile
    shell("run", "w.yaml")
    assert "is submitted by one process at a time" in said[0]
