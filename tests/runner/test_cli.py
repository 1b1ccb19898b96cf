"""The command line: exit codes, voices, options before and behind, documents."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from deployment_outputs import IMAGE_URIS
from runner.cli import COMMANDS, hpc
from runner.ledger import find
from tests.runner.fake_aws import FakeCloudFormation, FakeLogs, FakeS3, deployed_batch
from tests.runner.shell import Shell

CHECKOUT = Path(__file__).resolve().parents[2]
WORKFLOW = "name: w\ndefaults: {job_definition: dopi, queue: high}\ntasks: {a: {}, b: {needs: [a]}}\n"


def commands(group: click.Group, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command below a group."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)


ALL_COMMANDS = dict(commands(hpc))


def test_a_run_is_submitted_followed_and_told(shell: Shell) -> None:
    """Data on stdout, talk on stderr, exit code 0."""
    result = shell("run", "w.yaml", "--local")
    assert re.fullmatch(r"w-\d{8}-\d{6}-[0-9a-f]{6}: SUCCEEDED after .* \(2 SUCCEEDED\)\n", result.stdout)
    assert "2 tasks" in result.stderr
    assert "next: hpc results w-" in result.stderr


def test_a_failed_task_is_exit_code_1_with_its_report(shell: Shell) -> None:
    """Still one JSON document on stdout, and the page that was asked for."""
    shell.clients.batch = deployed_batch({"-a": [3]})
    result = shell("run", "w.yaml", "--local", "--json", "--report", "out/r.html", code=1)
    document = json.loads(result.stdout)
    assert (document["status"], [task["status"] for task in document["tasks"]]) == ("FAILED", ["FAILED", "NOT RUN"])
    assert document["tasks"][0]["exit_code"] == 3
    assert "a failed: exit code 3" in result.stderr
    assert "b: not run: its dependency a failed" in result.stderr
    assert Path("out/r.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("run", "none.yaml"), "none.yaml: a workflow file is read here, got No such file"),
        (("run", "w.yaml", "--set", "x"), "--set: is NAME=VALUE, got 'x'; add the value"),
        (("run", "w.yaml", "--set", "x=1"), "--set: changes a variable that the workflow declares"),
        (("run", "w.yaml", "--detach", "--report", "r"), "--report: needs the run's end, got --detach"),
        (("run", "-"), "<stdin>: a workflow has a name and tasks, got nothing"),
        (("run", "big.yaml"), "a job of 64 vCPUs and 2048 MiB, got none"),
        (("status",), ".hpc/runs: holds the runs of this directory, got none"),
        (("status", "nothing"), "RUN: is the id of a run in .hpc/runs"),
        (("logs", "00000000-0000-4000-8000-000000000001"), "is one that Batch knows in eu-central-1, got no answer"),
        (("images", "list", "--root", "."), "an image's folder holds a Dockerfile, got none"),
        (("run", "w.yaml", "--bogus"), "No such option"),
        (("nonsense",), "No such command 'nonsense'"),
    ],
)
def test_wrong_input_is_exit_code_2_and_nothing_is_submitted(
    shell: Shell, arguments: tuple[str, ...], expected: str
) -> None:
    """With a message and without a traceback."""
    Path("big.yaml").write_text(WORKFLOW.replace("a: {}", "a: {vcpus: 64}"))
    result = shell(*arguments, code=2)
    assert expected in result.stderr
    assert result.stdout == ""
    assert shell.clients.batch.jobs == {}


def test_no_deployment_is_exit_code_2(shell: Shell) -> None:
    """The command to make one is in the message."""
    shell.clients.cloudformation = FakeCloudFormation(None)
    assert "deploy it with: hpc deploy --local" in shell("run", "w.yaml", "--local", code=2).stderr


@pytest.mark.parametrize("arguments", [("--local", "--json", "run", "w.yaml"), ("run", "--json", "w.yaml", "--local")])
def test_common_options_stand_before_or_behind(shell: Shell, arguments: tuple[str, ...]) -> None:
    """The same run, remembered as local."""
    assert json.loads(shell(*arguments).stdout)["status"] == "SUCCEEDED"
    assert find(shell.home, None).read().target.local


def test_a_detached_run_is_picked_up_by_other_commands(shell: Shell) -> None:
    """Its id is all that is on stdout; status follows it to its end, runs lists it, cancel finds nothing left."""
    run_id = shell("run", "w.yaml", "--detach").stdout.strip()
    status = shell.document("status")
    assert (status["run"], status["status"]) == (run_id, "RUNNING")
    assert "RUNNING" in shell("status", run_id).stdout
    assert shell.document("status", run_id, "--follow")["status"] == "SUCCEEDED"
    assert [entry["run"] for entry in shell.document("runs")["runs"]] == [run_id]
    assert shell("runs").stdout.rstrip().endswith("SUCCEEDED")
    assert shell("runs", "--local").stdout == ""
    assert shell.document("cancel", run_id)["terminated"] == []


def test_cancel_ends_a_run(shell: Shell) -> None:
    """And status is 1 from then on."""
    run_id = shell("run", "w.yaml", "--detach").stdout.strip()
    assert shell.document("cancel", run_id[:4])["terminated"] == ["a", "b"]
    assert "stopped: Cancelled with hpc" in shell("status", code=1).stdout


def test_a_run_on_aws_is_not_looked_for_on_the_local_cloud(shell: Shell) -> None:
    """The option contradicts what the ledger knows."""
    run_id = shell("run", "w.yaml", "--detach").stdout.strip()
    assert "which runs on AWS; leave it out" in shell("status", run_id, "--local", code=2).stderr
    assert "got none" in shell("status", "--local", code=2).stderr


def test_a_dry_run_shows_the_requests_and_sends_none(shell: Shell) -> None:
    """Not even a ledger is begun."""
    document = shell.document("run", "w.yaml", "--dry-run")
    assert [request["jobName"].rsplit("-", 1)[1] for request in document["requests"]] == ["a", "b"]
    first = document["requests"][0]["jobName"]
    assert document["requests"][1]["dependsOn"] == [{"jobId": f"<id of {first}>"}]
    assert shell.clients.batch.jobs == {}
    assert not (shell.home / "runs").exists()


def test_a_workflow_can_come_down_a_pipe(shell: Shell) -> None:
    """`python make_workflow.py | hpc run -`."""
    assert shell.document("run", "-", standard_input=WORKFLOW)["status"] == "SUCCEEDED"


def test_logs_of_a_task_of_the_newest_run_and_of_any_job(shell: Shell) -> None:
    """What the program printed on stdout, nothing else."""
    run = shell.document("run", "w.yaml")
    job = run["tasks"][0]
    shell.clients.logs = FakeLogs({job["log_stream"]: ["one", "two"]})
    for arguments in ((run["run"], "a"), ("a",), (job["job_id"],), ("a", "-f"), ("a", "--attempt", "1")):
        assert shell("logs", *arguments).stdout == "one\ntwo\n"
    assert [line["text"] for line in shell.document("logs", "a")["lines"]] == ["one", "two"]
    assert "has printed nothing" in shell("logs", "b").stderr
    assert "names a task of run" in shell("logs", run["run"], "zzz", code=2).stderr


def test_tasks_of_an_array_are_found_by_their_names(shell: Shell) -> None:
    """Each in --json with its child of the array, its output by hpc logs; one row for all in hpc status."""
    Path("many.yaml").write_text(
        "name: w\ndefaults: {job_definition: dopi, queue: high}\n"
        "tasks: {a: {foreach: {n: [1, 2, 3]}}, b: {needs: [a]}}\n"
    )
    shell.clients.batch = deployed_batch({"-a:1": [3]})
    run = shell.document("run", "many.yaml", code=1)
    tasks = {task["task"]: task for task in run["tasks"]}
    assert {name: task["status"] for name, task in tasks.items()} == {
        "a-1": "SUCCEEDED",
        "a-2": "FAILED",
        "a-3": "SUCCEEDED",
        "b": "NOT RUN",
    }
    assert tasks["a-2"]["job_id"].endswith(":1")
    assert (tasks["b"]["needs"], tasks["b"]["note"]) == (["a"], "not run: its dependency a-2 failed")
    assert [(group["group"], group["tasks"], group["counts"]) for group in run["groups"]] == [
        ("a", 3, {"SUCCEEDED": 2, "FAILED": 1}),
        ("b", 1, {"NOT RUN": 1}),
    ]
    shell.clients.logs = FakeLogs({task["log_stream"]: [name] for name, task in tasks.items() if task["log_stream"]})
    for name in ("a-1", "a-2"):
        assert shell("logs", name).stdout == f"{name}\n"
    assert re.search(r"^a +2 of 3 SUCCEEDED, 1 FAILED", shell("status", code=1).stdout, re.MULTILINE)
    assert "2 of 4 tasks failed" in shell("runs").stdout


def test_what_waits_for_others_to_end_is_sent_by_whoever_follows(shell: Shell) -> None:
    """Though one of them failed, which it may; a detached run goes on when somebody looks at it to its end."""
    Path("last.yaml").write_text(
        "name: w\ndefaults: {job_definition: dopi, queue: high}\n"
        "tasks: {a: {allow_failure: true}, b: {needs: [a]}, c: {finally: true}}\n"
    )
    shell.clients.batch = deployed_batch({"-a": [3]})
    run = shell.document("run", "last.yaml")
    assert run["counts"] == {"SUCCEEDED": 2, "FAILED (allowed)": 1}
    shell.clients.batch = deployed_batch({"-a": [3]})
    detached = shell("run", "last.yaml", "--detach")
    assert "are submitted by whoever follows the run" in detached.stderr
    for _ in range(8):
        status = shell.document("status")
    assert status["counts"] == {"FAILED (allowed)": 1, "NOT SUBMITTED": 2}
    assert shell.document("status", "--follow")["counts"] == run["counts"]


def test_results_are_listed_and_downloaded(shell: Shell) -> None:
    """Those under the run's prefix."""
    run = shell.document("run", "w.yaml")
    shell.clients.s3 = FakeS3({f"{run['prefix']}a.txt": b"pi", "results/other.txt": b""})
    assert shell("results").stdout == f"           2  s3://bucket/{run['prefix']}a.txt\n"
    document = shell.document("results", run["run"], "--download", "out")
    assert document["objects"] == [{"key": f"{run['prefix']}a.txt", "size_bytes": 2, "path": "out/a.txt"}]
    assert Path("out/a.txt").read_bytes() == b"pi"


