"""`hpc mpi` and `hpc submit`: the program's output and exit code, what is shipped, what is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from runner.ledger import find
from tests.runner.fake_aws import FakeLogs, deployed_batch
from tests.runner.fake_batch import FakeBatch
from tests.runner.shell import Shell

JOB = "00000000-0000-4000-8000-000000000001"
MAIN = "program/default/0001-1-0"
"""The main node's log stream in the first job's first attempt."""

HELLO = ("node-1 | hello from rank 0 of 4", "node-2 | hello from rank 2 of 4")


@pytest.fixture
def user(shell: Shell) -> Shell:
    """With a program in hello.c, which says hello where it runs."""
    Path("hello.c").write_text("int main(void) { return 0; }\n")
    shell.clients.logs = FakeLogs({MAIN: list(HELLO)})
    return shell


def sent(batch: FakeBatch) -> dict[str, Any]:
    """What the only job's main range is overridden with."""
    (job,) = [job.detail for job_id, job in batch.jobs.items() if "#" not in job_id]
    nodes: dict[str, Any] = job["nodeProperties"]
    return {"nodes": nodes["numNodes"], **nodes["nodeRangeProperties"][0]["container"], **job}


def test_a_program_is_shipped_run_and_its_output_passed_on(user: Shell) -> None:
    """Output and nothing else on stdout; changes of state, and how it ended, on stderr; exit code 0."""
    result = user("mpi", "--local", "-n", "2", "-p", "2", "hello.c", "-n", "7")
    assert result.stdout.splitlines() == list(HELLO)
    assert re.search(
        r"^hello-\d{8}-\d{6}-[0-9a-f]{6}: SUCCEEDED after .* \(1 SUCCEEDED\)$", result.stderr, re.MULTILINE
    )
    said = re.findall(r"^\d\d:\d\d:\d\d hello (\w+)", result.stderr, re.MULTILINE)
    assert (said[:2], said[-1]) == (["RUNNABLE", "STARTING"], "SUCCEEDED")
    assert re.search(r"uploaded \d+ bytes to s3://bucket/programs/", result.stderr)
    job = sent(user.clients.batch)
    key = user.clients.s3.puts[0]
    command = job["command"]
    assert command[:4] == ["--bundle", f"s3://bucket/{key}", "-p", "2"]
    assert command[command.index("--") :] == ["--", "hello.c", "-n", "7"]
    assert job["nodes"] == 2


def test_it_is_a_run_that_other_commands_know(user: Shell) -> None:
    """Status, logs and report; a second run of the same program uploads nothing."""
    user("mpi", "--local", "-n", "2", "hello.c")
    run = find(user.home, None).read()
    assert list(run.positions) == ["hello"]
    assert "SUCCEEDED" in user("status").stdout
    assert user("logs", "hello").stdout.splitlines() == list(HELLO)
    assert user("report").stdout.strip().endswith("report.html")
    assert "uploaded" not in user("mpi", "hello.c").stderr
    assert len([key for key in user.clients.s3.puts if key.startswith("programs/")]) == 1


def test_lines_are_passed_on_while_the_job_runs(user: Shell) -> None:
    """What comes late comes late, in order, and once."""
    streams: dict[str, list[str]] = {}
    user.clients.logs = FakeLogs({})
    user.clients.logs.streams = streams
    batch = user.clients.batch
    describe = batch.describe_jobs
    seen: list[tuple[str, int]] = []

    def describe_and_print(**request: Any) -> Any:
        answer = describe(**request)
        status = batch.jobs[JOB].detail["status"]
        if status == "RUNNING":
            streams.setdefault(MAIN, []).append(f"line {len(streams.get(MAIN, []))}")
        if status == "SUCCEEDED" and len(seen) == 0:
            streams[MAIN].append("last words")
        seen.extend([(status, len(streams.get(MAIN, [])))] if status == "SUCCEEDED" else [])
        return answer

    batch.describe_jobs = describe_and_print  # type: ignore[method-assign]
    output = user("mpi", "--local", "hello.c").stdout.splitlines()
    assert output[-1] == "last words"
    assert output[:-1] == [f"line {number}" for number in range(len(output) - 1)]
    assert len(output) > 1


