"""One service for each worker of the run, driven through boto3 over its socket and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local_batch import control
from tests.contract.service import IMAGES, Service, clients, deploy


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The local Batch with its queues; eight vCPUs whatever the machine has, since these jobs do next to nothing."""
    state = tmp_path_factory.mktemp("contract")
    endpoint = control.start(state, images=[IMAGES], vcpus=8, memory_mib=32 * 1024)
    batch, logs = clients(endpoint, "batch", "logs")
    deploy(batch)
    yield Service(endpoint, batch, logs)
    assert control.stop(state)