def test_a_report_is_written_beside_the_ledger_or_where_it_is_wanted(shell: Shell) -> None:
    """Its path is the data."""
    run = shell.document("run", "w.yaml")
    path = shell("report").stdout.strip()
    assert Path(path) == Path(".hpc") / "runs" / run["run"] / "report.html"
    assert run["run"] in Path(path).read_text()
    assert shell.document("report", run["run"], "-o", "x.html")["report"] == "x.html"


def test_images_are_listed_and_what_would_be_pushed_is_shown(shell: Shell) -> None:
    """Without an engine, without a login."""
    values = dict(shell.clients.cloudformation.outputs or {})
    folder = str(CHECKOUT / "containers")
    from image_tags import image_tag  # noqa: PLC0415 - one test's

    for name, key in IMAGE_URIS.items():
        values[key] = f"registry/{name}:{image_tag(Path(folder) / name)}"
    shell.clients.cloudformation = FakeCloudFormation(values)
    pushed = [image["pushed"] for image in shell.document("images", "list", "--root", folder)["images"]]
    assert pushed == [False] * len(IMAGE_URIS)
    lines = shell("images", "push", "--root", folder, "--dry-run").stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [["docker", "build"], ["docker", "push"]] * len(IMAGE_URIS)


def test_ctrl_c_without_a_terminal_leaves_the_jobs_and_says_how_to_go_on(shell: Shell) -> None:
    """Exit code 130; nothing is cancelled."""
    batch = shell.clients.batch
    describe = batch.describe_jobs
    calls: list[None] = []

    def interrupted(**request: Any) -> Any:
        calls.append(None)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return describe(**request)

    batch.describe_jobs = interrupted  # type: ignore[method-assign]
    result = shell("run", "w.yaml", "--local", code=130)
    assert "its jobs run on; pick it up again with: hpc status w-" in result.stderr
    assert not any(call.startswith("TerminateJob") for call in batch.calls)
    assert shell.document("status", "--follow")["status"] == "SUCCEEDED"


