"""Queue `gpu` as a user meets it: a deployment that has one, a machine with a GPU, and tasks that ask for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Shell
from tests.e2e.test_job_events import cdk
from tests.e2e.test_profiles import NAME, synthesised

WORKFLOW = """\
name: gpus
defaults: {job_definition: barrier, queue: high}
tasks:
  train: {job_definition: DEFINITION, queue: gpu, gpus: NUMBER}
  after: {needs: [train]}
"""


def workflow(definition: str, gpus: int) -> str:
    """With a task that asks for GPUs."""
    return WORKFLOW.replace("DEFINITION", definition).replace("NUMBER", str(gpus))


@pytest.fixture(scope="module")
def accelerated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A shell beside a local cloud whose machine is said to have one GPU."""
    folder: Path = tmp_path_factory.mktemp("gpus")
    opened = Shell(folder, {"HPC_DEPLOYMENT": NAME})
    opened.hpc("local", "up", "--vcpus", "8", "--memory-mib", "16384", "--gpus", "1")
    assembly = synthesised(opened, folder / "app", 'Settings(gpu_instance_types=("g4dn.xlarge", "g4dn.12xlarge"))')
    cdk(opened, "bootstrap")
    cdk(opened, "deploy", "--all", "--app", assembly, "--require-approval", "never")
    yield opened
    opened.hpc("local", "down", "--delete")


def test_a_task_gets_the_gpu_that_it_asks_for(accelerated: Shell) -> None:
    """On an instance of the queue, and what waits for it goes on, on Fargate."""
    run = accelerated.json("run", accelerated.workflow(workflow("standin-ec2", 1)), "--local")["run"]
    status = accelerated.status(run)
    assert status["status"] == "SUCCEEDED"
    (job,) = (task["job_id"] for task in status["tasks"] if task["task"] == "train")
    assert "1 GPU" in accelerated.hpc("stat", job, "--local").stdout


@pytest.mark.parametrize(
    ("definition", "gpus", "expected"),
    [
        ("standin-ec2", 5, "g4dn.12xlarge with 48 vCPUs"),
        ("standin", 1, "gpus are given on EC2, never on Fargate (API_ResourceRequirement), got 1 with 'standin'"),
    ],
)
def test_what_no_instance_gives_is_refused_first(accelerated: Shell, definition: str, gpus: int, expected: str) -> None:
    """Nothing is submitted that would wait for ever."""
    said = accelerated.hpc("run", accelerated.workflow(workflow(definition, gpus)), "--local", code=2).stderr
    assert "workflow.yaml:4: tasks.train: " in said
    assert expected in said
