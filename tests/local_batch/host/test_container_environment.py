"""What the platform puts into containers' environments, and the directories that stand for file systems."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from local_batch.engine.resources import Platform
from local_batch.host.attempt_tokens import AttemptName, AttemptTokens
from local_batch.host.container_environment import CREDENTIALS, METADATA, ContainerEnvironment
from local_batch.host.seams import MiniStack
from local_batch.publisher import PlatformError
from tests.local_batch.placed import PlacedJobs

ENDPOINT = "http://127.0.0.1:4510"
ROLE = "arn:aws:iam::123456789012:role/path/worker"
TOKENS = AttemptTokens(b"key")
ACCESS_POINT = {"FileSystemId": "fs-11111111", "RootDirectory": {"Path": "/team/a"}}


def scoped(**records: Any) -> Callable[[str, str | None, str], Any]:
    """The look-up of one of MiniStack's stores."""
    return lambda _account, _region, key: records.get(key.replace("-", "_"))


@pytest.fixture
def environment(tmp_path: Path) -> ContainerEnvironment:
    """Of a cloud with one role and one access point."""
    cloud = SimpleNamespace(
        iam=SimpleNamespace(roles=SimpleNamespace(get_scoped=scoped(worker={"RoleName": "worker"}))),
        efs=SimpleNamespace(access_points=SimpleNamespace(get_scoped=scoped(fsap_1=ACCESS_POINT))),
    )
    return ContainerEnvironment(cast("MiniStack", cloud), ENDPOINT, TOKENS, tmp_path / "efs")


def test_container_learns_where_the_cloud_is_and_no_key(environment: ContainerEnvironment) -> None:
    """SDKs in it need no setting of their own."""
    seen = environment.environment(PlacedJobs().submit())
    assert seen["AWS_ENDPOINT_URL"] == seen["AWS_ENDPOINT_URL_S3"] == ENDPOINT
    assert (seen["AWS_REGION"], seen["AWS_DEFAULT_REGION"]) == ("us-east-1", "us-east-1")
    assert seen["AWS_EXECUTION_ENV"] == "AWS_ECS_FARGATE"
    assert not {name for name in seen if "CREDENTIALS" in name or "KEY" in name}


@pytest.mark.parametrize("index", [None, 0, 1])
def test_every_attempt_has_addresses_of_its_own(environment: ContainerEnvironment, index: int | None) -> None:
    """Single jobs and children alike."""
    jobs = PlacedJobs()
    job = jobs.submit({"jobRoleArn": ROLE}, array_size=None if index is None else 2)
    attempted = job if index is None else jobs.find(f"{job.job_id}:{index}")
    seen = environment.environment(attempted)
    for variable, purpose in (
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", CREDENTIALS),
        ("ECS_CONTAINER_METADATA_URI_V4", METADATA),
    ):
        prefix = f"{ENDPOINT}/_local_batch/{purpose}"
        assert seen[variable].startswith(prefix)
        assert TOKENS.read(purpose, seen[variable].removeprefix(prefix)) == AttemptName(attempted.job_id, 1)


def test_ec2_says_so(environment: ContainerEnvironment) -> None:
    """As ECS does."""
    assert environment.environment(PlacedJobs(Platform.EC2).submit())["AWS_EXECUTION_ENV"] == "AWS_ECS_EC2"


@pytest.mark.parametrize(
    "detail",
    [
        {"jobRoleArn": "arn:aws:iam::123456789012:role/absent"},
        {"jobRoleArn": "arn:aws:iam::210987654321:role/worker"},
        {"jobRoleArn": "worker"},
        {"secrets": [{"name": "A", "valueFrom": "a"}], "executionRoleArn": "arn:aws:iam::123456789012:role/absent"},
        {"secrets": [{"name": "A", "valueFrom": "a"}]},
    ],
)
def test_role_that_does_not_exist_is_ecss_error(environment: ContainerEnvironment, detail: dict[str, Any]) -> None:
    """The job's own, and the execution role where there are secrets to be read with it."""
    with pytest.raises(PlatformError, match=r"ECS was unable to assume the role '.*' that was provided for this"):
        environment.environment(PlacedJobs().submit(detail))


def test_execution_role_is_not_asked_for_without_secrets(environment: ContainerEnvironment) -> None:
    """Nothing here is read with it."""
    environment.environment(PlacedJobs().submit({"executionRoleArn": "arn:aws:iam::123456789012:role/absent"}))


@pytest.mark.parametrize(
    ("configuration", "directory"),
    [
        ({}, "fs-11111111"),
        ({"rootDirectory": "/"}, "fs-11111111"),
        ({"rootDirectory": "/a/b"}, "fs-11111111/a/b"),
        ({"rootDirectory": "/", "authorizationConfig": {"accessPointId": "fsap-1"}}, "fs-11111111/team/a"),
        ({"authorizationConfig": {"iam": "ENABLED"}}, "fs-11111111"),
    ],
)
def test_file_system_is_a_directory(
    environment: ContainerEnvironment, tmp_path: Path, configuration: dict[str, Any], directory: str
) -> None:
    """The same one for everybody; it is made with the first mount."""
    seen = environment.file_system({"fileSystemId": "fs-11111111", **configuration})
    assert seen == str(tmp_path / "efs" / directory)
    assert Path(seen).is_dir()


@pytest.mark.parametrize(
    "configuration",
    [
        {"authorizationConfig": {"accessPointId": "fsap-2"}},
        {"fileSystemId": "fs-22222222", "authorizationConfig": {"accessPointId": "fsap-1"}},
        {"rootDirectory": "/../../elsewhere"},
        {"rootDirectory": "/result.txt"},
        {"rootDirectory": "/result.txt/below"},
        {"rootDirectory": f"/{'a' * 300}"},
        {"rootDirectory": "/a\0b"},
    ],
    ids=str,
)
def test_what_is_not_on_the_file_system_is_not_mounted(
    environment: ContainerEnvironment, tmp_path: Path, configuration: dict[str, Any]
) -> None:
    """An access point of nobody or of another file system; paths that lead out of it, to a file, or nowhere."""
    (tmp_path / "efs" / "fs-11111111").mkdir(parents=True)
    (tmp_path / "efs" / "fs-11111111" / "result.txt").touch()
    with pytest.raises(PlatformError, match="failed to invoke EFS utils commands to set up EFS volumes"):
        environment.file_system({"fileSystemId": "fs-11111111", **configuration})
