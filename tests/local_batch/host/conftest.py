"""A real local cloud per test process, and clients for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from local_batch import control
from local_batch.host.state_directory import Endpoint

IMAGES = Path(__file__).resolve().parents[3] / "containers"

Client = Callable[[str], Any]


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
def local_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """A running local cloud, shared by the tests of this process: use names of your own."""
    state = tmp_path_factory.mktemp("cloud")
    yield control.start(state, images=[IMAGES])
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
