"""The launcher before a program: what it makes of a child, and that it leaves no trace."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.containers.launched import LAUNCHER, Launcher, inline
from tests.containers.program import CONTAINERS, finish, wait_until_catching


@pytest.fixture
def launcher(tmp_path: Path) -> Launcher:
    """One of its own."""
    return Launcher(tmp_path)


@pytest.mark.parametrize("image", ["dopi", "dopisecond", "fieldstats", "mpi", "standin"])
def test_images_have_the_same_launcher(image: str) -> None:
    """An image's folder is all that it is built from, so each has a copy; `make launcher` renews them."""
    assert (CONTAINERS / image / "launcher.py").read_bytes() == LAUNCHER.read_bytes()


@pytest.mark.parametrize("variables", [{}, {"HPC_CHILDREN": ""}])
def test_without_children_the_program_is_started_as_it_is(launcher: Launcher, variables: dict[str, str]) -> None:
    """Words and variables arrive byte by byte, whatever they are; so does an index."""
    given = {"A": "ü\udcff\n", "AWS_BATCH_JOB_ARRAY_INDEX": "7", **variables}
    launched = launcher.launch(given, "--x", "", "two words", "\udcfe", "--", "3")
    assert (launched.exit_code, launched.err) == (0, "")
    assert launched.arguments == ["--x", "", "two words", "\udcfe", "--", "3"]
    assert {name: launched.environment[name] for name in given} == given
    assert set(launched.environment) == {"PATH", "LC_CTYPE", *given}


def test_a_start_without_children_imports_nothing() -> None:
    """Besides os, which comes with Python itself: every job pays for it."""

    def imported(*words: str) -> set[str]:
        err = subprocess.run(
            [sys.executable, "-IS", "-X", "importtime", *words], check=True, capture_output=True, text=True
        ).stderr
        return set(re.findall(r"\|\s+([\w.]+)$", err, re.MULTILINE))

    assert imported(str(LAUNCHER), "1", "true") == imported("-c", "import os")


def test_a_child_has_a_command_and_an_environment_of_its_own(launcher: Launcher) -> None:
    """Merged over the container's, HPC_CHILDREN excepted; PATH counts for finding the program."""
    children = inline([["no"], {}], [["--name", "zwei ü", ""], {"A": "child", "B": "ß", "E": ""}])
    launched = launcher.launch(
        {**children, "AWS_BATCH_JOB_ARRAY_INDEX": "1", "A": "container", "C": "kept"}, "of", "Batch"
    )
    assert launched.arguments == ["--name", "zwei ü", ""]
    wanted = {"A": "child", "B": "ß", "C": "kept", "E": "", "AWS_BATCH_JOB_ARRAY_INDEX": "1"}
    assert {name: value for name, value in launched.environment.items() if name not in {"PATH", "LC_CTYPE"}} == wanted


def test_a_child_without_a_command_keeps_that_of_batch(launcher: Launcher) -> None:
    """And the only child of a job that is no array is the first one."""
    launched = launcher.launch(inline([None, {"A": "1"}], [[], {}]), "of", "Batch")
    assert (launched.arguments, launched.environment["A"]) == (["of", "Batch"], "1")
    assert launcher.launch({**inline([None, {}], [[], {}]), "AWS_BATCH_JOB_ARRAY_INDEX": "1"}, "x").arguments == []


def test_a_variable_of_a_child_cannot_bring_the_children_back(launcher: Launcher) -> None:
    """HPC_CHILDREN is gone whatever the child's environment says."""
    assert "HPC_CHILDREN" not in launcher.launch(inline([None, {"HPC_CHILDREN": "{}"}])).environment


def test_the_search_path_of_a_child_finds_its_program(launcher: Launcher, tmp_path: Path) -> None:
    """As the container's would have; what is no file or cannot be executed is passed over, as by execvp."""
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "mine").write_text("not executable", encoding="utf-8")
    (tmp_path / "second").mkdir()
    mine = tmp_path / "second" / "mine"
    mine.write_text("#!/bin/sh\necho $0 $*\n", encoding="utf-8")
    mine.chmod(0o755)
    path = f"{tmp_path}/absent:{tmp_path}/tell.py:{tmp_path}/first:{tmp_path}/second"
    process = launcher.start(["1", "mine", "x"], inline([["y"], {"PATH": path}]))
    assert finish(process) == (0, f"{mine} y\n", "")


@pytest.mark.parametrize("number", [3, 70])
def test_the_programs_exit_code_is_the_processs(launcher: Launcher, number: int) -> None:
    """Whatever it is."""
    process = launcher.start(["2", "sh", "-c", f"exit {number}"], {})
    assert finish(process) == (number, "", "")


