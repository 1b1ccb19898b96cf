"""The two CPU architectures that jobs and builds run on, by the names that users say."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from aws_cdk import aws_ecs as ecs
from constructs import IConstruct

from constructs_lib.errors import PropertyError
from instance_type_facts import ARM64, X86_64

_OF_ECS: Final[Mapping[str, ecs.CpuArchitecture]] = MappingProxyType(
    {X86_64: ecs.CpuArchitecture.X86_64, ARM64: ecs.CpuArchitecture.ARM64}
)


def fargate_architecture(construct: IConstruct, name: str) -> ecs.CpuArchitecture:
    """As Fargate's runtime platform has it; PropertyError, naming `construct`, for any other name."""
    check_architecture(construct, "cpu_architecture", name)
    return _OF_ECS[name]


def check_architecture(construct: IConstruct, prop: str, name: str) -> None:
    """Return where it is one of the two; else raise PropertyError, naming `construct` and its property."""
    if name not in _OF_ECS:
        problem = f"is one of {', '.join(_OF_ECS)} (API_RuntimePlatform), got {name!r}; use one of these"
        raise PropertyError(construct, prop, problem)
