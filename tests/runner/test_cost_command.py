"""`hpc cost`: what is told, to whom, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import botocore.exceptions as sdk
import pytest

from runner.assembly.cost_text import comparison_table, resource_table
from runner.assembly.idle_cost import idle_cost
from runner.assembly.price_table import shipped_table
from tests.runner.assembly.price_list import FakePricing, product
from tests.runner.assembly.templates import one_stack, template, write_assembly
from tests.runner.shell import Shell

DISK = {"Ebs": {"VolumeSize": 30, "VolumeType": "gp3"}}
RESOURCES: dict[str, tuple[str, dict[str, Any]]] = {
    "Gateway": ("AWS::EC2::NatGateway", {}),
    "Head": ("AWS::EC2::Instance", {"InstanceType": "t3.medium", "BlockDeviceMappings": [DISK]}),
    "Results": ("AWS::S3::Bucket", {}),
    "Role": ("AWS::IAM::Role", {}),
    "Table": ("AWS::DynamoDB::Table", {}),
}


class NoCredentials:
    """A price list for which nobody logged in."""

    def get_products(self, **_: Any) -> dict[str, Any]:
        """Fail as boto3 does."""
        raise sdk.NoCredentialsError


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """An assembly of one stack."""
    write_assembly(tmp_path / "out", **{"D-Net": json.dumps(template(RESOURCES, "D-Net"))})
    return "out"


def test_every_resource_has_its_line(shell: Shell, folder: str) -> None:
    """What nobody priced before all, then dearest first; bytes have no price of an hour; free ones are counted."""
    text = shell("cost", "--idle", "--assembly", folder).stdout
    lines = {line.split("  ")[0]: line for line in text.splitlines()}
    assert list(lines)[1:5] == ["DynamoDB::Table", "EC2::NatGateway", "EC2::Instance", "S3::Bucket"]
    assert "32.85" in lines["EC2::NatGateway"]
    assert lines["EC2::NatGateway"].endswith("(Net/Gateway)")
    assert "32.77" in lines["EC2::Instance"]
    assert lines["S3::Bucket"].split()[1:4] == ["-", "-", "bytes:"]
    assert "not priced" in lines["DynamoDB::Table"]
    assert "65.62" in lines["total"]
    assert "35.25" in lines["total, instances stopped"]
    assert "not priced, in no total: Net/Table (AWS::DynamoDB::Table)" in text
    assert "free: IAM::Role 1" in text
    assert "prices: list prices of us-east-1 in USD, 2026-" in text


def test_the_document_has_every_resource(shell: Shell, folder: str) -> None:
    """A price that nobody knows is null, not nothing."""
    document = shell.document("cost", "--idle", "--assembly", folder)
    assert document["prices"]["region"] == "us-east-1"
    told = document["profiles"][folder]
    assert (told["usd_per_month"], told["usd_per_month_stopped"]) == (65.618, 35.25)
    assert told["not_priced"] == ["D-Net/Table"]
    by_path = {entry["path"]: entry for entry in told["resources"]}
    assert list(by_path) == list(RESOURCES)
    assert by_path["Table"]["usd_per_month"] is None
    assert (by_path["Role"]["billed_by"], by_path["Role"]["usd_per_month"]) == ("free", 0)


def test_profiles_stand_side_by_side() -> None:
    """A column each; what one of them lacks is a dash there; rows are what costs something."""
    prices = shipped_table()
    small = idle_cost(one_stack(Secret=("AWS::SecretsManager::Secret", {}), Role=RESOURCES["Role"]), prices)
    large = idle_cost(one_stack(Secret=("AWS::SecretsManager::Secret", {}), **RESOURCES), prices)
    headings, rows = comparison_table({"default": small, "private": large})
    assert headings == ("USD a month", "default", "private", "resource")
    assert rows == [
        ("SecretsManager::Secret", "0.40", "0.40", "S/Secret"),
        ("EC2::NatGateway", "-", "32.85", "S/Gateway"),
        ("EC2::Instance", "-", "32.77", "S/Head"),
        ("DynamoDB::Table", "-", "not priced", "S/Table"),
        ("total a month", "0.40", "66.02", ""),
        ("total an hour", "0.0005", "0.0904", ""),
        ("a month, instances stopped", "0.40", "35.65", ""),
    ]


def test_resources_that_are_alike_share_a_line() -> None:
    """Under what their names have in common, with what they cost together; others of the type have their own."""
    gateways = {f"Zone{number}Gateway": RESOURCES["Gateway"] for number in (1, 2, 3)}
    alarms = {"Slow": ("AWS::CloudWatch::Alarm", {"Period": 60}), "Fast": ("AWS::CloudWatch::Alarm", {"Period": 10})}
    cost = idle_cost(one_stack(**gateways, **alarms), shipped_table())
    _, rows = resource_table(cost)
    assert [row[0] for row in rows] == ["EC2::NatGateway x3", "CloudWatch::Alarm", "CloudWatch::Alarm", "total"]
    assert rows[0][2] == "98.55"
    assert rows[0][3].startswith("time: each 0.045 per hour; ")
    assert rows[0][3].endswith("(S/Zone*Gateway)")
    _, beside = comparison_table({"one": cost, "same": cost})
    assert beside[0] == ("EC2::NatGateway x3", "98.55", "98.55", "S/Zone*Gateway")


def test_refreshed_prices_are_used_from_then_on(shell: Shell, folder: str) -> None:
    """And named with their date and place."""
    shell.clients.pricing = FakePricing({"AmazonEC2": [product("NatGateway-Hours", "Hrs", "0.1")]})
    refreshed = shell("cost", "--refresh", "--json")
    assert json.loads(refreshed.stdout)["written"] == ".hpc/prices.json"
    assert "kept as of 2026: secret: " in refreshed.stderr
    text = shell("cost", "--idle", "--assembly", folder).stdout
    assert "73.00" in text
    assert "AWS Price List API, in .hpc/prices.json" in text


def test_without_credentials_refresh_is_one_clear_error(shell: Shell) -> None:
    """Exit code 2, and no copy is left behind."""
    shell.clients.pricing = NoCredentials()
    assert "hpc: credentials: AWS needs some, got: " in shell("cost", "--refresh", code=2).stderr
    assert not (shell.home / "prices.json").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "--idle, --refresh: say what is asked, one of them at least, got neither; add --idle"),
        (("--refresh", "--local"), "--local: a local cloud has no prices and costs nothing, got it with --refresh"),
        (("--idle", "--local"), "--local: a local cloud has no prices and costs nothing, got it with --idle"),
        (("--idle", "--region", "eu-west-1"), "--region: prices here are those of us-east-1, got 'eu-west-1'"),
        (
            ("--idle", "--settings", "a", "--assembly", "out"),
            "--assembly: is synthesised already, got --settings a too",
        ),
        (("--refresh", "--settings", "a"), "--settings, --assembly: say what --idle looks at, got no --idle"),
        (("--idle", "--assembly", "none"), "--assembly: is a folder that cdk synth wrote"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(shell: Shell, arguments: tuple[str, ...], expected: str) -> None:
    """Exit code 2, nothing on stdout."""
    result = shell("cost", *arguments, code=2)
    assert expected in result.stderr
    assert result.stdout == ""


def test_only_stacks_of_the_assembly_are_priced(shell: Shell, folder: str) -> None:
    """cdk leaves templates of stacks that are no more, or were another deployment's, in the folder."""
    before = shell.document("cost", "--idle", "--assembly", folder)
    Path(folder, "Old-Net.template.json").write_text(json.dumps(template(RESOURCES, "Old-Net")))
    assert shell.document("cost", "--idle", "--assembly", folder) == before


def test_a_broken_template_is_named(shell: Shell, folder: str) -> None:
    """With its file."""
    Path(folder, "D-Net.template.json").write_text("{")
    assert (
        "a template is JSON, got 'out/D-Net.template.json'"
        in shell("cost", "--idle", "--assembly", folder, code=2).stderr
    )
