"""Images of the container executor: built for real, once, from the folder that the tag names."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.container_engine import CONTAINER_MARKS, TestEngine
from tests.local_batch.executors.conftest import container_executor
from tests.local_batch.executors.workshop import ContainerWorkshop, RecordingReporter, Workshop

pytestmark = list(CONTAINER_MARKS)


def inspected(engine: TestEngine, reference: str) -> Any:
    """What the engine knows of an image."""
    return asyncio.run(engine.api.call("GET", f"/images/{reference}/json"))


def test_what_run_made_is_there(container_workshop: Workshop) -> None:
    """And what one build stage copies from another, and not what .dockerignore leaves out."""
    image = container_workshop.image(
        "FROM base\n"
        "RUN echo built > /made\n"
        "FROM ${BASE_IMAGE}\n"
        "COPY --from=0 /made /srv/made\n"
        "COPY . /srv/\n"
        'CMD ["sh", "-c", "cat /srv/made; ls /srv"]\n',
        files={".dockerignore": "*.log\n", "x.txt": "x", "x.log": "x"},
    )
    container_workshop.start(image)
    texts = container_workshop.end_of().texts
    assert texts[0] == "built"
    assert {"x.txt", "made"} <= set(texts[1:])
    assert "x.log" not in texts


def test_users_and_directories_of_the_image_are_honoured(container_workshop: Workshop) -> None:
    """USER and WORKDIR of the last stage."""
    image = container_workshop.image('FROM base\nWORKDIR /work\nUSER 12:34\nCMD ["sh", "-c", "id -u; id -g; pwd"]\n')
    container_workshop.start(image)
    assert container_workshop.end_of().texts == ["12", "34", "/work"]


def test_a_second_use_builds_nothing(container_engine: TestEngine, tmp_path: Path) -> None:
    """Nor does another local cloud, as long as the engine has the image."""
    identities = set()
    for name in ("one", "two"):
        reporter = RecordingReporter()
        executor = container_executor(tmp_path / name, reporter, container_engine)
        workshop = ContainerWorkshop(tmp_path / name / "containers", executor, reporter, container_engine.registry)
        image = workshop.image('FROM base\nRUN date +%N > /when\nCMD ["cat", "/when"]\n', name="dated")
        for attempt in (1, 2):
            workshop.start(image, attempt=attempt)
            texts = workshop.end_of(attempt=attempt).texts
            identities.add((inspected(container_engine, image)["Id"], *texts))
        executor.close()
    assert len(identities) == 1


def test_many_attempts_wait_for_one_build(container_workshop: Workshop) -> None:
    """All start from the same image."""
    image = container_workshop.image('FROM base\nRUN date +%N > /when\nCMD ["cat", "/when"]\n', name="awaited")
    for number in range(5):
        container_workshop.start(image, job_id=f"job-{number}")
    assert len({tuple(container_workshop.end_of(f"job-{number}").texts) for number in range(5)}) == 1


def test_an_image_on_another_base_is_built_anew(
    container_workshop: Workshop, container_engine: TestEngine, tmp_path: Path
) -> None:
    """The tag names the folder, not what its Dockerfile begins with."""
    image = container_workshop.image('FROM base\nCMD ["true"]\n', name="based")
    container_workshop.start(image)
    container_workshop.end_of()
    first = inspected(container_engine, image)
    assert first["Config"]["Labels"]["local-batch.base-image"] == container_engine.base_image
    derived = replace(container_engine, base_image=image)
    reporter = RecordingReporter()
    executor = container_executor(tmp_path, reporter, derived)
    ContainerWorkshop(tmp_path / "containers", executor, reporter).start(image)
    assert reporter.end_of("job", 1).exit_code == 0
    executor.close()
    second = inspected(container_engine, image)
    assert second["Config"]["Labels"]["local-batch.base-image"] == image
    assert second["Id"] != first["Id"]


def test_a_build_that_fails_shows_its_end(container_workshop: Workshop) -> None:
    """The last lines it wrote, and what the engine says of it."""
    image = container_workshop.image("FROM base\nRUN echo first; echo the reason >&2; exit 3\nCMD true\n")
    container_workshop.start(image)
    failure = container_workshop.end_of().start_failure
    assert failure is not None
    assert failure.startswith(f"CannotCreateContainerError: {image}: its build failed:\n")
    assert "the reason\n" in failure
    assert failure.splitlines()[-1].endswith("exit status 3") or "code: 3" in failure.splitlines()[-1]


def test_a_dockerfile_that_is_none_says_so(container_workshop: Workshop) -> None:
    """In the engine's words."""
    container_workshop.start(container_workshop.image("FROM base\nMAKE soup\n"))
    failure = container_workshop.end_of().start_failure
    assert failure is not None
    assert "its build failed" in failure
    assert "unknown instruction" in failure.lower()


def test_a_base_that_is_nowhere_cannot_be_pulled(container_workshop: Workshop) -> None:
    """And the option that names another is named."""
    image = container_workshop.image('FROM localhost:1/absent:1\nCMD ["true"]\n')
    container_workshop.start(image)
    failure = container_workshop.end_of().start_failure
    assert failure is not None
    assert failure.startswith(f"CannotPullContainerError: {image}: its base image is not to be had:\n")
    assert failure.endswith("\nname one that is, with --base-image")
