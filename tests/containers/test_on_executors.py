"""Images as the local cloud runs them: as processes, and built on a base of its own as containers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from image_tags import image_tag
from local_batch.executors.container import ContainerExecutor
from local_batch.executors.image_store import ImageStore
from local_batch.executors.process import ProcessExecutor
from local_batch.executors.work import AttemptWork
from tests.container_engine import CONTAINER_MARKS, TestEngine
from tests.containers.program import CONTAINERS
from tests.local_batch.executors.workshop import Outcome, RecordingReporter

Run = Callable[..., Outcome]


def without_packages(folder: Path) -> Path:
    """The images, without what pip would install: the base that is made of this machine's files may have no pip, and
    nothing here uses an object.
    """
    for image in ("standin", "barrier"):
        shutil.copytree(CONTAINERS / image, folder / image)
    dockerfile = folder / "standin" / "Dockerfile"
    lines = [line for line in dockerfile.read_text().splitlines() if "requirements" not in line]
    dockerfile.write_text("\n".join(lines) + "\n")
    return folder


def runs(
    executor: ProcessExecutor | ContainerExecutor, reporter: RecordingReporter, registry: str, containers: Path
) -> Run:
    """What runs an image to its end."""

    def run(image: str, *command: str, environment: Mapping[str, str]) -> Outcome:
        reference = f"{registry}/{image}:{image_tag(containers / image)}"
        executor.start([AttemptWork("job", 1, reference, command, environment, vcpus=1, memory_mib=512)])
        return reporter.end_of("job", 1)

    return run


@pytest.fixture(params=["process", pytest.param("container", marks=CONTAINER_MARKS)])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Run]:
    """With each executor in turn."""
    reporter = RecordingReporter()
    containers = without_packages(tmp_path / "containers")
    images = ImageStore(roots=[containers], store=tmp_path / "images")
    if request.param == "process":
        process = ProcessExecutor(images=images, jobs_dir=tmp_path / "jobs", reporter=reporter)
        yield runs(process, reporter, "registry.example", containers)
        process.close()
        return
    engine: TestEngine = request.getfixturevalue("container_engine")
    container = ContainerExecutor(
        images=images, state=tmp_path, reporter=reporter, base_image=engine.base_image, environment=engine.environment
    )
    yield runs(container, reporter, engine.registry, containers)
    container.close()


def test_a_barrier_succeeds_whatever_it_is_told(run: Run) -> None:
    """At once, and says nothing."""
    ended = run("barrier", "--points", "5", environment={"HPC_CHILDREN": "no JSON"})
    assert (ended.start_failure, ended.exit_code, ended.texts) == (None, 0, [])


def test_a_child_runs_as_it_is_told(run: Run) -> None:
    """With its own command and not Batch's."""
    children = json.dumps({"children": [[["--exit-code", "1"], {}], [["--seconds", "0.1", "--exit-code", "5"], {}]]})
    ended = run("standin", "--seconds", "9", environment={"HPC_CHILDREN": children, "AWS_BATCH_JOB_ARRAY_INDEX": "1"})
    assert (ended.start_failure, ended.exit_code, ended.texts) == (None, 5, ["slept for 0.1 s"])


def test_a_child_that_is_none_fails_its_attempt(run: Run) -> None:
    """By the launcher's exit code; its line is in the log."""
    ended = run("standin", environment={"HPC_CHILDREN": "no JSON"})
    assert (ended.start_failure, ended.exit_code) == (None, 78)
    assert ended.texts[0].startswith("launcher: HPC_CHILDREN: is JSON, got 'no JSON'")
