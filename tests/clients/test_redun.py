"""redun's AWS Batch executor, unchanged, against the local cloud: real tasks, real files, real failures."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from tests.clients.cloud import BUCKET, Shell
from tests.clients.virtual_environment import HERE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200), pytest.mark.xdist_group("clients-redun")]

WORKFLOW = HERE / "workflows" / "redun" / "words.py"
CONFIGURATION = """
[backend]
db_uri = sqlite:///redun.db

[executors.batch]
type = aws_batch
image = {image}
queue = ec2
s3_scratch = s3://{bucket}/redun
role = {role}
memory = 2
job_name_prefix = {name}
job_monitor_interval = 0.5
job_stale_time = 1
"""


@pytest.fixture
def redun(shell_of: Callable[[str], Shell]) -> Shell:
    """A shell in a redun project, set up for the local cloud as redun's documentation has it for AWS."""
    shell = shell_of("redun")
    shutil.copy(WORKFLOW, shell.directory)
    project = shell.directory / ".redun"
    project.mkdir()
    image = shell.cloud.engine_image("redun", shell.client, "redun")
    settings = CONFIGURATION.format(image=image, bucket=BUCKET, role=shell.cloud.role, name=shell.directory.name)
    (project / "redun.ini").write_text(settings, encoding="utf-8")
    return shell


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


def test_a_task_that_raises_is_seen_to_fail(redun: Shell) -> None:
    """The exception comes back out of the container, with exit code 1 of redun and of the job."""
    prefix = put_texts(redun, {"empty": " "})
    failed = redun.run("redun", "run", "words.py", "main", "--prefix", f"s3://{BUCKET}/{prefix}", code=1)
    assert "a text has words, got none" in failed.stdout + failed.stderr
    (job,) = redun.cloud.jobs("ec2", prefix)
    assert (job["status"], job["container"]["exitCode"]) == ("FAILED", 1)
