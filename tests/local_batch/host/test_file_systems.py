"""EFS file systems of jobs: directories that all jobs share."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.local_batch.host.conftest import Client
from tests.local_batch.host.job_runner import JobRunner

WRITE = "print(open('/shared/note', 'w').write('from one job to another'))"
READ = "print(open('/mnt/efs/note').read())"


def mounted(file_system: str, path: str, **efs: Any) -> dict[str, Any]:
    """Container properties that mount the file system there."""
    return {
        "volumes": [{"name": "v", "efsVolumeConfiguration": {"fileSystemId": file_system, **efs}}],
        "mountPoints": [{"sourceVolume": "v", "containerPath": path}],
    }


def written(jobs: JobRunner, program: str, **container: Any) -> list[str]:
    """What the job wrote, that succeeded; skips where this user may not mount."""
    job = jobs.finished(jobs.submit(program, **container))
    reason = job["container"].get("reason", "")
    if "mount name spaces" in reason:
        pytest.skip(reason)
    assert job["status"] == "SUCCEEDED", job
    return jobs.lines(job)


@pytest.fixture
def jobs(client: Client, run_image: str) -> JobRunner:
    """A queue of the test's own."""
    return JobRunner(client, run_image)


@pytest.fixture
def file_system(client: Client) -> str:
    """The id of a file system."""
    made: str = client("efs").create_file_system(CreationToken=uuid.uuid4().hex)["FileSystemId"]
    return made


def test_what_one_job_writes_another_reads(jobs: JobRunner, file_system: str) -> None:
    """Wherever each of them mounts it."""
    written(jobs, WRITE, **mounted(file_system, "/shared"))
    assert written(jobs, READ, **mounted(file_system, "/mnt/efs")) == ["from one job to another"]


def test_access_point_leads_to_its_own_directory(jobs: JobRunner, file_system: str, client: Client) -> None:
    """A job that mounts the whole file system finds it there."""
    point = client("efs").create_access_point(
        ClientToken=uuid.uuid4().hex, FileSystemId=file_system, RootDirectory={"Path": "/teams/a"}
    )["AccessPointId"]
    efs = {"transitEncryption": "ENABLED", "authorizationConfig": {"accessPointId": point}}
    written(jobs, WRITE, **mounted(file_system, "/shared", **efs))
    whole = "print(open('/all/teams/a/note').read())"
    assert written(jobs, whole, **mounted(file_system, "/all")) == ["from one job to another"]


def test_access_point_of_nobody_fails_the_attempt(jobs: JobRunner, file_system: str) -> None:
    """In ECS's form."""
    efs = {"transitEncryption": "ENABLED", "authorizationConfig": {"accessPointId": "fsap-0123456789abcdef0"}}
    job = jobs.finished(jobs.submit(READ, **mounted(file_system, "/mnt/efs", **efs)))
    assert job["status"] == "FAILED"
    assert job["container"]["reason"] == (
        "ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes: access point "
        f"fsap-0123456789abcdef0 does not exist on file system {file_system}"
    )
