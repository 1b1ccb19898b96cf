"""What a container of a job definition may ask for, on Fargate and on EC2.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_ContainerProperties.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from batch_limits import explain_fargate_size
from local_batch.api.refusals import check_command, check_environment, not_played, refuse, refuse_unplayed
from local_batch.engine.jobs import Demand
from local_batch.engine.resources import Platform

_UNPLAYED: Final = (
    "volumes",
    "mountPoints",
    "privileged",
    "ulimits",
    "secrets",
    "linuxParameters",
    "instanceType",
    "repositoryCredentials",
    "enableExecuteCommand",
    "user",
    "readonlyRootFilesystem",
)
_NOT_ON_EC2: Final[Mapping[str, str]] = MappingProxyType(
    {
        "networkConfiguration": "networkConfiguration not applicable for EC2.",
        "fargatePlatformConfiguration": "fargatePlatformConfiguration not applicable for EC2.",
        "runtimePlatform": "runtimePlatform is not applicable for EC2.",
        "ephemeralStorage": "ephemeralStorage is not applicable for EC2.",
    }
)
_NOT_ON_FARGATE_LINUX_PARAMETERS: Final = ("devices", "sharedMemorySize", "swappiness", "tmpfs", "maxSwap")
_FARGATE_LOG_DRIVERS: Final = ("awslogs", "splunk", "awsfirelens")
_USER_PATTERN: Final = re.compile(r"([a-z0-9_][a-z0-9_-]{0,30})(:[a-z0-9_][a-z0-9_-]{0,30})?")
_NUMBER_PATTERN: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")
_MIN_EC2_MEMORY_MIB: Final = 4
_EPHEMERAL_STORAGE_GIB: Final = (21, 200)


def check_container(container: Mapping[str, Any], platform: Platform) -> None:
    """Raise ApiError for what the service refuses or the local cloud does not play."""
    if not container.get("image"):
        raise refuse("Container image must be specified.")
    if platform is Platform.FARGATE:
        _check_fargate(container)
    else:
        for name, text in _NOT_ON_EC2.items():
            if container.get(name):
                raise refuse(text)
    if container.get("user") and not _USER_PATTERN.fullmatch(container["user"]):
        raise refuse(f"User '{container['user']}' does not match regex")
    refuse_unplayed(container, _UNPLAYED, "containerProperties.")
    _check_log_configuration(container.get("logConfiguration") or {})
    check_environment(container.get("environment") or ())
    check_command(container.get("command") or ())
    demand_of(resource_requirements(container), platform)


def _check_fargate(container: Mapping[str, Any]) -> None:
    if container.get("ulimits"):
        raise refuse("ulimits is not applicable for Fargate.")
    if container.get("vcpus") or container.get("memory"):
        raise refuse("vcpus and memory are not applicable for Fargate, use resourceRequirements.")
    for name in _NOT_ON_FARGATE_LINUX_PARAMETERS:
        if (container.get("linuxParameters") or {}).get(name):
            raise refuse(f"linuxParameter.{name} is not allowed for Fargate.")
    if any((volume.get("host") or {}).get("sourcePath") for volume in container.get("volumes") or ()):
        raise refuse("host.sourcePath should not be set for volumes in Fargate.")
    if any(entry["type"] == "GPU" for entry in container.get("resourceRequirements") or ()):
        raise refuse("GPU is not applicable for Fargate.")
    driver = (container.get("logConfiguration") or {}).get("logDriver", "awslogs")
    if driver not in _FARGATE_LOG_DRIVERS:
        raise refuse(f"Log driver for Fargate is not valid: {driver}")
    storage = container.get("ephemeralStorage")
    least, most = _EPHEMERAL_STORAGE_GIB
    if storage and not least <= storage["sizeInGiB"] <= most:
        raise refuse(f"Ephemeral storage for Fargate tasks can be only between range {least} GiB to {most} GiB")
    if not container.get("executionRoleArn"):
        raise refuse("executionRoleArn is required for Fargate.")


def _check_log_configuration(configuration: Mapping[str, Any]) -> None:
    driver = configuration.get("logDriver", "awslogs")
    if driver != "awslogs":
        raise not_played("containerProperties.logConfiguration.logDriver", driver)
    refuse_unplayed(configuration, ("secretOptions",), "containerProperties.logConfiguration.")


def resource_requirements(container: Mapping[str, Any]) -> list[dict[str, str]]:
    """Its resourceRequirements; the deprecated vcpus and memory count where these say nothing."""
    requirements = [dict(entry) for entry in container.get("resourceRequirements") or ()]
    given = {entry["type"] for entry in requirements}
    for name, kind in (("vcpus", "VCPU"), ("memory", "MEMORY")):
        if container.get(name) and kind not in given:
            requirements.append({"value": str(container[name]), "type": kind})
    return requirements


def demand_of(requirements: Iterable[Mapping[str, str]], platform: Platform) -> Demand:
    """The numbers of a list of resource requirements, checked for the platform."""
    values: dict[str, str] = {}
    for entry in requirements:
        if entry["type"] in values:
            raise refuse("Cannot provide duplicates in resourceRequirements.")
        values[entry["type"]] = entry["value"]
    if "GPU" in values:
        raise not_played("resourceRequirements GPU", values["GPU"])
    vcpus, memory_mib = _number(values, "VCPU", "vCPU"), _number(values, "MEMORY", "Memory")
    if memory_mib != int(memory_mib):
        raise refuse(f"Memory must be a whole number of MiB, got {values['MEMORY']}.")
    if platform is Platform.FARGATE:
        misfit = explain_fargate_size(vcpus, int(memory_mib))
        if misfit is not None:
            raise refuse(f"Fargate resource requirements ({vcpus:g} vCPU, {memory_mib:g} MiB) not valid. {misfit}")
    elif vcpus < 1 or vcpus != int(vcpus):
        raise refuse(f"vCPU must be at least 1, got {vcpus:g}.")
    elif memory_mib < _MIN_EC2_MEMORY_MIB:
        raise refuse(f"Memory must be at least {_MIN_EC2_MEMORY_MIB} Mib, got {memory_mib:g} Mib.")
    return Demand(vcpus=vcpus, memory_mib=int(memory_mib))


def _number(values: Mapping[str, str], kind: str, noun: str) -> float:
    if kind not in values:
        raise refuse(f"{noun} is required.")
    if not _NUMBER_PATTERN.fullmatch(values[kind]):
        raise refuse(f"{noun} must be a number, got {values[kind]!r}.")
    return float(values[kind])