@pytest.mark.parametrize("code", [3, 69, 137, 255])
def test_the_programs_exit_code_is_the_commands(user: Shell, code: int) -> None:
    """With a report of the main node first, then of each other node that failed."""
    user.clients.batch = deployed_batch({"-hello": [code]})
    user.clients.batch.node_exit_codes = {1: 9, 2: 0}
    user.clients.logs.streams["program/default/0001-1-1"] = ["mpi: lost the main node"]
    result = user("mpi", "--local", "-n", "4", "hello.c", code=code)
    assert result.stdout.splitlines()[:2] == list(HELLO)
    report = result.stderr[result.stderr.index("hello failed: ") :].splitlines()
    assert report[0].startswith(f"hello failed: exit code {code}")
    assert "  node 0 is the main node, whose end is the job's" in report
    assert report.index(f"    | {HELLO[1]}") < report.index(f"    id {JOB}#1")
    assert f"  ended as the main node did: {JOB}#3" in report
    assert "    | mpi: lost the main node" in report
    assert f"{JOB}#2" not in "".join(report)
    assert "did not compile" not in result.stderr


def test_a_program_that_does_not_compile_is_exit_code_2_and_said_in_a_line(user: Shell) -> None:
    """Under what the compiler printed."""
    user.clients.batch = deployed_batch({"-hello": [2]})
    lines = ["hello.c:1:1: error: unknown type name 'imt'", "mpi: hello.c: does not compile: `mpicc` ended with 1"]
    user.clients.logs = FakeLogs({MAIN: lines})
    result = user("mpi", "--local", "hello.c", code=2)
    assert result.stdout.splitlines() == lines[:1]
    assert lines[1] in result.stderr.splitlines()
    assert result.stderr.splitlines()[-1] == "hello: did not compile; the compiler's output is above"


def test_another_attempt_is_told_and_its_output_follows(user: Shell) -> None:
    """The last attempt's exit code counts."""
    user.clients.batch = deployed_batch({"-hello": [1, 5]})
    user.clients.logs.streams["program/default/0001-2-0"] = ["again"]
    result = user("mpi", "--local", "hello.c", code=5)
    assert result.stdout.splitlines()[:3] == [*HELLO, "again"]
    assert "--- attempt 2" in result.stderr


def test_with_json_the_output_stands_beside_the_talk(user: Shell) -> None:
    """Stdout is one document."""
    result = user("--json", "mpi", "--local", "hello.c")
    assert json.loads(result.stdout)["tasks"][0]["status"] == "SUCCEEDED"
    assert HELLO[0] in result.stderr


def test_a_blocked_job_says_why(user: Shell) -> None:
    """And Ctrl-C without a terminal leaves it, with exit code 130."""
    batch = user.clients.batch
    batch.stuck["-hello"] = "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - too small"
    describe = batch.describe_jobs

    def interrupted(**request: Any) -> Any:
        if batch.calls.count("DescribeJobs") == 2:
            raise KeyboardInterrupt
        return describe(**request)

    batch.describe_jobs = interrupted  # type: ignore[method-assign]
    result = user("mpi", "--local", "hello.c", code=130)
    assert "hello RUNNABLE  blocked: MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - too small" in result.stderr
    assert "its jobs run on; pick it up again with: hpc status hello-" in result.stderr


def test_what_ends_without_an_exit_code_is_exit_code_1(user: Shell) -> None:
    """Terminated before it began, for instance."""
    batch = user.clients.batch
    batch.after_submit = lambda _request: None
    run_id = user("mpi", "--detach", "hello.c").stdout.strip()
    user("cancel", run_id)
    assert "stopped: Cancelled with hpc" in user("status", run_id, code=1).stdout


