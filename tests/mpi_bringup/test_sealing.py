"""How the stack's secret leaves a node's processes, seen in the system's own account of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mpi_bringup.keys import job_key

from tests.mpi_bringup.nodes import BRINGUP

SECRET = "the secret of the stack"
SHOWS = """
import json, os, sys
from mpi_bringup.sealing import sealed_keys
keys = sealed_keys(os.environ)
with open(f"/proc/{os.getpid()}/environ", encoding="utf-8") as opened:
    of_process = opened.read()
files = []
for name in os.listdir("/proc/self/fd"):
    try:
        files.append(os.readlink(f"/proc/self/fd/{name}"))
    except OSError:
        pass
print(json.dumps({
    "key": keys.key.hex(), "of_process": of_process, "variables": dict(os.environ), "words": sys.argv[1:],
    "files": files,
}))
"""


def shown(*words: str, **variables: str) -> dict[str, object]:
    """What a program that seals its keys first finds in itself."""
    done = subprocess.run(
        [sys.executable, "-c", SHOWS, *words],
        env={"PATH": os.defpath, "PYTHONPATH": str(BRINGUP.parent), **variables},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_the_running_process_holds_the_jobs_key_and_no_secret() -> None:
    """Neither in its variables nor in what the system shows of it to other processes of its user."""
    found = shown("-p", "a b", MPI_BRINGUP_SECRET=SECRET, AWS_BATCH_JOB_ID="job-1#2", AWS_BATCH_JOB_NUM_NODES="3")
    assert found["key"] == job_key(SECRET.encode(), "job-1").hex()
    assert "AWS_BATCH_JOB_ID=job-1#2" in str(found["of_process"])
    assert SECRET not in str(found)
    assert "MPI_BRINGUP_SECRET" not in str(found)
    assert "MPI_JOB_KEY_DESCRIPTOR" not in str(found["variables"])
    assert "memfd" not in str(found["files"])
    assert found["words"] == ["-p", "a b"]


def test_a_job_of_one_node_needs_no_secret() -> None:
    """Its key is nobody else's."""
    first, second = shown(), shown(AWS_BATCH_JOB_NUM_NODES="1")
    assert first["key"] != second["key"]


@pytest.mark.parametrize("secret", [{}, {"MPI_BRINGUP_SECRET": ""}])
def test_several_nodes_without_a_secret_are_refused(secret: dict[str, str], tmp_path: Path) -> None:
    """With exit code 2, and what to do; an empty secret is none."""
    done = subprocess.run(
        [sys.executable, str(BRINGUP), "true"],
        env={"PATH": os.defpath, "TMPDIR": str(tmp_path), "AWS_BATCH_JOB_NUM_NODES": "2", **secret},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr == (
        "mpi: MPI_BRINGUP_SECRET: several nodes know each other by a secret, got none; give the job definition one "
        "(secrets)\n"
    )
    assert list(tmp_path.iterdir()) == []
