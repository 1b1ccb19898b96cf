"""Prices from AWS: requests that its model allows, answers in the shape that it gives."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from runner.assembly.price_queries import query_for
from runner.assembly.price_refresh import refreshed_table
from runner.assembly.price_table import UnpricedError, price_table, shipped_table, users_copy
from runner.errors import InputError, ServiceError
from tests.runner.assembly.price_list import FakePricing, product
from tests.runner.service_model import check_request


@pytest.mark.parametrize("name", sorted(shipped_table().prices))
def test_every_price_can_be_asked_for(name: str) -> None:
    """With filters that the service's model allows, in one region or, of global prices, in all."""
    request = query_for(name).request()
    check_request("pricing", "GetProducts", request)
    check_request("pricing", "GetProducts", query_for(name).request("token"))
    regions = [entry["Value"] for entry in request["Filters"] if entry["Field"] == "regionCode"]
    assert regions == ([] if name in {"dashboard", "budget-action"} else ["us-east-1"])


@pytest.mark.parametrize(
    ("name", "products", "usd"),
    [
        (
            "nat-gateway",
            [product("NatGateway-Hours", "Hrs", "0.0450000000"), product("NatGateway-Bytes", "GB", "0.045")],
            "0.045",
        ),
        ("secret", [product("USE1-AWSSecretsManager-Secrets", "Secrets", "0.4000000000")], "0.4"),
        ("kms-key", [product("us-east-1-KMS-Keys", "Keys", "1.0000000000")], "1"),
        (
            "alarm",
            [product("CW:AlarmMonitorUsage", "Alarms", "0.1"), product("CW:HighResAlarmMonitorUsage", "Alarms", "0.3")],
            "0.1",
        ),
        ("lambda-requests", [product("Request", "Requests", "0.0000002000")], "0.2"),
    ],
)
def test_the_price_that_is_meant_is_read(name: str, products: list[str], usd: str) -> None:
    """Whatever prefix its usage type has, and whatever else passed the filters."""
    assert query_for(name).usd(products) == pytest.approx(type(query_for(name).usd(products))(usd))


def test_free_tiers_come_before_the_price() -> None:
    """The first tier that costs something is the list price."""
    text = product("CW:AlarmMonitorUsage", "Alarms", ("0", "0.00"), ("10", "0.10"), ("1000", "0.05"))
    assert str(query_for("alarm").usd([text])) == "0.10"


@pytest.mark.parametrize(
    ("products", "found"),
    [
        ([], "got none"),
        ([product("NatGateway-Hours", "Hrs", "0.045"), product("NatGateway-Hours", "Hrs", "0.05")], "got 0.045, 0.05"),
        ([product("NatGateway-Hours", "Quantity", "0.045")], "got none"),
    ],
)
def test_a_doubtful_answer_is_no_price(products: list[str], found: str) -> None:
    """None, two, or one of another unit."""
    with pytest.raises(UnpricedError, match=found):
        query_for("nat-gateway").usd(products)


def test_a_refreshed_table_is_used_and_named_from_then_on(tmp_path: Path) -> None:
    """What AWS told has today's date; what it did not keeps its own, with a reason. Pages are followed."""
    pricing = FakePricing(
        {"AmazonEC2": [product("NatGateway-Bytes", "GB", "0.05"), product("NatGateway-Hours", "Hrs", "0.06")]}
    )
    refreshed = refreshed_table(pricing, dt.date(2027, 1, 2))
    refreshed.write(users_copy(tmp_path))
    table = price_table(tmp_path)
    assert (str(table["nat-gateway"]), table["nat-gateway"].checked) == ("0.06 per hour", "2027-01-02")
    assert table["secret"] == shipped_table()["secret"]
    assert "got none" in refreshed.kept["secret"]
    assert "nat-gateway" not in refreshed.kept
    assert "2027-01-02 (AWS Price List API, in " in str(table)


def test_no_price_at_all_is_an_error() -> None:
    """A table of which nothing is new is not written as a new one."""
    with pytest.raises(ServiceError, match="GetProducts: tells prices, got none of"):
        refreshed_table(FakePricing({}), dt.date(2027, 1, 2))


@pytest.mark.parametrize("text", ["{", "{}", '{"region": "r", "date": "d", "prices": {"a": {"usd": "x"}}}', "[]"])
def test_a_broken_copy_is_refused_by_name(tmp_path: Path, text: str) -> None:
    """With what to do."""
    users_copy(tmp_path).write_text(text)
    with pytest.raises(InputError, match=r"prices\.json: is a table of prices, got .*hpc cost --refresh"):
        price_table(tmp_path)


def test_every_shipped_price_has_date_origin_and_source() -> None:
    """A number from nowhere is no price."""
    table = shipped_table()
    assert table.region == "us-east-1"
    for name, price in table.prices.items():
        assert price.usd > 0, name
        assert price.checked.startswith("2026"), name
        assert price.origin, name
        assert price.source.startswith("https://aws.amazon.com/"), name
