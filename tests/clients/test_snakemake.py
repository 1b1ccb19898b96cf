"""Snakemake with its AWS Batch executor and S3 storage plugins, unchanged, against the local cloud."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable

import pytest

from runner.engine_settings import engines
from tests.clients.cloud import BUCKET, PATIENCE_SECONDS, Shell
from tests.clients.virtual_environment import HERE, pip, requirements

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200), pytest.mark.xdist_group("clients-snakemake")]

SNAKEFILE = HERE / "workflows" / "snakemake" / "Snakefile"


@pytest.fixture
def snakemake(shell_of: Callable[[str], Shell]) -> Shell:
    """A shell beside a Snakefile and the profile that `hpc config snakemake` prints."""
    shell = shell_of("snakemake")
    shutil.copy(SNAKEFILE, shell.directory)
    (shell.directory / "batch").mkdir()
    (shell.directory / "batch" / "config.yaml").write_text(engines.snakemake(shell.cloud.place("")), encoding="utf-8")
    return shell


def arguments(shell: Shell, names: str, *targets: str) -> tuple[str, ...]:
    """The command line that sends every rule to AWS Batch and every file to the bucket."""
    wheels = shell.cloud.images / "snakemake" / "wheels"
    if not wheels.is_dir():
        pins = str(requirements("snakemake"))
        download = ("download", "--no-deps", "--constraint", pins, "--dest", str(wheels), "snakemake-storage-plugin-s3")
        pip(shell.client.directory, *download)
    image = shell.cloud.engine_image("snakemake", {"python": shell.client, "pip": shell.client})
    return (
        *("snakemake", *targets, "--profile", "batch", "--jobs", "4", "--config", f"names={names}"),
        *("--container-image", image, "--default-storage-prefix", f"s3://{BUCKET}/{shell.directory.name}"),
    )


def test_a_fan_out_and_a_join_run_to_their_end(snakemake: Shell) -> None:
    """Three texts: a job each, one that adds up, the sum in S3, and no definition of it left active."""
    prefix = snakemake.directory.name
    for name, text in {"a": "one two three", "b": "four five", "c": "six"}.items():
        snakemake.cloud.put(f"{prefix}/texts/{name}.txt", text)
    snakemake.run(*arguments(snakemake, "a b c"))
    assert snakemake.cloud.text(f"{prefix}/total.txt") == "6\n"
    jobs = [*snakemake.cloud.jobs("ec2", "snakejob-count-"), *snakemake.cloud.jobs("ec2", "snakejob-add_up-")]
    assert [job["status"] for job in jobs] == ["SUCCEEDED"] * 4
    definitions = snakemake.cloud.batch.describe_job_definitions(jobDefinitions=[job["jobDefinition"] for job in jobs])
    assert {definition["status"] for definition in definitions["jobDefinitions"]} == {"INACTIVE"}


def test_a_rule_that_fails_is_seen_to_fail(snakemake: Shell) -> None:
    """Exit code 1 of snakemake, with the words of Batch."""
    prefix = snakemake.directory.name
    snakemake.cloud.put(f"{prefix}/texts/empty.txt", "")
    failed = snakemake.run(*arguments(snakemake, "empty"), code=1)
    assert "AWS Batch job failed. Code: 1, Msg: Essential container in task exited" in failed.stderr
    assert snakemake.cloud.keys(f"{prefix}/") == {"texts/empty.txt"}


def test_an_interrupted_run_terminates_its_jobs(snakemake: Shell) -> None:
    """Ctrl-C in front of a job that would run for ever: snakemake ends, and so does the job."""
    with snakemake.start(*arguments(snakemake, "none", "never.txt", "--verbose")) as run:
        try:
            assert run.stdout is not None
            # Interrupted in the middle of a look at its jobs, snakemake forgets them: it sleeps soon after it has said
            # this.
            assert any("'status': 'RUNNING'" in line for line in run.stdout)
            time.sleep(1)
            run.send_signal(signal.SIGINT)
            run.communicate(timeout=PATIENCE_SECONDS)
        finally:
            run.kill()
    assert run.returncode not in (0, -signal.SIGKILL)
    job = snakemake.cloud.wait_for("ec2", "snakejob-endless-", "FAILED")
    assert job["statusReason"] == "terminated by snakemake"
