"""Metaflow's @batch, unchanged, against the local cloud: code package and artifacts in S3, steps in containers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace

import pytest

from runner.engine_settings import engines
from tests.clients.cloud import BUCKET, Shell
from tests.clients.virtual_environment import HERE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200), pytest.mark.xdist_group("clients-metaflow")]

FLOW = HERE / "workflows" / "metaflow" / "words.py"


@pytest.fixture
def metaflow(shell_of: Callable[[str], Shell]) -> Shell:
    """A shell beside a flow, with the configuration that `hpc config metaflow` prints, and an image."""
    shell = shell_of("metaflow")
    shutil.copy(FLOW, shell.directory)
    home = shell.directory / ".metaflowconfig"
    home.mkdir()
    (home / "config.json").write_text(engines.metaflow(shell.cloud.place("")), encoding="utf-8")
    return replace(
        shell,
        extra={
            "METAFLOW_USER": shell.directory.name,
            "METAFLOW_BATCH_CONTAINER_IMAGE": shell.cloud.engine_image("metaflow", {"python": shell.client}),
        },
    )


def test_a_fan_out_and_a_join_run_to_their_end(metaflow: Shell) -> None:
    """A foreach over three texts and its join, each step a job, and the sum in S3."""
    prefix = metaflow.directory.name
    for name, text in {"a": "one two three", "b": "four five", "c": "six"}.items():
        metaflow.cloud.put(f"{prefix}/texts/{name}.txt", text)
    metaflow.run("python", "words.py", "run", "--prefix", f"s3://{BUCKET}/{prefix}")
    assert metaflow.cloud.text(f"{prefix}/total.txt") == "6\n"
    jobs = metaflow.cloud.jobs("ec2", f"{prefix}-Words-")
    assert [job["status"] for job in jobs] == ["SUCCEEDED"] * 4
    assert [job["parameters"]["metaflow.step_name"] for job in jobs] == ["count"] * 3 + ["add_up"]


def test_a_step_that_raises_is_seen_to_fail(metaflow: Shell) -> None:
    """Exit code 1 of the flow and of the job, and the step's own words."""
    prefix = metaflow.directory.name
    metaflow.cloud.put(f"{prefix}/texts/empty.txt", " ")
    failed = metaflow.run("python", "words.py", "run", "--prefix", f"s3://{BUCKET}/{prefix}", code=1)
    assert "a text has words, got none" in failed.stdout + failed.stderr
    (job,) = metaflow.cloud.jobs("ec2", f"{prefix}-Words-")
    assert (job["status"], job["container"]["exitCode"]) == ("FAILED", 1)
