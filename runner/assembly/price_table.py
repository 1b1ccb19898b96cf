"""Prices by name, with the date and the origin of each: a table of the repository, or the user's own copy of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

from runner.errors import InputError

REGION: Final = "us-east-1"
"""Whose prices the table holds. Other regions cost up to about a third more."""

HOURS_PER_MONTH: Final = 730
"""As AWS's own price pages and calculator count. Source: https://calculator.aws"""

_SHIPPED: Final = Path(__file__).with_name("prices.json")
_USERS_COPY: Final = "prices.json"


class UnpricedError(Exception):
    """The table has no price for what a resource is; the text says for what."""


@dataclass(frozen=True, kw_only=True)
class Price:
    """What one unit costs."""

    usd: Decimal
    per: str
    """The unit: `hour`, `month`, `GB-month`, `GB`, `million requests`, …"""
    checked: str
    """Year, month or day when the amount was last compared with where it is from."""
    origin: str
    """Where the amount is from."""
    source: str
    """URL of AWS's page that it can be compared with."""

    def __str__(self) -> str:
        return f"{plain(self.usd)} per {self.per}"

    def document(self) -> dict[str, str]:
        """As the table's file holds it."""
        return {
            "usd": plain(self.usd),
            "per": self.per,
            "checked": self.checked,
            "from": self.origin,
            "source": self.source,
        }


@dataclass(frozen=True, kw_only=True)
class PriceTable:
    """All prices of one region, in USD without tax."""

    region: str
    date: str
    """Day when the table was made, as YYYY-MM-DD."""
    origin: str
    prices: Mapping[str, Price]

    def __getitem__(self, name: str) -> Price:
        try:
            return self.prices[name]
        except KeyError:
            raise UnpricedError(f"the price table has no {name}") from None

    def __str__(self) -> str:
        return f"list prices of {self.region} in USD, {self.date} ({self.origin})"

    def document(self) -> dict[str, Any]:
        """As a file holds it."""
        prices = {name: price.document() for name, price in self.prices.items()}
        return {"region": self.region, "currency": "USD", "date": self.date, "prices": prices}


def users_copy(home: Path) -> Path:
    """Where the copy of the user of that home is, or would be."""
    return home / _USERS_COPY


def price_table(home: Path) -> PriceTable:
    """The user's copy where there is one, else the repository's; InputError where the copy cannot be read."""
    copy = users_copy(home)
    return _read(copy, f"AWS Price List API, in {copy}") if copy.is_file() else shipped_table()


def shipped_table() -> PriceTable:
    """The repository's table."""
    return _read(_SHIPPED, "table of the repository, from copies of AWS's list; hpc cost --refresh reads AWS's own")


def _read(file: Path, origin: str) -> PriceTable:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        prices = {name: _price(entry) for name, entry in document["prices"].items()}
        region, date = str(document["region"]), str(document["date"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, InvalidOperation) as error:
        raise InputError(
            f"{file}: is a table of prices, got {type(error).__name__}: {error}; "
            "remove it, or write it anew with: hpc cost --refresh"
        ) from None
    return PriceTable(region=region, date=date, origin=origin, prices=prices)


def _price(entry: Mapping[str, str]) -> Price:
    return Price(
        usd=Decimal(entry["usd"]),
        per=entry["per"],
        checked=entry["checked"],
        origin=entry["from"],
        source=entry["source"],
    )


def plain(amount: Decimal) -> str:
    """An amount in USD with two decimals at least, and as many more as it has."""
    text = f"{amount:f}"
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"
