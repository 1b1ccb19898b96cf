"""CodeBuild of the local cloud: projects are kept, builds are refused."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.local_batch.host.conftest import Client


def test_a_build_is_refused_and_none_is_recorded(client: Client) -> None:
    """A record that claims success would say that an image is there."""
    codebuild = client("codebuild")
    codebuild.create_project(
        name="builder",
        source={"type": "NO_SOURCE", "buildspec": "version: 0.2"},
        artifacts={"type": "NO_ARTIFACTS"},
        environment={"type": "LINUX_CONTAINER", "image": "image", "computeType": "BUILD_GENERAL1_SMALL"},
        serviceRole="arn:aws:iam::123456789012:role/builder",
    )
    with pytest.raises(ClientError, match=r"InvalidInputException.*has no build service, got a build of 'builder'"):
        codebuild.start_build(projectName="builder")
    assert codebuild.list_builds_for_project(projectName="builder")["ids"] == []
    codebuild.delete_project(name="builder")
