"""redun's AWS Batch executor, unchanged, against the local cloud: real tasks, real files, real failures."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Callable

import pytest

from runner.engine_settings import engines
from tests.clients.cloud import BUCKET, Shell
from tests.clients.virtual_environment import HERE, virtual_environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200), pytest.mark.xdist_group("clients-redun")]

UNENDED = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING")
REDUNS_OPEN_FILES = 65535
OPEN_FILES = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
WORKFLOW = HERE / "workflows" / "redun" / "words.py"
OWN_SETTINGS = """
memory = 2
job_name_prefix = {name}
job_monitor_interval = 0.5

[backend]
db_uri = sqlite:///redun.db
"""
"""Behind what `hpc config redun` prints, which ends in the executor's section."""


@pytest.fixture
def redun(shell_of: Callable[[str], Shell]) -> Shell:
    """A shell in a redun project, with the settings that `hpc config redun` prints."""
    shell = shell_of("redun")
    shutil.copy(WORKFLOW, shell.directory)
    project = shell.directory / ".redun"
    project.mkdir()
    settings = engines.redun(shell.cloud.place(image_of(shell))) + OWN_SETTINGS.format(name=shell.directory.name)
    (project / "redun.ini").write_text(settings, encoding="utf-8")
    return shell


def image_of(shell: Shell) -> str:
    """The image of redun's jobs."""
    return shell.cloud.engine_image("redun", {"redun": shell.client, "aws": virtual_environment("awscli")})


def put_texts(shell: Shell, texts: dict[str, str]) -> str:
    """Texts in the bucket; the prefix above them."""
    prefix = shell.directory.name
    for name, text in texts.items():
        shell.cloud.put(f"{prefix}/texts/{name}.txt", text)
    return prefix


def test_a_fan_out_and_a_join_run_to_their_end(redun: Shell) -> None:
    """Three texts: a job each, one that adds up, and the sum in S3."""
    prefix = put_texts(redun, {"a": "one two three", "b": "four five", "c": "six"})
    redun.run("redun", "run", "words.py", "main", "--prefix", f"s3://{BUCKET}/{prefix}")
    assert redun.cloud.text(f"{prefix}/total.txt") == "6\n"
    jobs = redun.cloud.jobs("ec2", prefix)
    assert [job["status"] for job in jobs] == ["SUCCEEDED"] * 4
    assert jobs[0]["tags"]["redun_task_name"] == "words.count"


def test_equal_tasks_run_as_one_array_job(redun: Shell) -> None:
    """redun folds five and more of them: six children, each with its own text by its index."""
    numbers = {f"text-{count}": "word " * count for count in range(1, 7)}
    prefix = put_texts(redun, numbers)
    redun.run("redun", "run", "words.py", "main", "--prefix", f"s3://{BUCKET}/{prefix}")
    assert redun.cloud.text(f"{prefix}/total.txt") == "21\n"
    array, join = redun.cloud.jobs("ec2", prefix)
    assert array["arrayProperties"] | {"statusSummaryLastUpdatedAt": 0} == {
        "size": 6,
        "statusSummary": dict.fromkeys(UNENDED, 0) | {"SUCCEEDED": 6, "FAILED": 0},
        "statusSummaryLastUpdatedAt": 0,
    }
    assert (array["status"], join["status"]) == ("SUCCEEDED", "SUCCEEDED")


def test_a_script_task_runs_and_stages_its_files(redun: Shell) -> None:
    """A shell script in the container, its input fetched and its output put by `aws s3` with the job role's rights."""
    prefix = put_texts(redun, {"a": "one two three"})
    redun.run("redun", "run", "words.py", "longest", "--prefix", f"s3://{BUCKET}/{prefix}")
    assert redun.cloud.text(f"{prefix}/longest.txt") == "three\n"


def run_gang(redun: Shell, *options: str) -> None:
    """The task on two nodes, to its end; each node leaves a file."""
    prefix = redun.directory.name
    run = redun.run("redun", "run", *options, "words.py", "gang", "--prefix", f"s3://{BUCKET}/{prefix}")
    assert "0 of 2" in run.stdout
    assert redun.cloud.keys(f"{prefix}/nodes/") == {"0-of-2", "1-of-2"}
    (job,) = redun.cloud.jobs("ec2", prefix)
    assert (job["status"], job["nodeProperties"]["numNodes"]) == ("SUCCEEDED", 2)


def test_a_task_on_two_nodes_runs_as_one_multi_node_job(redun: Shell) -> None:
    """num_nodes=2 with a definition of the user's: both nodes run the task, the main node's result is the task's."""
    size = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "2048"}]
    node = {"image": image_of(redun), "jobRoleArn": redun.cloud.role, "resourceRequirements": size}
    groups = [{"targetNodes": nodes, "container": node} for nodes in ("0", "1:")]
    redun.cloud.batch.register_job_definition(
        jobDefinitionName="own-gang",
        type="multinode",
        nodeProperties={"numNodes": 2, "mainNode": 0, "nodeRangeProperties": groups},
    )
    run_gang(redun, "--option", "job_def_name=own-gang", "--option", "autocreate_job_def=false")


@pytest.mark.skipif(
    resource.RLIM_INFINITY != OPEN_FILES < REDUNS_OPEN_FILES,
    reason=f"redun's multi-node definitions ask for {REDUNS_OPEN_FILES} open files, this user may have {OPEN_FILES}",
)
def test_redun_registers_a_multi_node_definition_of_its_own(redun: Shell) -> None:
    """With two node groups and the limit on open files that redun raises for them."""
    run_gang(redun)


def test_a_second_run_finds_the_first_ones_definition(redun: Shell) -> None:
    """redun compares what DescribeJobDefinitions shows with what it would register, and registers nothing new."""
    prefix = put_texts(redun, {"a": "one"})
    for _ in range(2):
        redun.run("redun", "run", "--no-cache", "words.py", "main", "--prefix", f"s3://{BUCKET}/{prefix}")
    assert len({job["jobDefinition"] for job in redun.cloud.jobs("ec2", prefix)}) == 1


def test_a_task_that_raises_is_seen_to_fail(redun: Shell) -> None:
    """The exception comes back out of the container, with exit code 1 of redun and of the job."""
    prefix = put_texts(redun, {"empty": " "})
    failed = redun.run("redun", "run", "words.py", "main", "--prefix", f"s3://{BUCKET}/{prefix}", code=1)
    assert "a text has words, got none" in failed.stdout + failed.stderr
    (job,) = redun.cloud.jobs("ec2", prefix)
    assert (job["status"], job["container"]["exitCode"]) == ("FAILED", 1)
