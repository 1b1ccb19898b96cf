"""What a resource is billed for while nothing runs."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from runner.assembly.cloud_assembly import Assembly, Resource
from runner.assembly.price_table import HOURS_PER_MONTH, PriceTable


class Basis(enum.Enum):
    """What makes the bill grow."""

    TIME = "time"
    """That it exists."""
    BYTES = "bytes"
    """What is stored in it."""
    USE = "use"
    """What is done with it."""
    FREE = "free"
    UNKNOWN = "not priced"


@dataclass(frozen=True, kw_only=True)
class Bill:
    """What one resource costs at rest."""

    basis: Basis
    monthly_usd: Decimal = Decimal(0)
    """In 730 hours, with nothing stored and nobody using it."""
    stopped_monthly_usd: Decimal | None = None
    """Of an instance: the same while it is stopped. None for what cannot be stopped."""
    note: str = ""

    @property
    def hourly_usd(self) -> Decimal:
        """An hour's share of the month's."""
        return self.monthly_usd / HOURS_PER_MONTH

    @property
    def least_monthly_usd(self) -> Decimal:
        """With every instance stopped."""
        return self.monthly_usd if self.stopped_monthly_usd is None else self.stopped_monthly_usd


@dataclass(frozen=True)
class Billed:
    """A resource, and all that its bill may depend on."""

    resource: Resource
    assembly: Assembly
    prices: PriceTable

    def at(self, *keys: str) -> Any:
        """A value inside of the resource's properties, None where there is none."""
        return self.resource.at(*keys)

    def monthly(self, name: str) -> Decimal:
        """What a month of something costs that is priced by the hour or by the month."""
        price = self.prices[name]
        return price.usd * HOURS_PER_MONTH if price.per == "hour" else price.usd


Billing = Callable[[Billed], Bill]
"""How a type of resource is billed; raises UnpricedError where the resource has something that nobody priced."""


def free(note: str = "") -> Billing:
    """Of what is never billed itself."""

    def bill(_: Billed) -> Bill:
        return Bill(basis=Basis.FREE, note=note)

    return bill


def by_time(price: str, note: str = "") -> Billing:
    """Of what is billed as long as it exists."""

    def bill(billed: Billed) -> Bill:
        text = f"{billed.prices[price]}{f'; {note}' if note else ''}"
        return Bill(basis=Basis.TIME, monthly_usd=billed.monthly(price), note=text)

    return bill


def by_bytes(price: str, note: str = "") -> Billing:
    """Of what is billed for the bytes stored in it: nothing while it is empty."""

    def bill(billed: Billed) -> Bill:
        return Bill(basis=Basis.BYTES, note=f"{billed.prices[price]}{_told(note, billed)}")

    return bill


def by_use(price: str, note: str = "") -> Billing:
    """Of what is billed for what is done with it."""

    def bill(billed: Billed) -> Bill:
        return Bill(basis=Basis.USE, note=f"{billed.prices[price]}{_told(note, billed)}")

    return bill


def _told(note: str, billed: Billed) -> str:
    """A note in which `{name}` is the price of that name."""
    return f"; {note.format_map(billed.prices)}" if note else ""