def test_ctrl_c_during_submission_says_what_was_submitted(shell: Shell) -> None:
    """And how to end it."""

    def interrupt(request: dict[str, Any]) -> None:
        if request["jobName"].endswith("-b"):
            raise KeyboardInterrupt

    shell.clients.batch.before_submit = interrupt
    result = shell("run", "w.yaml", code=130)
    assert re.search(
        r"interrupted: 1 of 2 jobs are submitted and run on; go on with: hpc resume w-.*hpc cancel w-", result.stderr
    )


def test_an_error_of_aws_is_a_sentence_and_exit_code_1(shell: Shell) -> None:
    """As with expired credentials half-way."""

    class Refusing(FakeCloudFormation):
        def describe_stacks(self, **request: Any) -> dict[str, Any]:
            from tests.runner.fake_batch import client_error  # noqa: PLC0415 - one test's

            raise client_error("ExpiredToken", "The security token is expired", "DescribeStacks")

    shell.clients.cloudformation = Refusing(None)
    assert shell("run", "w.yaml", code=1).stderr == "hpc: DescribeStacks: ExpiredToken: The security token is expired\n"


@pytest.mark.parametrize("path", ALL_COMMANDS, ids=" ".join)
def test_every_command_has_help_and_documentation(path: tuple[str, ...]) -> None:
    """Its own first sentence, help for every option, a mention in the documents."""
    command = ALL_COMMANDS[path]
    assert command.help
    assert command.help.split("\n")[0].endswith((".", ":"))
    assert [
        option.name
        for option in command.params
        if isinstance(option, click.Option) and not (option.help or option.hidden)
    ] == []
    documents = [CHECKOUT / "README.md", *(CHECKOUT / "docs").glob("*.md")]
    text = "\n".join(document.read_text() for document in documents)
    mentioned = re.search(rf"hpc {' '.join(path)}\b", text) or re.search(rf"hpc {path[0]}\b[^\n]*`{path[-1]}`", text)
    if path == ("demo",):
        # `make demo` sets up what it needs and calls it.
        mentioned = re.search(r"make demo\b", text)
    mentioned = mentioned or re.search(rf"hpc \w+`(?:, `\w+`)*, `{path[-1]}`", text)
    assert mentioned, f"hpc {' '.join(path)} is in no document"


def test_the_list_of_commands_says_what_the_commands_say() -> None:
    """It is kept beside them so that help imports nothing."""
    for name, (_, text) in COMMANDS.items():
        command = ALL_COMMANDS[(name,)]
        assert command.help is not None
        paragraph = " ".join(command.help.split("\n\n")[0].split())
        assert paragraph.startswith(text.removesuffix(".")), name


def test_help_is_quick_and_imports_nothing_heavy() -> None:
    """boto3, networkx, pydantic and rich wait for a command that needs them."""
    code = "import sys\nfrom runner.cli import hpc\ntry:\n    hpc.main(['--help'])\nexcept SystemExit:\n    pass\n"
    code += "print(sorted({'boto3', 'botocore', 'networkx', 'pydantic', 'rich', 'jinja2'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert "Exit codes: 0 done; 1 a job failed" in " ".join(done.stdout.split())


def test_the_module_is_the_command(tmp_path: Path) -> None:
    """`python -m runner` in another directory, as a process: exit code 2, one line, no traceback."""
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "runner", "run", "none.yaml", "--local"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(CHECKOUT), "HPC_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr == "hpc: none.yaml: a workflow file is read here, got No such file or directory; check the path\n"
    )
    assert time.monotonic() - started < 30