def test_options_reach_the_request(user: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every one of them; a dollar stays a dollar."""
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    earlier = user("submit", "hello.c").stdout.strip()
    Path("data.txt").write_text("1\n")
    options = ["-n", "2", "-p", "1", "-w", "data.txt", "--flags", "-O3 -DX=$X", "-d", f"jobId={earlier}", "-q", "ec2"]
    options += ["-v", "4", "-m", "512", "-e", "OMP_NUM_THREADS", "-e", "A=${b}", "-t", "60", "-jn", "mine"]
    options += ["--label", "none", "--on-main"]
    document = json.loads(user("--json", "mpi", *options, "--dry-run", "hello.c", "$HOME").stdout)
    (request,) = document["requests"]
    assert re.fullmatch(r"mine-\d{8}-\d{6}-[0-9a-f]{6}-hello", request["jobName"])
    assert request["jobQueue"].endswith("job-queue/ec2-queue")
    assert request["dependsOn"] == [{"jobId": earlier}]
    assert request["timeout"] == {"attemptDurationSeconds": 60}
    (nodes,) = request["nodeOverrides"]["nodePropertyOverrides"]
    overrides = nodes["containerOverrides"]
    assert overrides["environment"] == [{"name": "OMP_NUM_THREADS", "value": "4"}, {"name": "A", "value": "${b}"}]
    assert [entry["value"] for entry in overrides["resourceRequirements"]] == ["4", "512"]
    command = overrides["command"][2:]
    assert command[:4] == ["-p", "1", "--label", "none"]
    assert command[5].endswith("/hello/")
    assert command[6:] == ["--flags=-O3 -DX=$X", "--on-main", "--", "hello.c", "$HOME"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["mpi", "no/hello.c"], "hpc: PROGRAM: is a file or directory here, or the bare name or absolute path"),
        (["mpi", "-w", "a", "-w", "b", "hello.c"], "hpc: --files: is a file or directory here, got 'a'"),
        (["mpi", "folder"], "hpc: PROGRAM: a directory that is shipped holds files, got none in 'folder'"),
        (["mpi", "full"], "hpc: PROGRAM: the first argument after a directory names the program in it, got none"),
        (["mpi", "full", "b.c"], "hpc: ARGS: the first argument after a directory names a program in it, got 'b.c'"),
        (["mpi", "--gpus", "2", "hello.c"], "can hold a job of 1 node, each of 2 vCPUs and 2048 MiB, 2 GPUs, got none"),
        (["mpi", "--gpus", "0", "hello.c"], "0 is not in the range x>=1"),
        (["mpi", "-n", "0", "hello.c"], "0 is not in the range 1<=x<=1000"),
        (["mpi", "-n", "1001", "hello.c"], "1001 is not in the range 1<=x<=1000"),
        (["mpi", "-t", "59", "hello.c"], "59 is not in the range 60<=x<=2147483647"),
        (
            ["mpi", "-n", "5", "hello.c"],
            "hpc: hpc mpi: some compute environment of queue 'mpi' can hold a job of 5 nodes",
        ),
        (
            ["mpi", "-d", "N_TO_N", "hello.c"],
            "--depends-on: is the id of a job, got 'N_TO_N': in Batch only array jobs",
        ),
        (["mpi", "-d", f"jobId={JOB},type=SEQUENTIAL", "hello.c"], "got 'type=SEQUENTIAL': in Batch only array jobs"),
        (["mpi", "-d", "", "hello.c"], "hpc: --depends-on: is the id of a job, got ''; give one, or leave the option"),
        (["mpi", "--report", "", "hello.c"], "hpc: --report: is the file to write, got '.', which is a directory"),
        (["mpi", "--report", "hello.c/r.html", "hello.c"], "--report: is a file that can be written, got 'hello.c/r"),
        (["mpi", "-t", "99999999999", "hello.c"], "99999999999 is not in the range 60<=x<=2147483647"),
        (["mpi", "--flags", '-O3 "x', "hello.c"], "is quoted as in a shell, and this is not (No closing quotation)"),
        (["mpi", "-d", "after=x", "hello.c"], "--depends-on: is the id of a job, got 'after=x'; write ID, or jobId=ID"),
        (["mpi", "-d", "17", "hello.c"], "hpc: --depends-on: is the id of a job, 36 characters"),
        (["mpi", "-d", JOB, "hello.c"], "hpc: --depends-on: is the id of a job that Batch knows"),
        (["mpi", "-e", "NOT_SET_HERE", "hello.c"], "--env NOT_SET_HERE: takes the variable of this shell"),
        (["mpi", "-e", "API_TOKEN=abcdef", "hello.c"], "hpc: --env API_TOKEN: a request carries no credential"),
        (["mpi", "-e", "AWS_BATCH_X=1", "hello.c"], "--env AWS_BATCH_X: a variable's name is not empty"),
        (["mpi", "-jn", "a b", "hello.c"], "hpc: --job-name: a name is 1 to 36 letters"),
        (["mpi", "hello.c", ""], "hpc: ARGS: Batch takes no empty string in a command"),
        (["mpi", "-q", "nowhere", "hello.c"], "names a job queue of the deployment or of Batch, got 'nowhere'"),
        (["mpi", "--detach", "--report", "r", "hello.c"], "--report: needs the run's end, got --detach"),
        (["mpi"], "Missing argument 'PROGRAM'"),
        (["submit"], "COMMAND: names what is to run, got none; give it, or a job script with -c SCRIPT"),
        (["submit", "-c", "job.sh"], "hpc: PROGRAM: is a file or directory here"),
        (["submit", "-c", "job"], "--script: is a file here, got 'job', which is not there; check the path"),
        (["submit", "-cf", "hostname"], "--command-file: is a file here, got 'hostname', which is not there"),
    ],
)
def test_wrong_input_is_exit_code_2_and_nothing_is_sent(
    user: Shell, arguments: list[str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The option, the rule, the value got and what to do; not even a program is uploaded."""
    monkeypatch.delenv("NOT_SET_HERE", raising=False)
    Path("folder").mkdir()
    Path("full").mkdir()
    Path("full/a.c").write_text("//\n")
    result = user(*arguments, code=2)
    assert expected in result.stderr
    assert result.stdout == ""
    assert user.clients.batch.jobs == {}
    assert user.clients.s3.puts == []


def test_a_dry_run_sends_nothing(user: Shell) -> None:
    """Neither job nor program."""
    result = user("mpi", "--dry-run", "-n", "2", "hello.c")
    assert "hello  (mpi on mpi, 2 nodes)" in result.stdout
    assert (user.clients.batch.jobs, user.clients.s3.puts) == ({}, [])


@pytest.mark.parametrize(
    ("words", "end"),
    [
        (["-c", "job.sh", "1"], ["--on-main", "--", "job.sh", "1"]),
        (["-cf", "job.sh", "1"], ["--", "job.sh", "1"]),
        (["--on-main", "job.sh", "-c"], ["--on-main", "--", "job.sh", "-c"]),
        (["full", "a.c", "x"], ["--", "a.c", "x"]),
        (["hostname", "-f"], ["--", "hostname", "-f"]),
    ],
)
def test_submit_says_the_jobs_id_and_leaves(user: Shell, words: Sequence[str], end: Sequence[str]) -> None:
    """Scripts with -c run once; exit code 0 though nothing has run yet."""
    Path("job.sh").write_text("mpirun ./solver\n")
    Path("full").mkdir()
    Path("full/a.c").write_text("//\n")
    result = user("submit", "-n", "2", *words)
    assert result.stdout == f"{JOB}\n"
    assert sent(user.clients.batch)["command"][-len(end) :] == end
    assert "see it with: hpc status" in result.stderr
    assert ("hostname: is not here; the image's own is run" in result.stderr) == (words[0] == "hostname")


def test_what_submit_says_as_a_document(user: Shell) -> None:
    """The run, with its job."""
    document = json.loads(user("--json", "submit", "hello.c").stdout)
    assert [task["job_id"] for task in document["tasks"]] == [JOB]


def test_a_job_that_waits_for_another_starts_when_that_has_succeeded(user: Shell) -> None:
    """Whatever run the other is of, and not at all where it has failed."""
    first = user("submit", "hello.c").stdout.strip()
    user.clients.logs.streams["program/default/0002-1-0"] = ["second"]
    user("mpi", "-d", first, "hello.c")
    assert user.clients.batch.jobs[first].detail["status"] == "SUCCEEDED"
    user.clients.batch.exit_codes = {"-hello": [3]}
    failing = user("submit", "hello.c").stdout.strip()
    user("status", "--follow", code=1)
    assert f"got '{failing}', which FAILED" in user("mpi", "-d", failing, "hello.c", code=2).stderr