def test_a_signal_reaches_the_program(tmp_path: Path) -> None:
    """The launcher is gone: the program catches SIGTERM in the process that Batch started."""
    process = subprocess.Popen(
        [sys.executable, "-IS", "launcher.py", "2", sys.executable, "standin.py", "--seconds", "60"],
        cwd=CONTAINERS / "standin",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until_catching(process, signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    assert finish(process) == (143, "", "standin: stopped by SIGTERM\n")


def test_a_program_is_not_started_with_signals_ignored_that_python_ignores(launcher: Launcher) -> None:
    """A pipe whose reader has gone ends a program that is not Python, as without the launcher."""
    code, out, _ = finish(launcher.start(["1", "grep", "SigIgn", "/proc/self/status"], {}))
    if code != 0:
        pytest.skip("no /proc here to see a process's signals in")
    ignored = int(out.split()[1], 16)
    assert not ignored & (1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1)


@pytest.mark.parametrize(
    ("text", "index", "problem"),
    [
        ("{", "0", "HPC_CHILDREN: is JSON, got '{' (Expecting property name"),
        ("[" * 100_000, "0", "HPC_CHILDREN: is JSON, got "),
        ("[]", "0", """HPC_CHILDREN: has "children", or "from" and "blocks", got '[]'; submit it again"""),
        ('{"children":{}}', "0", 'HPC_CHILDREN: has "children", or'),
        ('{"children":[[null,{}]]}', "1", "HPC_CHILDREN: holds child 1, got 1 children; submit the job again"),
        ('{"children":[[null,{}]]}', "-1", "AWS_BATCH_JOB_ARRAY_INDEX: is a number from 0, got '-1'; unset it"),
        ('{"children":[[null]]}', "0", "HPC_CHILDREN: child 0: is [list of words or null, object of strings], got"),
        ('{"children":[["a b",{}]]}', "0", "HPC_CHILDREN: child 0: is [list of words or null"),
        ('{"children":[[["a",1],{}]]}', "0", "HPC_CHILDREN: child 0: is [list of words or null"),
        ('{"children":[[null,null]]}', "0", "HPC_CHILDREN: child 0: is [list of words or null"),
        ('{"children":[[null,{"A":1}]]}', "0", "HPC_CHILDREN: child 0: is [list of words or null"),
        ('{"children":[[["\\u0000"],{}]]}', "0", "HPC_CHILDREN: holds what a process can be given, got embedded null"),
        ('{"children":[[["\\ud800"],{}]]}', "0", "HPC_CHILDREN: holds what a process can be given, got 'utf-8' codec"),
        ('{"children":[[null,{"A":"\\u0000"}]]}', "0", "HPC_CHILDREN: holds what a process can be given, got embedded"),
        ('{"children":[[null,{"A=B":""}]]}', "0", "HPC_CHILDREN: holds what a process can be given, got illegal"),
        ('{"children":[[null,{"":""}]]}', "0", "HPC_CHILDREN: holds what a process can be given, got"),
        ('{"from":"bucket/p/","blocks":[]}', "0", """HPC_CHILDREN: "from" is s3://BUCKET/PREFIX/, got 'bucket/p/'"""),
        ('{"from":"s3://bucket/p","blocks":[]}', "0", 'HPC_CHILDREN: "from" is s3://BUCKET/PREFIX/, got'),
        ('{"from":"s3://b/p/","blocks":[]}', "0", """HPC_CHILDREN: "region" is that of the bucket, got None"""),
        ('{"from":"s3://b/p/","region":"r"}', "0", "HPC_CHILDREN: a block holds child 0, got None"),
        ('{"from":"s3://b/p/","region":"r","blocks":[[0,"ab"]]}', "0", 'HPC_CHILDREN: "blocks" ascend and are'),
    ],
)
def test_what_is_wrong_is_said_in_one_line(launcher: Launcher, text: str, index: str, problem: str) -> None:
    """With what was wanted and what came; the program is not started."""
    launched = launcher.launch({"HPC_CHILDREN": text, "AWS_BATCH_JOB_ARRAY_INDEX": index})
    assert launched.exit_code == 78
    assert launched.err.startswith(f"launcher: {problem}")
    assert launched.err.count("\n") == 1


@pytest.mark.parametrize("words", [[], ["x"], ["0", "true"], ["2", "true"], ["-1", "true"], ["²", "true"]])
def test_an_entrypoint_that_does_not_say_what_is_the_programs_is_refused(launcher: Launcher, words: list[str]) -> None:
    """Whether there are children or not: a mistake shows at the first start."""
    code, out, err = finish(launcher.start(words, {}))
    assert (code, out) == (78, "")
    assert err.startswith("launcher: ENTRYPOINT: the number of the program's own words, then those")


def test_a_program_that_does_not_start_has_the_exit_code_of_a_shell(launcher: Launcher) -> None:
    """127 where there is none, 126 where there is one that cannot be executed."""
    absent = finish(launcher.start(["1", "no-such-program"], {}))
    assert absent == (
        127,
        "",
        "launcher: no-such-program: is a program that starts, got 'no such file on PATH'; correct the words\n",
    )
    code, _, err = finish(launcher.start(["1", "./tell.py"], {}))
    assert (code, err) == (
        126,
        "launcher: ./tell.py: is a program that starts, got 'Permission denied'; correct the words\n",
    )
