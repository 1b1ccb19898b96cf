"""`hpc out`: what jobs, nodes and children printed."""

from __future__ import annotations

import time
from typing import Any

import pytest

from runner.logs import LogReader
from tests.runner.fake_aws import FakeLogs
from tests.runner.shell import Shell
from tests.runner.told_jobs import attempt, container, described, hello, id_of, sweep

LINES = [f"line {number}" for number in range(1, 8)]


@pytest.fixture
def printed(shell: Shell) -> Shell:
    """With a job that ended after seven lines."""
    ended = {"attempts": [attempt("s")], "container": container("s", exitCode=0)}
    described(shell.clients.batch, id_of(1), "SUCCEEDED", jobName="one", **ended)
    shell.clients.logs = FakeLogs({"s": list(LINES)})
    return shell


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), LINES),
        (("--head", "3"), LINES[:3]),
        (("-hd", "3"), LINES[:3]),
        (("-hd", "99"), LINES),
        (("-t", "5"), LINES[2:]),
        (("--tail", "99"), LINES),
        (("-s",), LINES),
        (("--follow",), LINES),
        (("-f", "-t", "2", "-sp", "0.1"), LINES[5:]),
    ],
)
def test_all_of_it_or_its_beginning_or_its_end(printed: Shell, arguments: tuple[str, ...], expected: list[str]) -> None:
    """As the program printed it, over all pages of the log; following an ended job ends."""
    assert printed("out", id_of(1), *arguments, "--local").stdout.splitlines() == expected


def test_lines_have_times_where_they_are_asked_for(printed: Shell) -> None:
    """In text if wanted, in the document always."""
    assert printed("out", "one", "-hd", "1", "--times").stdout == "1970-01-01 00:00:01 UTC: line 1\n"
    document = printed.document("out", "one", "-t", "1")
    assert document == {
        "job_id": id_of(1),
        "job_name": "one",
        "lines": [{"attempt": 1, "at_ms": 1006, "text": "line 7"}],
    }


def test_the_end_of_a_log_is_read_over_short_pages_and_followed_from_there() -> None:
    """A page may hold less than was asked for, though there is more before it."""
    logs = FakeLogs({"s": list(LINES)})
    reader = LogReader(logs)
    assert [line.text for line in reader.tail("g", "s", 5)] == LINES[2:]
    logs.streams["s"].append("line 8")
    assert [line.text for line in reader.news("g", "s")] == ["line 8"]


def test_a_multi_node_job_is_its_main_node_unless_a_node_is_named(shell: Shell) -> None:
    """Also while it runs; a node that has not started has printed nothing yet."""
    whole = hello(shell.clients.batch)
    shell.clients.logs = FakeLogs({"n0": ["main"], "n1": ["worker"]})
    assert shell("out", whole).stdout == "main\n"
    assert shell("out", "hello#1").stdout == "worker\n"
    assert shell.document("out", f"{whole}#1")["job_id"] == f"{whole}#1"
    result = shell("out", f"{whole}#2")
    assert (result.stdout, result.stderr) == ("", f"node 2 of {whole}, which is RUNNING, was not started yet\n")


def test_a_child_of_an_array_is_named_by_its_index(shell: Shell) -> None:
    """The array itself prints nothing."""
    whole = sweep(shell.clients.batch)
    shell.clients.logs = FakeLogs({"c1": ["child"]})
    assert shell("out", f"{whole}:1").stdout == "child\n"
    expected = f"JOB: is a job that prints, got {whole}, an array of 4; name a child of it: {whole}:0 to {whole}:3"
    assert expected in shell("out", "sweep", code=2).stderr


