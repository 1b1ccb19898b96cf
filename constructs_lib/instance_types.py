"""The instance types of a compute environment, checked together."""

from __future__ import annotations

import re
from collections.abc import Sequence

from aws_cdk import aws_ec2 as ec2
from constructs import IConstruct

from constructs_lib.errors import PropertyError
from instance_type_facts import NAME_PATTERN, architecture_of


def checked_types(construct: IConstruct, names: Sequence[str]) -> list[ec2.InstanceType]:
    """The types of a compute environment as CDK takes them; PropertyError, naming `construct`, for what cannot be."""
    if not names:
        problem = "an EC2 compute environment names at least one instance type, got none; add for instance c6i.large"
        raise PropertyError(construct, "instance_types", problem)
    for name in names:
        if not re.fullmatch(NAME_PATTERN, name):
            problem = (
                "each is the full name of an instance type, so that no job starts a machine nobody chose, "
                f"got {name!r}; use for instance c6i.large"
            )
            raise PropertyError(construct, "instance_types", problem)
    architectures = {name: architecture_of(name) for name in names}
    if len(set(architectures.values())) > 1:
        listed = ", ".join(f"{name} ({architecture})" for name, architecture in architectures.items())
        problem = (
            "a compute environment starts all its instances from one machine image and so has one architecture, "
            f"got {listed}; give each architecture an environment of its own"
        )
        raise PropertyError(construct, "instance_types", problem)
    return [ec2.InstanceType(name) for name in names]
