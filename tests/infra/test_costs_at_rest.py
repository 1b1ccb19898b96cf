"""What each profile costs while nothing runs, and that nothing is deployed whose purpose or price nobody knows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from runner.assembly.bill import Basis
from runner.assembly.billing import BILLING
from runner.assembly.cloud_assembly import Assembly, read_assembly
from runner.assembly.diagram import MAX_NODES, mermaid
from runner.assembly.idle_cost import IdleCost, idle_cost
from runner.assembly.price_table import shipped_table
from runner.assembly.purposes import purpose_of
from settings import PROFILES
from tests.infra.synthesised import CHECKOUT, VARIANTS

MONTHLY_USD = {"default": Decimal("0.40"), "private": Decimal("102.60"), "production": Decimal("77.41")}
"""By the prices of the repository's table."""


@pytest.fixture(scope="module")
def synthesised(assemblies: Mapping[str, Path]) -> Mapping[str, Assembly]:
    """Every variant's resources."""
    return {variant: read_assembly(folder) for variant, folder in assemblies.items()}


@pytest.fixture(scope="module")
def costs(synthesised: Mapping[str, Assembly]) -> Mapping[str, IdleCost]:
    """Every variant's bill at rest."""
    return {variant: idle_cost(assembly, shipped_table()) for variant, assembly in synthesised.items()}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_resource_has_a_purpose(synthesised: Mapping[str, Assembly], variant: str) -> None:
    """Say in runner/assembly/purposes.py what it is for."""
    assert [entry for entry in synthesised[variant].resources if purpose_of(entry) is None] == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_resource_has_a_price(
    synthesised: Mapping[str, Assembly], costs: Mapping[str, IdleCost], variant: str
) -> None:
    """Or is known to be free: say in runner/assembly/billing.py how its type is billed, and what it costs in
    runner/assembly/prices.json.
    """
    assert {entry.type for entry in synthesised[variant].resources} - set(BILLING) == set()
    assert [(line.resource.path, line.bill.note) for line in costs[variant].of(Basis.UNKNOWN)] == []


def test_the_default_profile_costs_nothing_an_hour_but_stored_bytes(costs: Mapping[str, IdleCost]) -> None:
    """Besides the secret by which MPI's nodes know each other, at 0.40 a month."""
    default = costs["default"]
    assert {line.resource.path: line.bill.monthly_usd for line in default.of(Basis.TIME)} == {
        "Mpi/Job/BringUpSecret/Secret": Decimal("0.40")
    }
    assert {line.resource.type for line in default.of(Basis.BYTES)} == {
        "AWS::S3::Bucket",
        "AWS::ECR::Repository",
        "AWS::Logs::LogGroup",
    }


def test_profiles_cost_at_rest_what_the_documents_say(costs: Mapping[str, IdleCost]) -> None:
    """Each is in the table of docs/deploying.md, which no one has to remember to change."""
    cents = Decimal("0.01")
    assert {profile: costs[profile].monthly_usd.quantize(cents) for profile in PROFILES} == MONTHLY_USD
    document = (CHECKOUT / "docs/deploying.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| `(\w+)` \|.*\| ([\d.]+) USD[^|]*\|$", document, re.MULTILINE))
    assert {profile: Decimal(amount) for profile, amount in told.items()} == MONTHLY_USD


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_can_be_drawn_for_a_person(synthesised: Mapping[str, Assembly], variant: str) -> None:
    """With no more boxes than somebody looks at."""
    boxes = re.findall(r'^ +\w+\["<?', mermaid(synthesised[variant]), re.MULTILINE)
    assert 0 < len(boxes) <= MAX_NODES
