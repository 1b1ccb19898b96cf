"""What resources are for."""

from __future__ import annotations

from typing import Final

import pytest

from runner.assembly.billing import BILLING
from runner.assembly.purposes import TYPES, purpose_of, purposes
from runner.errors import InputError
from tests.runner.assembly.templates import one_stack

FORESEEN: Final = {
    "AWS::CodeBuild::Project": "Images/Builder/Project",
    "AWS::EC2::Instance": "HeadNode/Node/Instance",
    "AWS::IAM::InstanceProfile": "HeadNode/Node/Profile",
    "AWS::SSM::Document": "HeadNode/Node/Session",
    "AWS::SSM::Parameter": "HeadNode/Node/Parameter",
    "AWS::Scheduler::Schedule": "Nightly/Schedule",
}
"""Types that no profile deploys, and for which there are prices and purposes all the same."""


def test_a_resource_without_a_purpose_is_refused_by_its_path() -> None:
    """All of them at once."""
    assembly = one_stack(Table=("AWS::DynamoDB::Table", {}), It=("AWS::S3::Bucket", {}), Vpc=("AWS::EC2::VPC", {}))
    with pytest.raises(InputError) as refused:
        purposes(assembly.resources)
    assert "S/Table: every resource has a purpose, got none for AWS::DynamoDB::Table" in str(refused.value)
    assert "S/It" in str(refused.value)
    assert "S/Vpc" not in str(refused.value)


def test_every_type_with_a_purpose_has_a_price() -> None:
    """Free at rest is one."""
    assert {f"AWS::{kind}" for kind in TYPES} - set(BILLING) == set()


@pytest.mark.parametrize("kind", FORESEEN)
def test_foreseen_types_are_known(kind: str) -> None:
    """At the paths where they are likely to come."""
    assembly = one_stack(**{FORESEEN[kind]: (kind, {})})
    assert purpose_of(assembly.resources[0]) is not None
    assert kind in BILLING
