"""MPI programs as a user runs them: `hpc mpi` and the everyday commands, on the really deployed stacks."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runner.cli.demo_hello import check_hello
from tests.e2e.conftest import CHECKOUT, Shell

HELLO = "mpi/hello.c"
QUICKLY = ("-m", "256")
"""Memory that many nodes find on any machine."""


def job_of(shell: Shell, run: str) -> str:
    """The id of the one job of a run."""
    (task,) = shell.status(run)["tasks"]
    return str(task["job_id"])


def run_of(stderr: str) -> str:
    """The id of the run that a command's talk names."""
    found = re.search(r"^run (\S+): 1 task$", stderr, flags=re.MULTILINE)
    assert found, stderr
    return found[1]


def test_hello_on_three_nodes(shell: Shell) -> None:
    """One command compiles, runs two ranks on each, shows what they say by node, and ends with 0."""
    done = shell.hpc("mpi", "--local", "-n", "3", "-p", "2", HELLO)
    assert check_hello(done.stdout.splitlines()) == {"ranks": 6, "sum": 15}
    assert not [line for line in done.stdout.splitlines() if not line.startswith("node-")]
    assert "SUCCEEDED" in done.stderr
    assert "next: hpc results" not in done.stderr
    job = job_of(shell, run_of(done.stderr))
    assert "node-2 | hello from processor" in shell.hpc("out", "--local", job).stdout
    assert "mpi: the main node has taken this node on" in shell.hpc("out", "--local", f"{job}#1").stdout
    detail = shell.hpc("stat", "--local", job).stdout
    assert "SUCCEEDED" in detail
    assert job in shell.hpc("stat", "--local", "-s", "ALL", "-q", "mpi").stdout


def test_the_same_program_is_sent_once(shell: Shell) -> None:
    """It is found in the bucket by the hash of its bytes."""
    shell.hpc("mpi", "--local", *QUICKLY, "-n", "2", "-p", "1", "mpi/ring.c")
    again = shell.hpc("mpi", "--local", *QUICKLY, "-n", "2", "-p", "1", "mpi/ring.c")
    assert "PASSED" in again.stdout
    assert "uploaded" not in again.stderr


@pytest.mark.parametrize(
    ("options", "code"), [(("--exit-rank", "3", "9"), 9), (("--abort-rank", "2"), 3), (("--exit-rank", "0", "5"), 5)]
)
def test_a_ranks_exit_code_is_the_commands(shell: Shell, options: tuple[str, ...], code: int) -> None:
    """Also where the others wait for it, which MPICH's own mpirun would do for ever."""
    done = shell.hpc("mpi", "--local", *QUICKLY, "-n", "2", "-p", "2", HELLO, *options, code=code)
    assert "PASSED" not in done.stdout
    assert f"exit code {code}" in done.stderr


def test_source_that_does_not_compile(shell: Shell, tmp_path: Path) -> None:
    """The compiler's own words, exit code 2, and which node's end that was."""
    source = tmp_path / "wrong.c"
    source.write_text("#include <mpi.h>\nint main(void) { return nothing; }\n", encoding="utf-8")
    done = shell.hpc("mpi", "--local", *QUICKLY, "-n", "2", "-p", "1", str(source), code=2)
    assert "nothing" in done.stdout
    assert "mpi: wrong.c: does not compile" in done.stderr
    assert "did not compile" in done.stderr


def test_python_with_mpi4py(shell: Shell) -> None:
    """As source that needs no compiler."""
    done = shell.hpc("mpi", "--local", *QUICKLY, "-n", "2", "-p", "2", "mpi/montecarlo_pi.py")
    assert re.search(r"^node-0 \| ranks=4 .*PASSED$", done.stdout, flags=re.MULTILINE)


