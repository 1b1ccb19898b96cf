"""`hpc stat`: lists of jobs, and jobs in detail."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import click
import pytest

from runner import job_listing
from runner.cli import hpc
from runner.cli.text_table import text_table
from runner.job_particulars import particulars
from tests.runner.fake_aws import FakeCloudFormation
from tests.runner.fake_batch import arn
from tests.runner.shell import Shell
from tests.runner.told_jobs import attempt, container, described, hello, id_of, sweep

STUCK = "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - CE(s) cannot meet the CPU requirement of the job."


def golden(text: str) -> str:
    """An expected output, as it stands indented in a test."""
    return textwrap.dedent(text).lstrip("\n")


def test_the_list_is_what_has_not_ended_in_the_order_of_a_jobs_life(shell: Shell) -> None:
    """Of two in one state the one that was started last comes last; every queue of the deployment is asked."""
    batch = shell.clients.batch
    for number, status, started in ((1, "RUNNING", 2_000_000), (2, "RUNNING", 1_000_000), (3, "SUCCEEDED", 1_000)):
        described(batch, id_of(number), status, jobName=f"job-{number}", startedAt=started)
    described(batch, id_of(4), "SUBMITTED", jobName="new", jobQueue=arn("job-queue", "high-queue"), startedAt=0)
    sweep(batch)
    hello(batch)
    assert shell("stat").stdout == golden(
        """
        job                                       name   queue  status     started (UTC)        stopped (UTC)  exit
        00000004-0000-4000-8000-000000000000      new    high   SUBMITTED
        000a55a5-0000-4000-8000-000000000000 [4]  sweep  ec2    PENDING
        00000002-0000-4000-8000-000000000000      job-2  ec2    RUNNING    1970-01-01 00:16:40
        0003e110-0000-4000-8000-000000000000 *3   hello  ec2    RUNNING    1970-01-01 00:16:40
        00000001-0000-4000-8000-000000000000      job-1  ec2    RUNNING    1970-01-01 00:33:20
        """
    )


def test_children_and_nodes_follow_their_job_when_they_are_asked_for(shell: Shell) -> None:
    """Those in the states that are listed."""
    sweep(shell.clients.batch)
    hello(shell.clients.batch)
    assert shell("stat", "-e", "-s", "running,failed", "-s", "PENDING").stdout == golden(
        """
        job                                       name   queue  status   started (UTC)        stopped (UTC)        exit
        000a55a5-0000-4000-8000-000000000000 [4]  sweep  ec2    PENDING
        000a55a5-0000-4000-8000-000000000000:1    sweep  ec2    FAILED   1970-01-01 00:16:40  1970-01-01 00:50:00  3     exit code 3
        000a55a5-0000-4000-8000-000000000000:2    sweep  ec2    RUNNING  1970-01-01 00:33:20
        0003e110-0000-4000-8000-000000000000 *3   hello  ec2    RUNNING  1970-01-01 00:16:40
        0003e110-0000-4000-8000-000000000000#0    hello  ec2    RUNNING  1970-01-01 00:16:40                             main node
        0003e110-0000-4000-8000-000000000000#1    hello  ec2    RUNNING  1970-01-01 00:16:40
        """  # noqa: E501 - a pipe has no width to fold to
    )


def test_a_list_is_read_to_its_last_page(shell: Shell) -> None:
    """ListJobs gives a token as long as there is more; children come in pages, too."""
    batch = shell.clients.batch
    batch.page = 2
    for number in range(7):
        described(batch, id_of(number), "RUNNABLE", jobName=f"j{number}")
    whole = id_of(99)
    described(batch, whole, "PENDING", arrayProperties={"size": 12, "statusSummary": {}})
    for index in range(12):
        described(batch, f"{whole}:{index}", "RUNNABLE")
    listed = [job["job_id"] for job in shell.document("stat", "--expand-children")["jobs"]]
    assert listed == [whole, *(f"{whole}:{index}" for index in range(12)), *(id_of(number) for number in range(7))]


def test_a_job_that_moves_on_while_it_is_listed_is_told_once(shell: Shell) -> None:
    """As it was seen last."""
    batch = shell.clients.batch
    moving = described(batch, id_of(1), "RUNNABLE")
    ask = batch.list_jobs

    def list_jobs(**request: Any) -> Any:
        answer = ask(**request)
        if request.get("jobStatus") == "RUNNABLE":
            moving["status"] = "RUNNING"
        return answer

    batch.list_jobs = list_jobs  # type: ignore[method-assign]
    jobs = job_listing.jobs_of_queue(batch, arn("job-queue", "ec2-queue"), ("RUNNING", "STARTING", "RUNNABLE"))
    assert [job.status for job in jobs] == ["RUNNING"]


def test_a_job_that_waits_in_vain_says_why_and_what_to_do(shell: Shell) -> None:
    """In the list, and as a note in the document."""
    described(shell.clients.batch, id_of(1), "RUNNABLE", statusReason=STUCK)
    assert f"blocked: {STUCK} To do: lower the task's vcpus" in shell("stat").stdout
    (job,) = shell.document("stat")["jobs"]
    assert job["note"].startswith("blocked: ")
    assert (job["status_reason"], job["nodes"], job["array"], job["exit_code"]) == (STUCK, None, None, None)


def test_an_empty_list_says_which_states_were_asked_for(shell: Shell) -> None:
    """On stderr: the data is nothing."""
    result = shell("stat", "-s", "failed", "--local")
    assert (result.stdout, result.stderr) == ("", "no job is FAILED; see: hpc stat --status ALL --local\n")
    assert shell("stat", "-s", "ALL").stderr.endswith("RUNNING, SUCCEEDED or FAILED\n")
    assert shell.document("stat") == {"jobs": []}


def test_one_queue_is_named_as_the_deployment_or_as_batch_names_it(shell: Shell) -> None:
    """An ARN needs no deployment at all."""
    described(shell.clients.batch, id_of(1), "RUNNING")
    for queue, shown in (("ec2", "ec2"), ("ec2-queue", "ec2"), (arn("job-queue", "ec2-queue"), "ec2-queue")):
        if queue.startswith("arn:"):
            shell.clients.cloudformation = FakeCloudFormation(None)
        assert re.search(rf" {shown} +RUNNING", shell("stat", "-q", queue).stdout)
    assert "no job is" in shell("stat", "--queue", arn("job-queue", "high-queue")).stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ("-s", "DONE"),
            "--status: is one of SUBMITTED, PENDING, RUNNABLE, STARTING, RUNNING, SUCCEEDED, FAILED or ALL",
        ),
        (("-s", "ALL", "x"), "--status: chooses among the jobs of queues, got it beside JOB; leave one of them out"),
        (
            ("-q", "none"),
            "--queue: is a queue of the deployment CloudHpc, a queue's name in Batch or its ARN, got 'none'",
        ),
        (("nothing",), "JOB: is a job in the local cloud, by its id, a beginning of it (4 characters or more) or its"),
        ((id_of(7),), f"got '{id_of(7)}'; see: hpc stat --status ALL"),
        ((f"{id_of(1)}:99",), "with :index for a child and #index for a node, got"),
        (("000",), "(4 characters or more)"),
        (("",), "got ''"),
    ],
)
def test_what_is_not_there_is_refused(shell: Shell, arguments: tuple[str, ...], expected: str) -> None:
    """With what would be right, and exit code 2."""
    described(shell.clients.batch, id_of(1), "RUNNING")
    result = shell("stat", *arguments, code=2)
    assert expected in result.stderr
    assert result.stdout == ""


def test_a_multi_node_job_is_shown_with_its_nodes(shell: Shell) -> None:
    """And it is said which of them have not started yet, and what can be done next."""
    whole = hello(shell.clients.batch)
    result = shell("stat", "0003e", "--local")
    shown = re.sub(r"(ran +|for ).*", r"\1TIME", result.stdout)
    assert shown == golden(
        """
        job         0003e110-0000-4000-8000-000000000000
        name        hello
        kind        multi-node parallel, 3 nodes; node 0 is the main node
        status      RUNNING
        queue       ec2-queue
        definition  mpi:3
        created     1970-01-01 00:08:20 UTC
        started     1970-01-01 00:16:40 UTC
        ran         TIME
        nodes       0:
        command     hello
        resources   2 vCPUs, 2048 MiB
        environment A=1
        nodes       0:0
        command     hello
        resources   2 vCPUs, 2048 MiB
        environment A=1
        attempt     1 of 2: RUNNING for TIME

        node                                    status   started (UTC)        stopped (UTC)  exit
        0003e110-0000-4000-8000-000000000000#0  RUNNING  1970-01-01 00:16:40                       main node
        0003e110-0000-4000-8000-000000000000#1  RUNNING  1970-01-01 00:16:40
        """
    )
    assert result.stderr == golden(
        f"""
        1 node of 3 not there yet: Batch makes them as they start
        what it printed: hpc out {whole} --local
        end it: hpc kill {whole} --local
        """
    )


def test_a_node_is_shown_with_where_it_runs(shell: Shell) -> None:
    """Host, address, task and log."""
    whole = hello(shell.clients.batch)
    shown = shell("stat", f"{whole}#1").stdout
    assert "kind        node 1 of 0003e110-0000-4000-8000-000000000000\n" in shown
    assert "host        i1\naddress     10.0.0.1\ntask        t1\n" in shown
    assert "log         jobs n1\n" in shown
    assert "kind        main node 0 of " in shell("stat", f"{whole}#0").stdout
    assert "kind        child 3 of array " in shell("stat", sweep(shell.clients.batch) + ":3").stdout


def test_an_array_is_counted_and_shown_with_its_children(shell: Shell) -> None:
    """With more than a hundred, only if they are asked for."""
    whole = sweep(shell.clients.batch)
    result = shell("stat", "sweep")
    shown = result.stdout
    assert f"what it printed: hpc out {whole}:1\n" in result.stderr
    assert "kind        array of 4: 1 RUNNABLE, 1 RUNNING, 1 SUCCEEDED, 1 FAILED\n" in shown
    assert re.search(rf"^{whole}:1  FAILED .* exit code 3$", shown, re.MULTILINE)
    shell.clients.batch.jobs[whole].detail["arrayProperties"]["size"] = 101
    result = shell("stat", whole)
    assert f"{whole}:1" not in result.stdout
    assert f"its 101 parts: hpc stat {whole} --expand-children" in result.stderr
    assert len(shell.document("stat", whole, "-e")["jobs"][0]["parts"]) == 4


def test_a_failed_job_is_told_in_full(shell: Shell) -> None:
    """Every attempt with its log, why, and everything that was asked for; no value of a secret."""
    environment = [{"name": "MESH", "value": "fine"}, {"name": "API_TOKEN", "value": "hunter2"}]
    described(
        shell.clients.batch,
        id_of(1),
        "FAILED",
        statusReason="Essential container in task exited",
        startedAt=5_000,
        stoppedAt=9_000,
        attempts=[attempt("first", 1), {"stoppedAt": 3_000, "statusReason": "Task failed to start", "container": {}}],
        retryStrategy={"attempts": 3},
        timeout={"attemptDurationSeconds": 600},
        dependsOn=[{"jobId": id_of(2)}, {"jobId": id_of(3), "type": "N_TO_N"}],
        parameters={"size": "3"},
        tags={"who": "me"},
        shareIdentifier="team",
        jobDefinition=arn("job-definition", "dopi:1"),
        container=container(
            "second",
            exitCode=137,
            reason="OutOfMemoryError: Container killed due to memory usage",
            image="dopi:abc",
            command=["sh", "-c", "echo one\necho two", "--password", "hunter2", "--api-key=hunter3"],
            environment=environment,
            secrets=[{"name": "KEY", "valueFrom": "arn:aws:secretsmanager:r:a:secret:s"}],
            jobRoleArn="arn:aws:iam::1:role/job",
        ),
    )
    result = shell("stat", id_of(1))
    assert result.stdout == golden(
        """
        job         00000001-0000-4000-8000-000000000000
        name        hello
        kind        one container
        status      FAILED
        reason      Essential container in task exited
        note        exit code 137 (SIGKILL: out of memory, or stopped), OutOfMemoryError: Container killed due to memory usage
        queue       ec2-queue
        definition  dopi:1
        started     1970-01-01 00:00:05 UTC
        stopped     1970-01-01 00:00:09 UTC
        ran         4.0 s
        exit code   137 (SIGKILL: out of memory, or stopped)
        timeout     600 s an attempt
        depends on  00000002-0000-4000-8000-000000000000, 00000003-0000-4000-8000-000000000000 N_TO_N
        share       team
        parameters  size=3
        tags        who=me
        image       dopi:abc
        command     sh -c 'echo one
                    echo two' --password '(not shown: it looks like a credential)' '--api-key=(not shown: it looks like a credential)'
        resources   1 vCPU, 2048 MiB
        job role    job
        environment MESH=fine
                    API_TOKEN=(not shown: it looks like a credential)
        secrets     KEY from arn:aws:secretsmanager:r:a:secret:s
        attempt     1 of 3: exit code 1, ran 1.0 s, log first
        attempt     2 of 3: Task failed to start, never ran
        log         jobs second
        """  # noqa: E501 - a pipe has no width to fold to
    )
    assert "end it" not in result.stderr
    document = shell.document("stat", id_of(1))["jobs"][0]
    assert "hunter" not in str(document)
    assert document["containers"][0]["vcpus"] == 1
    assert document["attempts"][0]["log_stream"] == "first"
    assert document["depends_on"] == [id_of(2), f"{id_of(3)} N_TO_N"]


def test_several_jobs_are_a_list_unless_details_are_asked_for(shell: Shell) -> None:
    """A name may be that of several; an ARN is as good as an id."""
    batch = shell.clients.batch
    described(batch, id_of(1), "SUCCEEDED")
    described(batch, id_of(2), "RUNNING")
    assert [job["job_id"] for job in shell.document("stat", "hello")["jobs"]] == [id_of(2), id_of(1)]
    assert len(shell("stat", arn("job", id_of(1)), id_of(2)).stdout.splitlines()) == 3
    assert shell("stat", id_of(1), id_of(2), "-d").stdout.count("kind        one container\n") == 2
    assert shell("stat", "--details").stdout.startswith(f"job         {id_of(2)}\n")


def test_more_than_a_hundred_ids_are_described_in_turns(shell: Shell) -> None:
    """DescribeJobs takes a hundred."""
    for number in range(101):
        described(shell.clients.batch, id_of(number), "RUNNABLE")
    assert shell("stat", "-d").stdout.count("kind        one container\n") == 101


def test_rows_are_as_wide_as_they_need_where_there_is_no_terminal() -> None:
    """On one, the chosen column is folded, nothing is cut, and no line ends with blanks."""
    rows = [("a" * 36, "RUNNING", "why  it\nwaits " * 3), ("b", "", "")]
    wide = text_table(("job", "status", ""), rows)
    assert wide == f"job{' ' * 35}status\n{'a' * 36}  RUNNING  {'why it waits ' * 3}".rstrip() + "\nb"
    folded = text_table(("job", "status", ""), rows, width=72).splitlines()
    assert folded[1:] == [f"{'a' * 36}  RUNNING  why it waits why it waits", f"{' ' * 47}why it waits", "b"]
    assert text_table(("job", "status", ""), rows, width=60) == wide


def test_a_terminals_width_is_kept_where_it_can_be(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason is folded, the id is not."""
    monkeypatch.setattr("runner.cli.stat.terminal_width", lambda: 160)
    described(shell.clients.batch, id_of(1), "RUNNABLE", statusReason=STUCK)
    lines = shell("stat").stdout.splitlines()
    assert len(lines) > 2
    assert max(len(line) for line in lines) <= 160
    assert id_of(1) in lines[1]


def test_particulars_of_a_job_that_says_little() -> None:
    """Only id, name and status are certain."""
    told = particulars({"jobId": id_of(1), "jobName": "n", "status": "SUBMITTED"})
    assert [line.split()[0] for line in told.lines(0)] == ["job", "name", "kind", "status"]
    assert told.document()["containers"] == []


def test_the_documents_name_every_option() -> None:
    """docs/awsbatch-commands.md is where users of the old commands look."""
    text = (Path(__file__).resolve().parents[2] / "docs" / "awsbatch-commands.md").read_text()
    for name in ("stat", "out", "kill", "queues", "hosts"):
        command = hpc.get_command(click.Context(hpc), name)
        assert command is not None
        options = [option for option in command.params if isinstance(option, click.Option) and option.expose_value]
        for option in options:
            assert any(f"`{spelled}" in text for spelled in option.opts), (name, option.opts)
