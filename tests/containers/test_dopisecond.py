"""The program of image `dopisecond`."""

from __future__ import annotations

import argparse
import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.containers.program import FakeStore, finish, load, start, wait_until_catching

dopisecond = load("dopisecond")
INPUT, OUTPUT = "results/r/dopi.txt", "results/r/dopisecond-a.txt"


def options(**changed: object) -> argparse.Namespace:
    """Options as `parse` returns them, with no time to wait."""
    right = {"input_key": INPUT, "key": OUTPUT, "bucket": "b", "name": "second-a", "wait_seconds": 0.0}
    return argparse.Namespace(**(right | changed))


class Clock:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        """The time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Move on."""
        self.pauses.append(seconds)
        self.now += seconds


def test_the_object_is_read_extended_and_written_under_another_key(capsys: pytest.CaptureFixture[str]) -> None:
    """The first line is the input's, the second this program's; the input stays as it was."""
    store = FakeStore({INPUT: b"pi estimate: 3.14\n"})
    assert dopisecond.run(options(), lambda: store) == 0
    extended = "pi estimate: 3.14\nsecond-a: extended s3://b/results/r/dopi.txt\n"
    assert store.objects == {INPUT: b"pi estimate: 3.14\n", OUTPUT: extended.encode()}
    assert capsys.readouterr().out == f"{extended}wrote s3://b/{OUTPUT}\n"


@given(st.text(), st.text(alphabet="abc", min_size=1))
def test_extending_adds_one_line_and_changes_none(text: str, name: str) -> None:
    """Whatever the input, it is kept as it is, ended by a line break, and followed by one line."""
    extended = dopisecond.extended(text, name, "s3://b/k")
    assert extended.startswith(text)
    assert extended.endswith(f"{name}: extended s3://b/k\n")
    assert extended.removesuffix(f"{name}: extended s3://b/k\n") in {text, f"{text}\n"}


def test_an_object_that_never_comes_has_its_own_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is read or written, and the message says which object and how long."""
    store = FakeStore({f"{INPUT}.bak": b"not it"})
    assert dopisecond.run(options(), lambda: store) == 3
    assert {operation for operation, _ in store.calls} == {"ListObjectsV2"}
    assert capsys.readouterr().err == f"dopisecond: s3://b/{INPUT}: did not appear within 0 s\n"


@pytest.mark.parametrize("refused", ["ListObjectsV2", "GetObject", "PutObject"])
def test_a_refusal_is_told_from_an_absence(refused: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whichever call the bucket refuses, the exit code is 4 and the error names the bucket and the reason."""
    store = FakeStore({INPUT: b"text\n"}, refused=refused)
    assert dopisecond.run(options(wait_seconds=60.0), lambda: store) == 4
    err = capsys.readouterr().err
    assert err.startswith("dopisecond: s3://b: could not be read or written: ")
    assert f"(AccessDenied) when calling the {refused}" in err
    assert OUTPUT not in store.objects


def test_waiting_backs_off_and_ends_on_time() -> None:
    """Pauses double from half a second to fifteen and never go past the limit."""
    clock = Clock()
    assert dopisecond.wait_for(lambda: False, 60.0, clock, clock.sleep) is False
    assert clock.pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 14.5]
    assert clock.now == 160.0


def test_waiting_ends_when_the_object_is_there() -> None:
    """An object that is there costs no pause; one that appears at the third look costs two."""
    clock = Clock()
    assert dopisecond.wait_for(lambda: True, 60.0, clock, clock.sleep) is True
    assert clock.pauses == []
    assert dopisecond.wait_for(lambda: len(clock.pauses) == 2, 60.0, clock, clock.sleep) is True
    assert clock.pauses == [0.5, 1.0]


def test_defaults_come_from_the_environment_of_the_job() -> None:
    """Inside Batch only the input needs to be named."""
    environment = {"RESULTS_BUCKET": "b", "RESULTS_PREFIX": "results/", "AWS_BATCH_JOB_ID": "1-2"}
    assert vars(dopisecond.parse(["--input-key", INPUT], environment)) == {
        "input_key": INPUT,
        "key": "results/1-2.txt",
        "bucket": "b",
        "name": "dopisecond",
        "wait_seconds": 120.0,
    }


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "the following arguments are required: --input-key"),
        (
            ["--input-key", "k"],
            "--bucket: names the bucket to read and write, got none; give it, or set RESULTS_BUCKET",
        ),
        (["--input-key", "k", "--bucket", "b"], "--key: names the object to write, got none"),
        (
            ["--input-key", "k", "--bucket", "b", "--key", "k"],
            "--key: another object than --input-key, got 'k' for both",
        ),
        (["--input-key", "k", "--wait-seconds", "-1"], "a whole number of seconds, 0 to 86400, got '-1'"),
        (["--input-key", "k", "--wait-seconds", "1.5"], "a whole number of seconds, 0 to 86400, got '1.5'"),
        (["--input-key", "k", "--wait-seconds", "86401"], "a whole number of seconds, 0 to 86400, got '86401'"),
        (["--input", "k", "--bucket", "b", "--key", "o"], "the following arguments are required: --input-key"),
    ],
)
def test_what_is_missing_or_wrong_is_named(
    arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bad input ends with 2 and says which argument, what was given and what to do."""
    with pytest.raises(SystemExit) as ended:
        dopisecond.parse(arguments, {})
    assert ended.value.code == 2
    assert problem in capsys.readouterr().err


def test_no_credentials_is_a_storage_failure_not_a_traceback() -> None:
    """The whole program without a role: exit code 4 and one sentence."""
    code, out, err = finish(start("dopisecond", ["--input-key", INPUT, "--key", OUTPUT], {"RESULTS_BUCKET": "b"}))
    assert (code, out) == (4, "")
    assert err == "dopisecond: s3://b: could not be read or written: Unable to locate credentials\n"


def test_sigterm_ends_the_wait_at_once_and_says_so() -> None:
    """While it tries to reach the bucket a SIGTERM ends it promptly, with 143."""
    environment = {
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_REGION": "us-east-1",
    }
    process = start("dopisecond", ["--input-key", INPUT, "--key", OUTPUT, "--bucket", "b"], environment)
    wait_until_catching(process, signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    code, _, err = finish(process)
    assert (code, err) == (143, "dopisecond: stopped by SIGTERM\n")


def test_help_says_what_each_exit_code_means() -> None:
    """`--help` lists every exit code that the program has."""
    code, out, _ = finish(start("dopisecond", ["--help"], {}))
    assert code == 0
    assert [line.split()[0] for line in out.partition("exit codes:\n")[2].splitlines()] == ["0", "2", "3", "4", "143"]