def test_the_latest_attempt_is_shown_and_an_earlier_one_when_asked(shell: Shell) -> None:
    """It is said that there were others."""
    described(
        shell.clients.batch,
        id_of(1),
        "FAILED",
        attempts=[attempt("first", 1), attempt("second", 2)],
        retryStrategy={"attempts": 2},
        container=container("second", exitCode=2),
    )
    shell.clients.logs = FakeLogs({"first": ["1"], "second": ["2"]})
    result = shell("out", id_of(1))
    assert (result.stdout, result.stderr) == ("2\n", "--- attempt 2 of 2; those before: --attempt 1\n")
    assert shell("out", id_of(1), "--attempt", "1").stdout == "1\n"
    assert shell("out", id_of(1), "--attempt", "1", "-f").stdout == "1\n"
    assert "has printed nothing" in shell("out", id_of(1), "--attempt", "3").stderr


def test_following_goes_on_with_the_next_attempt(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the last lines of the one that runs, to the job's end."""
    job = described(
        shell.clients.batch, id_of(1), "RUNNING", container=container("first"), retryStrategy={"attempts": 2}
    )
    shell.clients.logs = FakeLogs({"first": ["a", "b", "c"], "second": ["d"]})
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            job.update(attempts=[attempt("first", 1)], container=container("second"))
        if len(slept) == 4:
            ended: dict[str, Any] = {"status": "SUCCEEDED", "attempts": [attempt("first", 1), attempt("second")]}
            job.update(ended)

    monkeypatch.setattr(time, "sleep", sleep)
    result = shell("out", id_of(1), "--stream", "--tail", "2", "--stream-period", "7")
    assert result.stdout == "b\nc\nd\n"
    assert result.stderr == "--- attempt 2 of 2\n"
    assert set(slept) == {7.0}


def test_a_job_that_waits_has_printed_nothing_yet(shell: Shell) -> None:
    """Which is no error."""
    described(shell.clients.batch, id_of(1), "RUNNABLE", container=container())
    assert shell("out", id_of(1)).stderr == f"{id_of(1)} is RUNNABLE and has printed nothing yet\n"
    assert shell.document("out", id_of(1))["lines"] == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("-hd", "1", "-t", "1"), "--head: ends after the first lines, got it beside --tail; leave one of them out"),
        (("-hd", "1", "-s"), "--head: ends after the first lines, got it beside --stream; leave one of them out"),
        (("-sp", "3"), "--stream-period: is for --stream, got none; add --stream, or leave the period out"),
        (("-t", "0"), "0 is not in the range x>=1"),
        (("-s", "-sp", "0"), "0.0 is not in the range 0.1<=x<=3600"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    printed: Shell, arguments: tuple[str, ...], expected: str
) -> None:
    """Before anything is asked for."""
    assert expected in printed("out", id_of(1), *arguments, code=2).stderr
    assert printed.clients.batch.calls == []


def test_nodes_that_are_not_there_are_refused(printed: Shell) -> None:
    """Of a job without nodes, beyond the last, and what is no number; and jobs that are not there."""
    whole = hello(printed.clients.batch)
    for said, expected in (
        (f"{id_of(1)}#0", f"JOB: has nodes where a node is named, got {id_of(1)}#0; leave #0 out"),
        (f"{whole}#3", "JOB: has nodes #0 to #2, got #3; use one of them"),
        (f"{whole}#main", "JOB: has nodes #0 to #2, got #main; use one of them"),
        ("none", "got 'none'; see: hpc stat --status ALL"),
    ):
        assert expected in printed("out", said, code=2).stderr
    described(printed.clients.batch, id_of(2), "RUNNING")
    described(printed.clients.batch, id_of(3), "RUNNING", jobName="one")
    assert (
        f"JOB: names one job, got 'one' for 2; use one of: {id_of(1)}, {id_of(3)}"
        in printed("out", "one", code=2).stderr
    )


def test_logs_of_a_node_and_of_a_running_multi_node_job(shell: Shell) -> None:
    """hpc logs takes any job's id, too."""
    whole = hello(shell.clients.batch)
    shell.clients.logs = FakeLogs({"n0": ["main"], "n1": ["worker"]})
    assert shell("logs", whole).stdout == "main\n"
    assert shell("logs", f"{whole}#1").stdout == "worker\n"
    assert "got no answer about it" in shell("logs", f"{whole}#9", code=2).stderr
