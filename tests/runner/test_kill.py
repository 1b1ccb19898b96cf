"""`hpc kill`: jobs are ended by their ids."""

from __future__ import annotations

import pytest

from tests.runner.shell import Shell
from tests.runner.told_jobs import described, hello, id_of, sweep


def test_every_job_is_tried_and_told_of(shell: Shell) -> None:
    """What is ended is the data; what had ended, is unknown or was refused is said."""
    batch = shell.clients.batch
    for number, status in ((1, "RUNNING"), (2, "SUCCEEDED"), (3, "RUNNABLE"), (4, "RUNNING")):
        described(batch, id_of(number), status, jobName=f"j{number}")
    batch.unstoppable = {id_of(4)}
    result = shell("kill", "nothing", *(id_of(number) for number in (4, 1, 2, 3)), "-r", "wrong mesh", code=2)
    assert result.stdout == f"{id_of(1)}\n{id_of(3)}\n"
    assert result.stderr.splitlines()[1:] == [
        f"hpc: TerminateJob {id_of(4)}: ServerException: Try again",
        f"{id_of(1)} (j1) was RUNNING and ends; SIGKILL follows after 30 seconds",
        f"{id_of(2)} (j2) had ended already: SUCCEEDED",
        f"{id_of(3)} (j3) was RUNNABLE and is cancelled",
    ]
    assert "JOB: is a job in the local cloud" in result.stderr.splitlines()[0]
    assert batch.jobs[id_of(1)].detail["statusReason"] == "wrong mesh"
    assert [call for call in batch.calls if call.startswith("TerminateJob")] == [
        f"TerminateJob {id_of(number)}" for number in (4, 1, 3)
    ]


def test_the_exit_code_says_how_it_went(shell: Shell) -> None:
    """0 though a job had ended already, 1 where Batch refused, 2 where a job is unknown; the document says which."""
    batch = shell.clients.batch
    for number, status in ((1, "SUCCEEDED"), (2, "RUNNING"), (3, "RUNNING")):
        described(batch, id_of(number), status)
    assert shell.document("kill", id_of(1)) == {
        "terminated": [],
        "ended_before": {id_of(1): "SUCCEEDED"},
        "unknown": [],
        "refused": {},
    }
    batch.unstoppable = {id_of(2)}
    refused = shell.document("kill", id_of(2), id_of(3), code=1)
    assert refused["terminated"] == [id_of(3)]
    assert refused["refused"] == {id_of(2): "ServerException: Try again"}
    assert shell.document("kill", "nothing", code=2)["unknown"] == ["nothing"]


def test_a_job_is_ended_once_however_often_it_is_named(shell: Shell) -> None:
    """By a beginning of its id and by its name; a child by its index."""
    batch = shell.clients.batch
    whole = sweep(batch)
    described(batch, id_of(1), "RUNNING")
    assert shell("kill", "0000", id_of(1), "hello", f"{whole}:2").stdout == f"{id_of(1)}\n{whole}:2\n"
    assert batch.jobs[id_of(1)].detail["statusReason"] == "Terminated by the user"


def test_what_is_not_one_job_is_not_ended(shell: Shell) -> None:
    """A name that several have, and a node: it ends with its job."""
    batch = shell.clients.batch
    whole = hello(batch)
    described(batch, id_of(1), "RUNNING")
    result = shell("kill", "hello", f"{whole}#1", "0", code=2)
    assert f"JOB: names one job, got 'hello' for 2; use one of: {id_of(1)}, {whole}" in result.stderr
    assert f"JOB: is a job, got '{whole}#1', a node, which ends with its job; end that: {whole}" in result.stderr
    assert not any(call.startswith("TerminateJob") for call in batch.calls)


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("", "--reason: has 1 to 1024 characters (TerminateJob), got none; say why"),
        ("x" * 1025, "--reason: has 1 to 1024 characters (TerminateJob), got 1025; shorten it"),
    ],
)
def test_a_reason_that_batch_would_refuse_is_refused_before(shell: Shell, reason: str, expected: str) -> None:
    """Nothing is ended."""
    described(shell.clients.batch, id_of(1), "RUNNING")
    assert expected in shell("kill", id_of(1), "--reason", reason, code=2).stderr
    assert shell.clients.batch.calls == []


def test_kill_needs_a_job(shell: Shell) -> None:
    """It never ends everything."""
    assert "Missing argument 'JOB...'" in shell("kill", code=2).stderr
