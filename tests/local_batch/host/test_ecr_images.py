"""ECR of the local cloud."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_batch.host.conftest import Client


@pytest.fixture
def repository(client: Client, request: pytest.FixtureRequest) -> Any:
    """A repository with an image tagged `there`; its name."""
    ecr = client("ecr")
    name = f"r-{abs(hash(request.node.name))}"
    ecr.create_repository(repositoryName=name)
    manifest = {"schemaVersion": 2, "config": {}, "layers": []}
    ecr.put_image(repositoryName=name, imageManifest=json.dumps(manifest), imageTag="there")
    yield name
    ecr.delete_repository(repositoryName=name, force=True)


def test_absent_tag_is_an_error(client: Client, repository: str) -> None:
    """The cdk command pushes an image only if it is told that it is not there."""
    with pytest.raises(ClientError, match=r"ImageNotFoundException.*imageTag:'absent'.* does not exist within"):
        client("ecr").describe_images(repositoryName=repository, imageIds=[{"imageTag": "absent"}])


def test_one_absent_among_present_is_an_error(client: Client, repository: str) -> None:
    """As on AWS, the whole call fails."""
    with pytest.raises(ClientError, match="ImageNotFoundException"):
        client("ecr").describe_images(
            repositoryName=repository, imageIds=[{"imageTag": "there"}, {"imageTag": "absent"}]
        )


def test_present_tag_is_described(client: Client, repository: str) -> None:
    """By tag, and among all."""
    ecr = client("ecr")
    for options in ({"imageIds": [{"imageTag": "there"}]}, {}):
        (image,) = ecr.describe_images(repositoryName=repository, **options)["imageDetails"]
        assert image["imageTags"] == ["there"]
