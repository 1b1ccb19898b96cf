"""The command line of the bring-up: what is ours, what is the program's, and what each refusal says."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from mpi_bringup.node import DEFAULT_JOIN_SECONDS
from mpi_bringup.object_store import ObjectPlace
from mpi_bringup.options import Options, OptionsError, parsed


def options(*arguments: str, environment: Mapping[str, str] | None = None) -> Options:
    """Those of a command."""
    return parsed(arguments, environment or {})


def test_a_program_alone_has_the_defaults() -> None:
    """A rank for each core, labels of nodes, ten minutes to join."""
    found = options("hello.c")
    assert found.wanted.program == "hello.c"
    assert found.wanted.arguments == ()
    assert found.wanted.bundle is None
    assert found.wanted.flags == ()
    assert not found.wanted.is_script
    assert found.ranks_per_node is None
    assert found.label == "node"
    assert found.join_seconds == DEFAULT_JOIN_SECONDS
    assert found.results is None


def test_every_option_is_read() -> None:
    """All at once."""
    found = options(
        *("--bundle", "s3://code/programs/abc.tar.gz", "-p", "2", "--flags=-O3 -DNAME='a b'", "--on-main"),
        *("--label", "rank", "--join-seconds", "2.5", "--results", "s3://kept/run-1/", "script.sh", "x"),
    )
    assert found.wanted.bundle == ObjectPlace("code", "programs/abc.tar.gz")
    assert found.wanted.flags == ("-O3", "-DNAME=a b")
    assert found.wanted.is_script
    assert found.ranks_per_node == 2
    assert found.label == "rank"
    assert found.join_seconds == 2.5
    assert found.results == ObjectPlace("kept", "run-1/")
    assert found.wanted.arguments == ("x",)


@pytest.mark.parametrize(
    ("arguments", "program", "rest"),
    [
        (["prog", "-p", "3", "--", "x"], "prog", ("-p", "3", "--", "x")),
        (["--", "prog", "-p", "3"], "prog", ("-p", "3")),
        (["-p", "2", "--", "prog", "--", "x"], "prog", ("--", "x")),
        (["-p", "2", "prog", "--label", "none", "--help"], "prog", ("--label", "none", "--help")),
        (["prog", "--", "--bundle", "x"], "prog", ("--", "--bundle", "x")),
        (["--flags", "-O2", "-p2", "prog", "-p", "3"], "prog", ("-p", "3")),
        (["--", "-odd-name", "x"], "-odd-name", ("x",)),
        (["prog", "", " "], "prog", ("", " ")),
        (["prog", "--", "--", "x"], "prog", ("--", "--", "x")),
        (["--", "prog", "--", "--"], "prog", ("--", "--")),
        (["--label", "none", "prog", "-x=1", "--unknown"], "prog", ("-x=1", "--unknown")),
    ],
)
def test_what_follows_the_program_is_its_own(arguments: list[str], program: str, rest: tuple[str, ...]) -> None:
    """Even where it looks like ours; one -- before the program is ours, every other is its own."""
    wanted = options(*arguments).wanted
    assert (wanted.program, wanted.arguments) == (program, rest)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "command: the following arguments are required: PROGRAM"),
        (["--"], "command: the following arguments are required: PROGRAM"),
        (["-p", "0", "x"], "command: argument -p: is a whole number from 1, got '0'"),
        (["-p", "two", "x"], "command: argument -p: is a whole number from 1, got 'two'"),
        (["-p", "-1", "x"], "command: argument -p: is a whole number from 1, got '-1'"),
        (["--bundle", "code.tar.gz", "x"], "command: argument --bundle: is s3://BUCKET/KEY, got 'code.tar.gz'"),
        (["--bundle", "s3://code", "x"], "command: argument --bundle: is s3://BUCKET/KEY, got 's3://code'"),
        (["--results", "kept/", "x"], "command: argument --results: is s3://BUCKET/PREFIX/, got 'kept/'"),
        (
            ["--results", "http://kept/x", "x"],
            "command: argument --results: is s3://BUCKET/PREFIX/, got 'http://kept/x'",
        ),
        (
            ["--flags=-D'x", "x"],
            'command: argument --flags: is quoted as in a shell, got "-D\'x" (No closing quotation)',
        ),
        (["--label", "all", "x"], "command: argument --label: invalid choice: 'all'"),
        (["--bundle"], "command: argument --bundle: expected one argument"),
        (["--no-such", "x"], "command: unrecognized arguments: --no-such"),
        (["--join", "3", "x"], "command: unrecognized arguments: --join"),
        (["--join-seconds", "0", "x"], "command: argument --join-seconds: is a number above 0, got '0'"),
        (["--join-seconds", "-3", "x"], "command: argument --join-seconds: is a number above 0, got '-3'"),
        (["--join-seconds", "inf", "x"], "command: argument --join-seconds: is a number above 0, got 'inf'"),
        (["--join-seconds", "nan", "x"], "command: argument --join-seconds: is a number above 0, got 'nan'"),
        (["--join-seconds", "ten", "x"], "command: argument --join-seconds: is a number above 0, got 'ten'"),
    ],
)
def test_a_refusal_names_the_option_the_rule_and_what_came(arguments: list[str], text: str) -> None:
    """And, for the command's form, the usage."""
    with pytest.raises(OptionsError) as refused:
        options(*arguments)
    assert str(refused.value).startswith(text)
    assert not str(refused.value).startswith("command: ") or "; usage: bringup.py [-h]" in str(refused.value)


def test_the_job_definition_may_say_how_long_to_wait() -> None:
    """The command's own option goes before it."""
    environment = {"MPI_JOIN_SECONDS": "90"}
    assert options("x", environment=environment).join_seconds == 90
    assert options("--join-seconds", "5", "x", environment=environment).join_seconds == 5


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("soon", "MPI_JOIN_SECONDS: is a number above 0, got 'soon'; correct it"),
        ("", "MPI_JOIN_SECONDS: is a number above 0, got ''; correct it"),
        ("0", "MPI_JOIN_SECONDS: is a number above 0, got '0'; correct it"),
        ("nan", "MPI_JOIN_SECONDS: is a number above 0, got 'nan'; correct it"),
    ],
)
def test_a_wrong_time_of_the_job_definition_is_named_as_such(value: str, text: str) -> None:
    """Not as an option that nobody gave."""
    with pytest.raises(OptionsError) as refused:
        options("x", environment={"MPI_JOIN_SECONDS": value})
    assert str(refused.value) == text
