"""The image builder's build specification and script, run as real processes on an archive that `hpc` packed.

Most tests give them programs named docker and aws that note what they are told; one has a real engine build an image
and push it to a real registry, the local cloud's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from image_tags import image_tag
from local_batch import control
from local_batch.executors.engine_socket import engine_socket
from local_batch.executors.errors import EngineError
from runner.image_archive import pack
from runner.image_push import Image
from tests.container_engine import needs_engine
from tests.local_batch.host.conftest import client_for

BUILDER = Path(__file__).resolve().parents[2] / "containers" / "builder"
REGISTRY = "111122223333.dkr.ecr.eu-central-1.amazonaws.com"

DOCKER = """\
#!/bin/sh
# Notes its arguments; FAILING is the beginning of those that fail.
printf '%s\\n' "$*" >> "$NOTES"
case "$*" in
  "$FAILING"*) echo "no space left" >&2; exit 7 ;;
  login*) printf 'password: %s\\n' "$(cat)" >> "$NOTES" ;;
  build*) cat > /dev/null ;;
esac
"""

AWS = """\
#!/bin/sh
# PUSHED is the image that is there; NO_LOGIN says why there is no password.
case "$*" in
  "ecr get-login-password") [ -z "$NO_LOGIN" ] || { echo "$NO_LOGIN" >&2; exit 255; }; echo registry-password ;;
  "ecr describe-images --repository-name ${PUSHED%:*} --image-ids imageTag=${PUSHED#*:}") exit 0 ;;
  "ecr describe-images "*) echo ImageNotFoundException >&2; exit 254 ;;
  *) exit 3 ;;
esac
"""

REAL_AWS = f"""\
#!{sys.executable}
import base64, botocore.session, sys
ecr = botocore.session.Session().create_client("ecr")
if sys.argv[2] == "get-login-password":
    answer = ecr.get_authorization_token()
    print(base64.b64decode(answer["authorizationData"][0]["authorizationToken"]).decode().partition(":")[2])
else:
    _, _, command, _, repository, _, tag = sys.argv
    assert command == "describe-images", sys.argv
    ecr.describe_images(repositoryName=repository, imageIds=[{{"imageTag": tag.removeprefix("imageTag=")}}])
"""
"""The two commands of `aws`, for machines without the AWS command line: the same calls, really made."""


def folder(root: Path, name: str) -> Path:
    """An image's folder that builds from nothing, with a file that may be executed."""
    made = root / name
    made.mkdir()
    (made / "Dockerfile").write_text('FROM scratch\nCOPY program /\nENTRYPOINT ["/program"]\n')
    (made / "program").write_text(f"#!/bin/{name}\n")
    (made / "program").chmod(0o755)
    return made


def image(path: Path, registry: str = REGISTRY) -> Image:
    """As a deployment of the folder would name it."""
    uri = f"{registry}/repository-{path.name}:{image_tag(path)}"
    return Image(name=path.name, folder=path, uri=uri, is_current=True, is_pushed=False)


