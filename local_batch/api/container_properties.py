"""What a container of a job definition may ask for, on Fargate and on EC2, alone or on a range of nodes.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_ContainerProperties.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from local_batch.api.container_secrets import check_secrets
from local_batch.api.linux_parameters import check_linux_parameters
from local_batch.api.log_configuration import check_log_configuration
from local_batch.api.refusals import check_command, check_environment, not_played, refuse
from local_batch.api.resource_requirements import check_requirements
from local_batch.api.volumes import check_volumes
from local_batch.engine.resources import Platform

UNPLAYED_BY_JOBS: Final = ("repositoryCredentials", "enableExecuteCommand")
"""What a definition may have, so that a deployment can declare it, and no job can be submitted with."""

_NOT_ON_EC2: Final[Mapping[str, str]] = MappingProxyType(
    {
        "networkConfiguration": "networkConfiguration not applicable for EC2.",
        "fargatePlatformConfiguration": "fargatePlatformConfiguration not applicable for EC2.",
        "runtimePlatform": "runtimePlatform is not applicable for EC2.",
        "ephemeralStorage": "ephemeralStorage is not applicable for EC2.",
    }
)
_FARGATE_PRIVILEGED: Final = (
    "Fargate requires that the \u2018privileged\u2019 setting be \u2018false\u2019 at the container level."
)
_IMAGE_PATTERN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/#@-]{0,254}")
_USER_PATTERN: Final = re.compile(r"[a-z0-9_][a-z0-9_-]{0,30}")
_ARCHITECTURES: Final = ("X86_64", "ARM64")
_EPHEMERAL_STORAGE_GIB: Final = (21, 200)
_SHOWN_EMPTY: Final = (
    "command",
    "volumes",
    "environment",
    "mountPoints",
    "ulimits",
    "resourceRequirements",
    "secrets",
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a container is to run: what is right there depends on it."""

    platform: Platform
    region: str
    is_node: bool = False
    """On a node of a multi-node parallel job: its size may be given as late as the submission."""


def check_container(container: Mapping[str, Any], place: Place) -> None:
    """Raise ApiError for what the service refuses or the local cloud does not play."""
    image = container.get("image")
    if not image:
        raise refuse("Container image must be specified.")
    if not _IMAGE_PATTERN.fullmatch(image):
        raise refuse(f"Image names have 1 to 255 letters, digits and any of _.:/#@-, got {image[:80]!r}.")
    if place.platform is Platform.FARGATE:
        _check_fargate(container)
    else:
        for name, text in _NOT_ON_EC2.items():
            if container.get(name):
                raise refuse(text)
    if container.get("instanceType") and not place.is_node:
        raise refuse("instanceType is only applicable to multi-node parallel jobs.")
    if container.get("user") and not _USER_PATTERN.fullmatch(container["user"]):
        raise refuse(f"User '{container['user']}' does not match regex")
    check_linux_parameters(container, place.platform)
    check_volumes(container, place.platform)
    check_log_configuration(container, place.platform, place.region)
    check_environment(container.get("environment") or ())
    check_command(container.get("command") or ())
    check_secrets(container)
    check_requirements(container, place.platform, is_complete=not place.is_node)


def shown_container(container: Mapping[str, Any], platform: Platform) -> dict[str, Any]:
    """The container as the service shows it: with the lists that nobody gave and the defaults it fills in.

    hashicorp/terraform-provider-aws (internal/service/batch/container_properties.go) takes the same ones away again.
    """
    shown: dict[str, Any] = {name: [] for name in _SHOWN_EMPTY}
    shown |= {name: value for name, value in container.items() if value is not None}
    if platform is Platform.FARGATE:
        given = shown.get("fargatePlatformConfiguration") or {}
        shown["fargatePlatformConfiguration"] = {"platformVersion": "LATEST", **given}
    if "linuxParameters" in shown:
        shown["linuxParameters"] = {"devices": [], "tmpfs": [], **shown["linuxParameters"]}
    if "logConfiguration" in shown:
        shown["logConfiguration"] = {"options": {}, "secretOptions": [], **shown["logConfiguration"]}
    # CDK writes empty structures where it has nothing to say.
    return {name: value for name, value in shown.items() if value != {}}


def _check_fargate(container: Mapping[str, Any]) -> None:
    if container.get("privileged"):
        raise refuse(_FARGATE_PRIVILEGED)
    if container.get("vcpus") or container.get("memory"):
        raise refuse("vcpus and memory are not applicable for Fargate, use resourceRequirements.")
    storage = container.get("ephemeralStorage")
    least, most = _EPHEMERAL_STORAGE_GIB
    if storage and not least <= storage["sizeInGiB"] <= most:
        raise refuse(f"Ephemeral storage for Fargate tasks can be only between range {least} GiB to {most} GiB")
    if not container.get("executionRoleArn"):
        raise refuse("executionRoleArn is required for Fargate jobs.")
    runtime = container.get("runtimePlatform") or {}
    if (runtime.get("operatingSystemFamily") or "LINUX") != "LINUX":
        raise not_played("containerProperties.runtimePlatform.operatingSystemFamily", runtime["operatingSystemFamily"])
    if runtime.get("cpuArchitecture") not in (None, "", *_ARCHITECTURES):
        raise refuse(f"cpuArchitecture is one of {', '.join(_ARCHITECTURES)}, got {runtime['cpuArchitecture']!r}.")
