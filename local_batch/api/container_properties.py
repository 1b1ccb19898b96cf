"""What a container of a job definition may ask for, on Fargate and on EC2.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_ContainerProperties.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from batch_limits import explain_fargate_size
from local_batch.api.refusals import check_environment, not_played, refuse, refuse_unplayed
from local_batch.engine.jobs import Demand
from local_batch.engine.resources import Platform

_UNPLAYED = (
    "volumes",
    "mountPoints",
    "privileged",
    "ulimits",
    "secrets",
    "linuxParameters",
    "instanceType",
    "repositoryCredentials",
    "enableExecuteCommand",
)
_EC2_ONLY_TEXT = {"ulimits": "ulimits is not applicable for Fargate."}
_FARGATE_ONLY = ("networkConfiguration", "fargatePlatformConfiguration", "runtimePlatform")
_USER_PATTERN = re.compile(r"^([a-z0-9_][a-z0-9_-]{0,30})(:[a-z0-9_][a-z0-9_-]{0,30})?$")
_LOG_DRIVERS = ("awslogs",)
_MIN_EC2_MEMORY_MIB = 4


def check_container(container: Mapping[str, Any], platform: Platform) -> None:
    """Raise ApiError for what the service refuses or the local cloud does not play."""
    if not container.get("image"):
        raise refuse("Container image must be specified.")
    on_fargate = platform is Platform.FARGATE
    for name, text in _EC2_ONLY_TEXT.items():
        if on_fargate and container.get(name):
            raise refuse(text)
    for name in _FARGATE_ONLY:
        if not on_fargate and container.get(name):
            raise refuse(f"{name} not applicable for EC2.")
    refuse_unplayed(container, _UNPLAYED, "containerProperties.")
    if on_fargate and not container.get("executionRoleArn"):
        raise refuse("executionRoleArn is required for Fargate.")
    if container.get("user") and not _USER_PATTERN.match(container["user"]):
        raise refuse(f"User '{container['user']}' does not match regex")
    driver = container.get("logConfiguration", {}).get("logDriver", "awslogs")
    if driver not in _LOG_DRIVERS:
        raise not_played("containerProperties.logConfiguration.logDriver", driver)
    check_environment(container.get("environment", []))
    demand_of(resource_requirements(container), platform)


def resource_requirements(container: Mapping[str, Any]) -> list[dict[str, str]]:
    """Its resourceRequirements; the deprecated vcpus and memory count where these say nothing."""
    requirements = [dict(entry) for entry in container.get("resourceRequirements", [])]
    given = {entry["type"] for entry in requirements}
    if container.get("vcpus") and "VCPU" not in given:
        requirements.append({"type": "VCPU", "value": str(container["vcpus"])})
    if container.get("memory") and "MEMORY" not in given:
        requirements.append({"type": "MEMORY", "value": str(container["memory"])})
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
    try:
        return float(values[kind])
    except ValueError:
        raise refuse(f"{noun} must be a number, got {values[kind]}.") from None
