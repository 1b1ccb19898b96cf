"""The executors under test: one suite of behaviour runs over each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local_batch.executors.container import ContainerExecutor
from local_batch.executors.image_store import ImageStore
from local_batch.executors.process import ProcessExecutor
from local_batch.executors.work import Executor, Reporter
from tests.container_engine import CONTAINER_MARKS, TestEngine
from tests.local_batch.executors.workshop import ContainerWorkshop, RecordingReporter, Workshop


def process_executor(directory: Path, reporter: Reporter) -> Executor:
    """The default executor, with images in `directory/containers`."""
    images = ImageStore(roots=[directory / "containers"], store=directory / "images")
    return ProcessExecutor(images=images, jobs_dir=directory / "jobs", reporter=reporter)


def container_executor(directory: Path, reporter: Reporter, engine: TestEngine) -> ContainerExecutor:
    """The other one, with the same images, built on the base image that the engine was given."""
    images = ImageStore(roots=[directory / "containers"], store=directory / "images")
    return ContainerExecutor(
        images=images,
        state=directory,
        reporter=reporter,
        base_image=engine.base_image,
        environment=engine.environment,
    )


@pytest.fixture(params=["process", pytest.param("container", marks=CONTAINER_MARKS)])
def workshop(request: pytest.FixtureRequest) -> Workshop:
    """A workshop with each executor in turn."""
    opened: Workshop = request.getfixturevalue(f"{request.param}_workshop")
    return opened


@pytest.fixture
def process_workshop(tmp_path: Path) -> Iterator[Workshop]:
    """A workshop with the process executor, for what only that promises."""
    reporter = RecordingReporter()
    executor = process_executor(tmp_path, reporter)
    yield Workshop(tmp_path / "containers", executor, reporter)
    executor.close()


@pytest.fixture
def container_workshop(tmp_path: Path, container_engine: TestEngine) -> Iterator[Workshop]:
    """A workshop with the container executor, for what only that promises."""
    reporter = RecordingReporter()
    executor = container_executor(tmp_path, reporter, container_engine)
    yield ContainerWorkshop(tmp_path / "containers", executor, reporter, container_engine.registry)
    executor.close()