def test_a_directory_is_built_with_its_makefile(shell: Shell, tmp_path: Path) -> None:
    """With MPI's compilers in the place of its own; what it leaves in results/ is kept."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "Makefile").write_text("greet: greet.c answer.h\n\t$(CC) -o $@ greet.c\n", encoding="utf-8")
    (project / "answer.h").write_text("#define ANSWER 42\n", encoding="utf-8")
    (project / "greet.c").write_text(
        '#include <mpi.h>\n#include <stdio.h>\n#include <sys/stat.h>\n#include "answer.h"\n'
        "int main(int argc, char **argv) {\n  int rank;\n  MPI_Init(&argc, &argv);\n"
        "  MPI_Comm_rank(MPI_COMM_WORLD, &rank);\n"
        '  if (rank == 0) { mkdir("results", 0755); FILE *f = fopen("results/answer.txt", "w");\n'
        '    fprintf(f, "%d %s\\n", ANSWER, argv[1]); fclose(f); }\n'
        "  MPI_Finalize();\n  return 0;\n}\n",
        encoding="utf-8",
    )
    done = shell.hpc("mpi", "--local", *QUICKLY, "-n", "2", "-p", "1", str(project), "greet", "--", "-x")
    run = run_of(done.stderr)
    kept = tmp_path / "kept"
    shell.hpc("results", "--local", run, "--download", str(kept))
    (answer,) = kept.rglob("answer.txt")
    assert answer.read_text(encoding="utf-8") == "42 --\n"


def test_a_job_script_is_submitted_waited_for_and_read(shell: Shell, tmp_path: Path) -> None:
    """As with qsub: it calls mpirun itself, and a second job waits for it."""
    script = tmp_path / "job.sh"
    script.write_text(
        "#!/bin/sh\nset -e\nmpicc -o hello hello.c\nmpirun -np 4 ./hello\nwc -l <$HPC_HOSTFILE\n", encoding="utf-8"
    )
    submitted = shell.json("submit", "--local", *QUICKLY, "-n", "2", "-p", "2", "-w", HELLO, "-c", str(script))
    first = submitted["tasks"][0]["job_id"]
    second = shell.hpc("mpi", "--local", *QUICKLY, "-d", first, "hostname")
    assert "SUCCEEDED" in second.stderr
    printed = shell.hpc("out", "--local", first).stdout
    assert "ranks=4 sum=6 wrong=0 PASSED" in printed
    assert printed.splitlines()[-1] == "2"


def test_a_job_is_killed(shell: Shell) -> None:
    """While a rank hangs: the job fails with the reason given, and nothing of it runs on."""
    options = ("--local", "--json", *QUICKLY, "-n", "2", "-p", "1")
    submitted = json.loads(shell.hpc("submit", *options, HELLO, "--hang-rank", "1").stdout)
    job = submitted["tasks"][0]["job_id"]
    deadline = time.monotonic() + 60
    while "hello from processor" not in shell.hpc("out", "--local", job).stdout:
        assert time.monotonic() < deadline
    shell.hpc("kill", "--local", job, "-r", "seen enough")
    while "FAILED" not in (detail := shell.hpc("stat", "--local", job).stdout):
        assert time.monotonic() < deadline
    assert "seen enough" in detail


@pytest.mark.parametrize(
    ("entry", "arguments", "expected"),
    [
        ("awsbstat", ("--local", "-s", "ALL"), "queue"),
        ("awsbqueues", ("--local",), "mpi"),
        ("awsbhosts", ("--local",), ""),
    ],
)
def test_the_old_names_list_what_there_is(shell: Shell, entry: str, arguments: tuple[str, ...], expected: str) -> None:
    """With the same options and exit codes as `hpc`."""
    assert expected in called(shell, entry, *arguments)


def test_the_old_names_submit_read_and_end_a_job(shell: Shell) -> None:
    """As they stood in people's scripts."""
    job = called(shell, "awsbsub", "--local", *QUICKLY, "-n", "2", "-p", "1", "-jn", "old", HELLO, "--hang-rank", "1")
    job = job.strip()
    deadline = time.monotonic() + 60
    while "rank 0 has the number 42" not in called(shell, "awsbout", "--local", job):
        assert time.monotonic() < deadline
    called(shell, "awsbkill", "--local", job)
    while "FAILED" not in called(shell, "awsbstat", "--local", job):
        assert time.monotonic() < deadline


def called(shell: Shell, entry: str, *arguments: str) -> str:
    """What a command of an old name says on stdout; it must succeed."""
    script = f"from runner.cli.awsbatch_names import {entry}; {entry}()"
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=CHECKOUT,
        env=shell.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_workflow_simulates_with_mpi_and_analyses_with_containers(shell: Shell) -> None:
    """examples/heat.yaml as it stands: a map over the bands of the field, a reduction, and all numbers fit."""
    run = shell.json("run", "--local", "examples/heat.yaml")
    assert run["status"] == "SUCCEEDED"
    assert {task["status"] for task in run["tasks"]} == {"SUCCEEDED"}
    kept = shell.home / "heat"
    shell.hpc("results", "--local", run["run"], "--download", str(kept))
    (field,) = kept.rglob("field.json")
    assert json.loads(field.read_text(encoding="utf-8"))["count"] == 4096


def test_nodes_that_no_instance_holds_are_refused(shell: Shell) -> None:
    """Before anything is sent."""
    done = shell.hpc("mpi", "--local", "-n", "2", "-v", "64", HELLO, code=2)
    assert "c6i.large" in done.stderr
    done = shell.hpc("mpi", "--local", "-n", "500", HELLO, code=2)
    assert "500" in done.stderr
