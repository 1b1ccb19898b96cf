"""A real local cloud per test process, clients for it, and an image of a program that does what it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from image_tags import image_tag
from local_batch import control
from local_batch.host.state_directory import Endpoint

IMAGES = Path(__file__).resolve().parents[3] / "containers"

Client = Callable[[str], Any]

DOCKERFILE = """\
FROM python:3.11
COPY run.py /opt/run.py
ENTRYPOINT ["python", "/opt/run.py"]
"""
RUN = """\
import sys
exec(sys.argv[1])
"""


def client_for(endpoint: Endpoint, service: str, region: str | None = None) -> Any:
    """A boto3 client that talks to this local cloud, whatever the environment says."""
    return boto3.client(
        service,
        endpoint_url=endpoint.endpoint,
        region_name=region or endpoint.region,
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )


@pytest.fixture(scope="session")
def test_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of images; `run` executes its first argument as Python."""
    folder = tmp_path_factory.mktemp("images") / "run"
    folder.mkdir()
    (folder / "Dockerfile").write_text(DOCKERFILE, encoding="utf-8")
    (folder / "run.py").write_text(RUN, encoding="utf-8")
    return folder.parent


@pytest.fixture(scope="session")
def run_image(test_images: Path) -> str:
    """The reference of the image `run`."""
    return f"123456789012.dkr.ecr.us-east-1.amazonaws.com/run:{image_tag(test_images / 'run')}"


@pytest.fixture(scope="session")
def local_cloud(tmp_path_factory: pytest.TempPathFactory, test_images: Path) -> Iterator[Endpoint]:
    """A running local cloud, shared by the tests of this process: use names of your own."""
    state = tmp_path_factory.mktemp("cloud")
    yield control.start(state, images=[IMAGES, test_images])
    control.stop(state)


@pytest.fixture
def client(local_cloud: Endpoint) -> Client:
    """Makes boto3 clients of the shared local cloud."""
    return lambda service: client_for(local_cloud, service)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """A state directory of this test's own; whatever runs on it is stopped."""
    yield tmp_path / "state"
    control.stop(tmp_path / "state")