class Build:
    """A build's machine: a directory that the archive is unpacked in, with programs of the test's first on the PATH."""

    def __init__(self, directory: Path, programs: Mapping[str, str]) -> None:
        self.directory = directory
        self.source = directory / "source"
        self.notes = directory / "notes"
        self.notes.write_text("")
        binaries = directory / "bin"
        binaries.mkdir(parents=True)
        for name, text in programs.items():
            (binaries / name).write_text(text)
            (binaries / name).chmod(0o755)
        self.environment = {
            "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(directory),
            "PLATFORM": "linux/amd64",
            "NOTES": str(self.notes),
            "FAILING": "nothing",
            "PUSHED": "nothing:at-all",
            "NO_LOGIN": "",
        }

    def run(self, *images: Image, **environment: str) -> subprocess.CompletedProcess[str]:
        """Every command of the build specification, in one shell as CodeBuild runs them, up to the first that fails."""
        specification = yaml.safe_load((BUILDER / "buildspec.yml").read_text())
        assert (specification["version"], specification["env"]["shell"]) == (0.2, "bash")
        shutil.rmtree(self.source, ignore_errors=True)
        archive = self.directory / "source.zip"
        archive.write_bytes(pack(images, BUILDER).content)
        with zipfile.ZipFile(archive) as zipped:
            zipped.extractall(self.source)
        commands = "\n".join(f"{command} || exit $?" for command in specification["phases"]["build"]["commands"])
        return subprocess.run(
            ["bash", "-c", commands],
            cwd=self.source,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    def told(self) -> list[str]:
        """What docker was told, command by command."""
        return self.notes.read_text().splitlines()


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """With programs that only note."""
    (tmp_path / "machine").mkdir()
    return Build(tmp_path / "machine", {"docker": DOCKER, "aws": AWS})


def test_every_image_is_built_for_the_platform_and_pushed(build: Build, tmp_path: Path) -> None:
    """After one login to their registry, whose password is in no command."""
    one, two = (image(folder(tmp_path, name)) for name in ("one", "two"))
    done = build.run(one, two)
    assert (done.returncode, done.stderr) == (0, "")
    assert build.told() == [
        f"login --username AWS --password-stdin {REGISTRY}",
        "password: registry-password",
        f"build --platform linux/amd64 --tag {one.uri} one",
        f"push {one.uri}",
        f"build --platform linux/amd64 --tag {two.uri} two",
        f"push {two.uri}",
    ]
    assert [line for line in done.stdout.splitlines() if line.startswith("images: ")] == [
        "images: one: building for linux/amd64",
        f"images: one: pushing {one.uri}",
        "images: one: pushed",
        "images: two: building for linux/amd64",
        f"images: two: pushing {two.uri}",
        "images: two: pushed",
    ]


def test_an_image_that_is_there_is_left_alone(build: Build, tmp_path: Path) -> None:
    """A build that was interrupted can be repeated; tags never move."""
    one, two = (image(folder(tmp_path, name)) for name in ("one", "two"))
    done = build.run(one, two, PUSHED=one.uri.partition("/")[2])
    assert done.returncode == 0
    assert "images: one: is there already" in done.stdout
    assert not any(one.uri in line for line in build.told())
    assert f"push {two.uri}" in build.told()


@pytest.mark.parametrize("failing", ["login", "build", "push"])
def test_the_first_command_that_fails_ends_it_with_its_exit_code(build: Build, tmp_path: Path, failing: str) -> None:
    """And what it said is in the log."""
    one, two = (image(folder(tmp_path, name)) for name in ("one", "two"))
    done = build.run(one, two, FAILING=failing)
    assert done.returncode == 7
    assert "no space left" in done.stderr
    assert build.told()[-1].startswith(failing)
    assert "two: " not in done.stdout


def test_no_password_is_no_build(build: Build, tmp_path: Path) -> None:
    """What aws fails with is not lost in the pipe."""
    done = build.run(image(folder(tmp_path, "one")), NO_LOGIN="AccessDenied")
    assert done.returncode == 255
    assert "AccessDenied" in done.stderr
    assert not any(line.startswith("build") for line in build.told())


def test_without_a_platform_its_usage_is_told(build: Build, tmp_path: Path) -> None:
    """And nothing is done."""
    done = build.run(image(folder(tmp_path, "one")), PLATFORM="")
    assert done.returncode == 64
    assert "PLATFORM=linux/amd64" in done.stderr
    assert build.told() == []


def test_what_is_unpacked_has_the_content_that_the_tag_stands_for(build: Build, tmp_path: Path) -> None:
    """Names, bytes and executable bits."""
    path = folder(tmp_path, "one")
    build.run(image(path))
    assert image_tag(build.source / "one") == image_tag(path)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[control.Endpoint]:
    """A local cloud, whose ECR is a registry at its own address."""
    state = tmp_path / "cloud"
    endpoint = control.start(state, images=[])
    yield endpoint
    control.stop(state)


def docker_program(directory: Path, address: str) -> Mapping[str, str]:
    """A program named docker, and what it needs to push to that address without TLS; skips where there is no engine."""
    configuration = directory / "registries.conf"
    configuration.write_text(f'[[registry]]\nlocation = "{address}"\ninsecure = true\n')
    try:
        if engine_socket(os.environ) is not None and shutil.which("docker"):
            return {}  # docker itself, which takes all of 127/8 for insecure
    except EngineError as error:
        pytest.skip(str(error))
    podman = shutil.which("podman")
    if podman is None:
        pytest.skip("needs docker with an engine, or podman; got neither")
    return {"docker": f'#!/bin/sh\nCONTAINERS_REGISTRIES_CONF={configuration} exec {podman} "$@"\n'}


@needs_engine
def test_a_real_engine_builds_and_pushes_to_a_real_registry(registry: control.Endpoint, tmp_path: Path) -> None:
    """The very same commands; the second time the image is left alone, though the folder is sent again."""
    address = registry.endpoint.removeprefix("http://")
    ecr: Any = client_for(registry, "ecr")
    path = folder(tmp_path, "one")
    wanted = image(path, address)
    ecr.create_repository(repositoryName="repository-one")
    (tmp_path / "machine").mkdir()
    build = Build(tmp_path / "machine", {"aws": REAL_AWS, **docker_program(tmp_path, address)})
    build.environment |= control.environment(registry)
    done = build.run(wanted)
    try:
        assert done.returncode == 0, done.stdout + done.stderr
        (there,) = ecr.describe_images(repositoryName="repository-one")["imageDetails"]
        assert there["imageTags"] == [image_tag(path)]
        again = build.run(wanted)
        assert (again.returncode, again.stdout.count("is there already")) == (0, 1), again.stdout + again.stderr
        (still,) = ecr.describe_images(repositoryName="repository-one")["imageDetails"]
        assert still["imageDigest"] == there["imageDigest"]
    finally:
        subprocess.run(
            ["docker", "rmi", "--force", wanted.uri], env=build.environment, capture_output=True, check=False
        )
