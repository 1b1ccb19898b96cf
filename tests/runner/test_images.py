"""Images: what is missing, what would be run, and where the password goes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from image_tags import image_tag
from runner import image_push
from runner.errors import HpcError, InputError
from tests.runner.fake_aws import FakeEcr

REGISTRY = "111122223333.dkr.ecr.eu-central-1.amazonaws.com"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two image folders."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Dockerfile").write_text(f"FROM scratch\nENV NAME={name}\n")
    return tmp_path


def uris(root: Path) -> dict[str, str]:
    """As a deployment of the folders' present content would name them."""
    return {name: f"{REGISTRY}/repo/{name}:{image_tag(root / name)}" for name in ("one", "two")}


class Shell:
    """Notes commands; those that begin like `failing` fail."""

    def __init__(self, failing: str = "nothing") -> None:
        self.ran: list[tuple[str, str | None]] = []
        self.failing = failing

    def __call__(self, command: Sequence[str], standard_input: str | None) -> int:
        """Run nothing."""
        self.ran.append((" ".join(command), standard_input))
        return 1 if " ".join(command).startswith(self.failing) else 0


@pytest.mark.parametrize("empty_for_absent", [True, False])
def test_only_what_is_missing_is_built_and_pushed(root: Path, *, empty_for_absent: bool) -> None:
    """ECR says that a tag is absent by an error, some stand-ins by an empty list."""
    ecr = FakeEcr({"repo/one": {image_tag(root / "one")}}, empty_for_absent=empty_for_absent)
    found = image_push.images(ecr, uris(root), root)
    assert [(image.name, image.is_pushed, image.state()) for image in found] == [
        ("one", True, "pushed"),
        ("two", False, "missing"),
    ]
    shell = Shell()
    image_push.push(ecr, image_push.missing(found), "podman", "x86_64", shell)
    uri = uris(root)["two"]
    assert shell.ran == [
        (f"podman login --username AWS --password-stdin {REGISTRY}", "registry-password"),
        (f"podman build --platform linux/amd64 --tag {uri} {root / 'two'}", None),
        (f"podman push {uri}", None),
    ]


def test_the_registrys_password_is_in_no_command(root: Path) -> None:
    """Every process of the machine can read command lines."""
    shell = Shell()
    image_push.push(FakeEcr({}), image_push.images(FakeEcr({}), uris(root), root), "docker", "x86_64", shell)
    assert all("registry-password" not in command for command, _ in shell.ran)
    assert [given for _, given in shell.ran].count("registry-password") == 1


def test_nothing_missing_is_nothing_done(root: Path) -> None:
    """Not even a login."""
    shell = Shell()
    image_push.push(FakeEcr({}), [], "docker", "x86_64", shell)
    assert shell.ran == []


def test_a_folder_that_changed_since_the_deployment_is_not_pushed_as_the_old_one(root: Path) -> None:
    """A tag means one content, for ever."""
    deployed = uris(root)
    (root / "two" / "Dockerfile").write_text("FROM scratch\n")
    found = image_push.images(FakeEcr({}), deployed, root)
    assert found[1].state() == "missing, and the folder has changed since the deployment"
    with pytest.raises(InputError, match=r"two: has the content .* deploy again, then push"):
        image_push.missing(found)


def test_a_folder_that_is_not_there_is_named(root: Path) -> None:
    """As with a wrong --root."""
    with pytest.raises(InputError, match="an image's folder holds a Dockerfile, got none"):
        image_push.images(FakeEcr({}), uris(root), root / "elsewhere")


@pytest.mark.parametrize("failing", ["docker login", "docker build", "docker push"])
def test_the_first_command_that_fails_ends_it(root: Path, failing: str) -> None:
    """Named, without what was on its standard input."""
    shell = Shell(failing)
    with pytest.raises(HpcError, match=f"{failing} .*ends with exit code 0, got 1") as caught:
        image_push.push(FakeEcr({}), image_push.images(FakeEcr({}), uris(root), root), "docker", "x86_64", shell)
    assert shell.ran[-1][0].startswith(failing)
    assert "registry-password" not in str(caught.value)


def test_the_first_engine_on_the_path_is_used() -> None:
    """docker, podman, buildah; none is an error that names them."""
    assert image_push.find_engine(lambda name: "/bin/x" if name in {"buildah", "podman"} else None) == "podman"
    with pytest.raises(InputError, match="has one of docker, podman, buildah to build images with, got none"):
        image_push.find_engine(lambda _name: None)


def test_commands_are_really_run_with_their_input(capfd: pytest.CaptureFixture[str]) -> None:
    """Their output goes to stderr: stdout is for data."""
    assert image_push.run_command(["cat"], "given") == 0
    assert image_push.run_command(["sh", "-c", "exit 3"], None) == 3
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "given")
