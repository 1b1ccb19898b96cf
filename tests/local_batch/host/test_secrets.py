"""Where the values of secrets are not."""

from __future__ import annotations

import uuid
from functools import partial
from pathlib import Path

import pytest

from local_batch import control
from tests.local_batch.host.conftest import client_for
from tests.local_batch.host.job_runner import JobRunner
from tests.local_batch.host.test_persistence import TRUST

VALUE = f"v-{uuid.uuid4().hex}"
STORES = {"ssm.json"}
"""Where they are at home."""


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs Linux's /proc")
def test_value_of_a_secret_is_kept_nowhere(state: Path, test_images: Path, run_image: str) -> None:
    """Neither in the journal nor in another file of the state directory, nor in a process listing.

    Not even while the job runs, and not when the job failed and its directory was kept.
    """
    client = partial(client_for, control.start(state, images=[test_images]))
    role = client("iam").create_role(RoleName="reader", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    client("ssm").put_parameter(Name="/value", Value=VALUE, Type="String")
    jobs = JobRunner(client, run_image)
    look = """
import os, pathlib, sys
value = os.environ["VALUE"].encode()
for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
    try:
        assert value not in path.read_bytes(), path
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        continue
print("looked")
sys.exit(3)
"""
    secrets = [{"name": "VALUE", "valueFrom": "/value"}]
    job = jobs.finished(jobs.submit(look, executionRoleArn=role, secrets=secrets))
    assert (job["container"]["exitCode"], jobs.lines(job)) == (3, ["looked"])
    files = [path for path in state.rglob("*") if path.is_file()]
    assert {path.name for path in files if VALUE.encode() in path.read_bytes()} == STORES
