"""The images' folders: pinned, small, and run as nobody in particular."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from dockerfile_parse import DockerfileParser

from tests.containers.program import CONTAINERS

CHECKOUT = CONTAINERS.parent
IMAGES = ("dopi", "dopisecond", "fieldstats", "standin")


def instructions(image: str) -> list[tuple[str, str]]:
    """Instruction and value of each line of the image's Dockerfile."""
    parser = DockerfileParser(path=str(CONTAINERS / image), env_replace=False)
    return [(entry["instruction"], entry["value"]) for entry in parser.structure if entry["instruction"] != "COMMENT"]


def pins(path: Path) -> dict[str, str]:
    """Package -> exact version."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    return dict(line.split("==") for line in lines)


@pytest.mark.parametrize("image", IMAGES)
def test_the_base_is_an_exact_version_that_can_be_replaced(image: str) -> None:
    """A build argument names registry, version and distribution; nothing floats."""
    (name, base), (_, used) = instructions(image)[:2]
    assert name == "ARG"
    assert re.fullmatch(r"BASE_IMAGE=public\.ecr\.aws/docker/library/python:3\.\d+\.\d+-slim-[a-z]+", base)
    assert used == "${BASE_IMAGE}"


@pytest.mark.parametrize("image", IMAGES)
def test_the_program_is_not_run_as_root(image: str) -> None:
    """The last USER is a number that is not 0, which a policy can check without the image's passwd file."""
    users = [value for name, value in instructions(image) if name == "USER"]
    assert users == ["10001:10001"]


@pytest.mark.parametrize("image", IMAGES)
def test_the_program_is_the_process(image: str) -> None:
    """An exec-form entry point: signals reach the launcher, which the program takes over, not a shell."""
    entry = f'["python", "-IS", "launcher.py", "2", "python", "{image}.py"]'
    assert instructions(image)[-1] == ("ENTRYPOINT", entry)


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_has_the_versions_that_the_tests_ran_with(image: str) -> None:
    """What a container installs is pinned to what this checkout has."""
    project = pins(CHECKOUT / "requirements.txt")
    image_pins = pins(CONTAINERS / image / "requirements.txt")
    assert image_pins
    assert {package: project[package] for package in image_pins} == image_pins


def test_only_the_first_image_has_numpy() -> None:
    """The others get along with the standard library: images of half the size."""
    assert set(pins(CONTAINERS / "dopi" / "requirements.txt")) == {"boto3", "numpy"}
    for image in IMAGES[1:]:
        assert set(pins(CONTAINERS / image / "requirements.txt")) == {"boto3"}


@pytest.mark.parametrize("image", IMAGES)
def test_all_images_have_the_same_base(image: str) -> None:
    """One base, so that layers are shared and updated together."""
    assert instructions(image)[0] == instructions("dopi")[0]


@pytest.mark.parametrize("image", IMAGES)
def test_a_folder_holds_what_its_image_needs_and_no_more(image: str) -> None:
    """Every file is part of the content tag, so a stray one would make a new image."""
    files = {path.name for path in (CONTAINERS / image).iterdir() if path.is_file()}
    assert files == {"Dockerfile", "requirements.txt", "launcher.py", f"{image}.py"}


def test_the_image_of_mpi_jobs_has_an_exact_base_in_every_stage() -> None:
    """A dated Debian, named once, that a build argument can replace."""
    (name, base), *rest = instructions("mpi")
    assert name == "ARG"
    assert re.fullmatch(r"BASE_IMAGE=public\.ecr\.aws/docker/library/debian:[a-z]+-\d{8}-slim", base)
    assert [value for name, value in rest if name == "FROM"] == ["${BASE_IMAGE} AS program", "${BASE_IMAGE}"]


def test_the_image_of_mpi_jobs_is_not_run_as_root_and_its_program_is_the_process() -> None:
    """Its user has a name all the same, which sshd asks for."""
    entry = '["python3", "-IS", "/opt/mpi/launcher.py", "2", "python3", "/opt/mpi/bringup.py"]'
    assert instructions("mpi")[-2:] == [("USER", "10001:10001"), ("ENTRYPOINT", entry)]
    assert any("useradd --uid 10001" in value for name, value in instructions("mpi") if name == "RUN")


def test_the_image_of_mpi_jobs_keeps_no_key() -> None:
    """The package of sshd makes host keys: they go in the same layer."""
    (installed,) = [value for name, value in instructions("mpi") if name == "RUN" and "openssh-server" in value]
    assert "rm -rf /var/lib/apt/lists/* /etc/ssh/ssh_host_*" in installed


def test_the_image_of_barriers_is_one_file_and_succeeds_at_once() -> None:
    """An exact base of a few MiB that a build argument can replace, and a program that every base has."""
    (name, base), (_, used), *rest = instructions("barrier")
    assert name == "ARG"
    assert re.fullmatch(r"BASE_IMAGE=public\.ecr\.aws/docker/library/busybox:\d+\.\d+\.\d+-[a-z]+", base)
    assert used == "${BASE_IMAGE}"
    assert rest == [("USER", "10001:10001"), ("ENTRYPOINT", '["true"]')]
    assert [path.name for path in (CONTAINERS / "barrier").iterdir()] == ["Dockerfile"]
