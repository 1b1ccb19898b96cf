"""The program of image `standin`."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time

import pytest

from tests.containers.program import CONTAINERS, FakeStore, finish, load, start, wait_until_catching

standin = load("standin")


def options(**changed: object) -> argparse.Namespace:
    """Options as `parse` returns them, with nothing to do."""
    right = {"seconds": 0.0, "cpu": False, "read": [], "write": [], "exit_code": 0, "bucket": "b"}
    return argparse.Namespace(**(right | changed))


def no_store() -> FakeStore:
    """For a task that must not ask for one."""
    raise AssertionError("S3 was asked for")


def test_it_takes_the_time_that_it_is_told() -> None:
    """The whole program sleeps, and uses next to no processor."""
    started = time.monotonic()
    code, out, err = finish(start("standin", ["--seconds", "1.5"], {}))
    assert (code, out, err) == (0, "slept for 1.5 s\n", "")
    assert time.monotonic() - started >= 1.5


def test_it_computes_for_seconds_of_the_processor() -> None:
    """However long that takes on a machine that is shared."""
    before = time.process_time()
    standin.work(options(seconds=0.3, cpu=True))
    assert 0.3 <= time.process_time() - before < 1.0


def test_computing_ends_when_its_time_is_used() -> None:
    """Time before it began does not count."""
    clock = iter([100.0, 100.5, 101.9, 102.0]).__next__
    standin.compute(2.0, clock)
    with pytest.raises(StopIteration):
        clock()


def test_objects_are_read_before_and_written_after_the_work(capsys: pytest.CaptureFixture[str]) -> None:
    """Each is listed, as one that is absent is no refusal; those that are written have the size asked for."""
    store = FakeStore({"in/a": b"12345", "in/b": b""})
    asked = options(read=["in/a", "in/b"], write=[("out/a", 3), ("out/b", 0)])
    assert standin.run(asked, lambda: store) == 0
    assert {key: len(content) for key, content in store.objects.items()} == {
        "in/a": 5,
        "in/b": 0,
        "out/a": 3,
        "out/b": 0,
    }
    assert capsys.readouterr().out.splitlines() == [
        "read s3://b/in/a: 5 bytes",
        "read s3://b/in/b: 0 bytes",
        "slept for 0 s",
        "wrote s3://b/out/a: 3 bytes",
        "wrote s3://b/out/b: 0 bytes",
    ]


def test_an_object_that_is_not_there_has_its_own_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    """Before any work, whatever exit code was asked for; a longer key is another object."""
    store = FakeStore({"in/a.bak": b""})
    assert standin.run(options(read=["in/a"], write=[("out", 1)], exit_code=9), lambda: store) == 3
    assert capsys.readouterr().err == "standin: s3://b/in/a: is not there\n"
    assert set(store.objects) == {"in/a.bak"}


@pytest.mark.parametrize("refused", ["ListObjectsV2", "GetObject", "PutObject"])
def test_a_refusal_is_told_from_an_absence(refused: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whichever call the bucket refuses, the exit code is 4 and the error names the bucket and the reason."""
    store = FakeStore({"a": b""}, refused=refused)
    assert standin.run(options(read=["a"], write=[("b", 1)]), lambda: store) == 4
    assert f"(AccessDenied) when calling the {refused}" in capsys.readouterr().err


@pytest.mark.parametrize("number", [0, 1, 255])
def test_it_ends_as_it_is_told(number: int) -> None:
    """With and without objects."""
    assert standin.run(options(exit_code=number), no_store) == number
    assert standin.run(options(exit_code=number, write=[("a", 1)]), FakeStore) == number


def test_without_objects_nothing_of_s3_is_imported() -> None:
    """It takes half a second, which a thousand stand-ins would pay for."""
    code = "import runpy, sys; sys.argv = ['standin']\ntry: runpy.run_path('standin.py', run_name='__main__')\n"
    code += "except SystemExit as ended: print(ended.code, 'boto3' in sys.modules, 'botocore' in sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=CONTAINERS / "standin", capture_output=True, text=True
    )
    assert said.stdout == "slept for 0 s\n0 False False\n"


def test_options_may_be_repeated_or_take_several() -> None:
    """As is handy for a program that writes the command."""
    arguments = ["--read", "a", "b", "--write", "c=1", "--read", "d", "--write", "e=f=0", "g=1073741824"]
    parsed = standin.parse(arguments, {"RESULTS_BUCKET": "b"})
    assert parsed.read == ["a", "b", "d"]
    assert parsed.write == [("c", 1), ("e=f", 0), ("g", 1 << 30)]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--seconds", "-1"], "argument --seconds: seconds, 0 to 1209600, got '-1'; for instance 1.5"),
        (["--seconds", "1e3"], "argument --seconds: seconds, 0 to 1209600, got '1e3'"),
        (["--seconds", "nan"], "argument --seconds: seconds, 0 to 1209600, got 'nan'"),
        (["--seconds", "."], "argument --seconds: seconds, 0 to 1209600, got '.'"),
        (["--seconds", "1209600.5"], "argument --seconds: seconds, 0 to 1209600, got '1209600.5'"),
        (["--exit-code", "256"], "argument --exit-code: a whole number from 0 to 255, got '256'; for instance 1"),
        (["--write", "key"], "argument --write: KEY=BYTES with up to 1073741824 bytes, got 'key'"),
        (["--write", "=1"], "argument --write: KEY=BYTES with up to 1073741824 bytes, got '=1'"),
        (["--write", "a=1073741825"], "argument --write: KEY=BYTES with up to 1073741824 bytes, got 'a=1073741825'"),
        (["--read", "a"], "--bucket: names the bucket to read and write, got none; give it, or set RESULTS_BUCKET"),
        (["--write", "a=1"], "--bucket: names the bucket to read and write, got none"),
    ],
)
def test_what_is_missing_or_wrong_is_named(
    arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bad input ends with 2 and says which argument, what was given and what to do."""
    with pytest.raises(SystemExit) as ended:
        standin.parse(arguments, {})
    assert ended.value.code == 2
    assert problem in capsys.readouterr().err


def test_no_credentials_is_a_storage_failure_not_a_traceback() -> None:
    """The whole program without a role: exit code 4 and one sentence."""
    code, out, err = finish(start("standin", ["--write", "a=1"], {"RESULTS_BUCKET": "b"}))
    assert (code, out) == (4, "slept for 0 s\n")
    assert err == "standin: s3://b: could not be read or written: Unable to locate credentials\n"


@pytest.mark.parametrize("how", [[], ["--cpu"]])
def test_sigterm_ends_it_at_once_and_says_so(how: list[str]) -> None:
    """Asleep or at work, with 143."""
    process = start("standin", ["--seconds", "600", *how], {})
    wait_until_catching(process, signal.SIGTERM)
    asked = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert finish(process) == (143, "", "standin: stopped by SIGTERM\n")
    assert time.monotonic() - asked < 5


def test_help_says_what_each_exit_code_means() -> None:
    """`--help` lists every exit code that the program has of its own."""
    code, out, _ = finish(start("standin", ["--help"], {}))
    assert code == 0
    told = out.partition("exit codes, besides that of --exit-code:\n")[2].splitlines()
    assert [line.split()[0] for line in told] == ["0", "2", "3", "4", "143"]
