"""The executors under test: one suite of behaviour runs over each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local_batch.executors.image_store import ImageStore
from local_batch.executors.process import ProcessExecutor
from local_batch.executors.work import Executor, Reporter
from tests.local_batch.executors.workshop import RecordingReporter, Workshop


def process_executor(directory: Path, reporter: Reporter) -> Executor:
    """The default executor, with images in `directory/containers`."""
    images = ImageStore(roots=[directory / "containers"], store=directory / "images")
    return ProcessExecutor(images=images, jobs_dir=directory / "jobs", reporter=reporter)


EXECUTORS: dict[str, Callable[[Path, Reporter], Executor]] = {"process": process_executor}


def _workshop(kind: str, directory: Path) -> Iterator[Workshop]:
    reporter = RecordingReporter()
    executor = EXECUTORS[kind](directory, reporter)
    yield Workshop(directory / "containers", executor, reporter)
    executor.close()


@pytest.fixture(params=list(EXECUTORS))
def workshop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workshop]:
    """A workshop with each executor in turn."""
    yield from _workshop(request.param, tmp_path)


@pytest.fixture
def process_workshop(tmp_path: Path) -> Iterator[Workshop]:
    """A workshop with the process executor, for what only that promises."""
    yield from _workshop("process", tmp_path)
