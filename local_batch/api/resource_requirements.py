"""vCPUs, memory and GPUs of a container: resourceRequirements, and the deprecated members that came before them.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_ResourceRequirement.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from batch_limits import explain_fargate_size
from local_batch.api.refusals import refuse
from local_batch.engine.jobs import Demand
from local_batch.engine.resources import Platform

DEPRECATED: Final[Mapping[str, str]] = MappingProxyType({"vcpus": "VCPU", "memory": "MEMORY"})
"""Members of a container, and the type of resource requirement that takes their place."""

_NOUNS: Final[Mapping[str, str]] = MappingProxyType({"VCPU": "vCPU", "MEMORY": "Memory"})
_NUMBER: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")
_WHOLE: Final = re.compile(r"[0-9]{1,9}")
_MIN_EC2_MEMORY_MIB: Final = 4


def check_requirements(container: Mapping[str, Any], platform: Platform, *, is_complete: bool) -> None:
    """Raise ApiError for what the service refuses; not `is_complete`: a submission may add what is missing."""
    given = container.get("resourceRequirements") or ()
    kinds = {entry["type"] for entry in given}
    if len(kinds) < len(given):
        raise refuse("Cannot provide duplicates in resourceRequirements.")
    for name, kind in DEPRECATED.items():
        if container.get(name) and kind in kinds:
            raise refuse(f"Cannot use both ECS containerProperties {name} and resourceRequirement {kind}.")
    values = _values(container)
    for kind, noun in _NOUNS.items():
        if kind in values and not _NUMBER.fullmatch(values[kind]):
            raise refuse(f"{noun} must be a number, got {values[kind]!r}.")
    _check_gpus(values, platform)
    if is_complete or values.keys() >= _NOUNS.keys():
        demand_of(container, platform)
    elif platform is Platform.EC2:
        _check_ec2(values)


def demand_of(container: Mapping[str, Any], platform: Platform) -> Demand:
    """What a container whose parts were checked reserves; raises ApiError where it does not say enough or fit."""
    values = _values(container)
    for kind, noun in _NOUNS.items():
        if kind not in values:
            raise refuse(f"{noun} is required.")
    vcpus, memory_mib = float(values["VCPU"]), float(values["MEMORY"])
    if memory_mib != int(memory_mib):
        raise refuse(f"Memory must be a whole number of MiB, got {values['MEMORY']}.")
    if platform is Platform.FARGATE:
        misfit = explain_fargate_size(vcpus, int(memory_mib))
        if misfit is not None:
            raise refuse(f"Fargate resource requirements ({vcpus:g} vCPU, {memory_mib:g} MiB) not valid. {misfit}")
    else:
        _check_ec2(values)
    return Demand(vcpus=vcpus, memory_mib=int(memory_mib), gpus=int(values.get("GPU", "0")))


def overridden_requirements(
    overrides: Mapping[str, Any], container: Mapping[str, Any]
) -> tuple[list[dict[str, str]], dict[str, int]]:
    """The requirements of a job, the definition's replaced type by type, and its deprecated members."""
    requirements = _merged(container.get("resourceRequirements") or (), overrides.get("resourceRequirements") or ())
    kinds = {entry["type"] for entry in requirements}
    deprecated = {}
    for name, kind in DEPRECATED.items():
        value = overrides.get(name) or container.get(name)
        if value and kind not in kinds:
            deprecated[name] = value
    return requirements, deprecated


def _values(container: Mapping[str, Any]) -> dict[str, str]:
    deprecated = {kind: str(container[name]) for name, kind in DEPRECATED.items() if container.get(name)}
    return {**deprecated, **{entry["type"]: entry["value"] for entry in container.get("resourceRequirements") or ()}}


def _check_gpus(values: Mapping[str, str], platform: Platform) -> None:
    if "GPU" not in values:
        return
    if platform is Platform.FARGATE:
        raise refuse("GPU is not applicable for Fargate.")
    if not _WHOLE.fullmatch(values["GPU"]):
        raise refuse(
            f"Value {values['GPU']} for type GPU in resourceRequirement is not valid. Please provide a whole number."
        )


def _check_ec2(values: Mapping[str, str]) -> None:
    vcpus, memory_mib = float(values.get("VCPU", "1")), float(values.get("MEMORY", _MIN_EC2_MEMORY_MIB))
    if vcpus < 1 or vcpus != int(vcpus):
        raise refuse(f"vCPU must be at least 1, got {vcpus:g}.")
    if memory_mib < _MIN_EC2_MEMORY_MIB:
        raise refuse(f"Memory must be at least {_MIN_EC2_MEMORY_MIB} Mib, got {memory_mib:g} Mib.")


def _merged(base: Sequence[dict[str, str]], override: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    return list({entry["type"]: entry for entry in (*base, *override)}.values())
