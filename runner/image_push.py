"""Builds the images that a deployment needs and pushes those that its repositories lack."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from botocore.exceptions import ClientError

from image_tags import image_tag
from runner.aws_clients import EcrClient
from runner.errors import HpcError, InputError

ENGINES: Final = ("docker", "podman", "buildah")
"""In this order the first that is there is used."""

PLATFORMS: Final[Mapping[str, str]] = MappingProxyType({"x86_64": "linux/amd64", "arm64": "linux/arm64"})
"""A deployment's CPU architecture -> the platform as container engines say it."""

_MACHINES: Final[Mapping[str, str]] = MappingProxyType({"amd64": "x86_64", "aarch64": "arm64"})
"""Other names that machines have for the two architectures."""

ONE_IMAGE: Final[Mapping[str, str]] = MappingProxyType({"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"})
"""Keeps docker from pushing an index of image and attestation: a tag then names what is scanned and pinned.

Source: https://docs.docker.com/build/building/variables/#buildx_no_default_attestations
"""

RunCommand = Callable[[Sequence[str], str | None], int]
"""Runs a command with this text on its standard input; its exit code."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image folder, and where the deployment expects what is built from it."""

    name: str
    folder: Path
    uri: str
    """`registry/repository:tag`, as the deployment's job definitions name it."""
    is_current: bool
    """Whether the folder still has the content that the tag stands for."""
    is_pushed: bool

    @property
    def registry(self) -> str:
        """Host, and port where there is one."""
        return self.uri.partition("/")[0]

    def state(self) -> str:
        """In a word or two."""
        if self.is_pushed:
            return "pushed"
        return "missing" if self.is_current else "missing, and the folder has changed since the deployment"


def images(ecr: EcrClient, uris: Mapping[str, str], root: Path) -> list[Image]:
    """Every image of a deployment; `uris` by folder name, `root` the folder of those folders."""
    found = []
    for name, uri in uris.items():
        repository, _, tag = uri.partition("/")[2].rpartition(":")
        folder = root / name
        try:
            is_current = image_tag(folder) == tag
        except FileNotFoundError as error:
            raise InputError(str(error)) from None
        found.append(
            Image(name=name, folder=folder, uri=uri, is_current=is_current, is_pushed=_has(ecr, repository, tag))
        )
    return found


def _has(ecr: EcrClient, repository: str, tag: str) -> bool:
    try:
        answer = ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])
    except ClientError as error:
        if error.response["Error"]["Code"] == "ImageNotFoundException":
            return False
        raise
    return bool(answer["imageDetails"])


def missing(all_images: Iterable[Image]) -> list[Image]:
    """Those to build and push; InputError where a folder is no longer what was deployed."""
    wanted = [image for image in all_images if not image.is_pushed]
    changed = [image for image in wanted if not image.is_current]
    if changed:
        raise InputError.of(
            f"{image.folder}: has the content that the deployment's tag {image.uri.rpartition(':')[2]} stands for, got "
            "another; deploy again, then push"
            for image in changed
        )
    return wanted


def find_engine(which: Callable[[str], str | None] = shutil.which) -> str:
    """The first container engine there is; InputError for none."""
    for engine in ENGINES:
        if which(engine):
            return engine
    raise InputError(f"PATH: has one of {', '.join(ENGINES)} to build images with, got none; install one")


def explain_emulation(architecture: str, machine: str) -> str | None:
    """What a build for an architecture needs on a machine (`platform.machine()`) of another; None on one of its own."""
    if _MACHINES.get(machine.lower(), machine.lower()) == architecture:
        return None
    return (
        f"images are for {architecture}, this machine is {machine}: their RUN lines need an emulator (qemu-user-static "
        "registered with binfmt_misc; Docker Desktop has it), else they end with 'exec format error'; "
        "hpc images push --in-cloud needs none"
    )


def commands(image: Image, engine: str, architecture: str) -> list[list[str]]:
    """What builds and pushes an image for a CPU architecture, login apart."""
    build = [engine, "build", "--platform", PLATFORMS[architecture], "--tag", image.uri, str(image.folder)]
    return [build, [engine, "push", image.uri]]


def login_command(registry: str, user: str, engine: str) -> list[str]:
    """What logs in, its password being read from standard input: a command line can be seen by every process."""
    return [engine, "login", "--username", user, "--password-stdin", registry]


def push(ecr: EcrClient, wanted: Sequence[Image], engine: str, architecture: str, run: RunCommand) -> None:
    """Log in, build, push; HpcError for the first command that fails."""
    if not wanted:
        return
    user, password = _authorization(ecr)
    for registry in dict.fromkeys(image.registry for image in wanted):
        _checked(login_command(registry, user, engine), run, password)
    for image in wanted:
        for command in commands(image, engine, architecture):
            _checked(command, run, None)


def _authorization(ecr: EcrClient) -> tuple[str, str]:
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    user, _, password = base64.b64decode(token).decode().partition(":")
    return user, password


def _checked(command: Sequence[str], run: RunCommand, standard_input: str | None) -> None:
    code = run(command, standard_input)
    if code:
        raise HpcError(f"{' '.join(command)}: ends with exit code 0, got {code}; see its output above")


def run_command(command: Sequence[str], standard_input: str | None) -> int:
    """Run a command whose output the user sees, on stderr."""
    environment = {**os.environ, **ONE_IMAGE}
    done = subprocess.run(command, input=standard_input, text=True, stdout=2, env=environment, check=False)
    return done.returncode
