"""One local cloud a worker, and one virtual environment a client, made when its first test runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local_batch import control
from tests.clients.cloud import Cloud, Shell, deploy
from tests.clients.virtual_environment import virtual_environment
from tests.contract.service import IMAGES as CONTRACT_IMAGES


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Eight vCPUs whatever the machine has: an engine's jobs wait more than they compute."""
    state, images = tmp_path_factory.mktemp("cloud"), tmp_path_factory.mktemp("images")
    endpoint = control.start(state, images=[images, CONTRACT_IMAGES], vcpus=8, memory_mib=32 * 1024)
    yield deploy(endpoint, images)
    assert control.stop(state)


@pytest.fixture
def shell_of(cloud: Cloud, tmp_path: Path) -> Callable[[str], Shell]:
    """A shell with a client's commands, in a directory of this test's own."""
    return lambda client: Shell(cloud, virtual_environment(client), tmp_path)
