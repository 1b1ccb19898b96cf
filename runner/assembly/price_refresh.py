"""A table of today's prices, read from AWS; what AWS does not tell beyond doubt keeps its price and its date."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

from runner.assembly.price_queries import PriceQuery, query_for
from runner.assembly.price_table import PriceTable, UnpricedError, shipped_table
from runner.aws_clients import PricingClient
from runner.errors import ServiceError

_ORIGIN: Final = "AWS Price List API"
_MIB_PER_GIB: Final = 1024


@dataclass(frozen=True)
class Refreshed:
    """The new table, and the prices in it that are still the old ones, with why."""

    table: PriceTable
    kept: Mapping[str, str]

    def write(self, file: Path) -> None:
        """As the user's copy, whole or not at all."""
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_suffix(".new")
        unfinished.write_text(json.dumps(self.table.document(), indent=1) + "\n", encoding="utf-8")
        unfinished.replace(file)


def refreshed_table(client: PricingClient, today: dt.date | None = None) -> Refreshed:
    """Every price of the repository's table, as AWS lists it today.

    Raises the SDK's errors where AWS refuses or cannot be reached, and ServiceError where no price at all was read.
    """
    before = shipped_table()
    day = (today or dt.datetime.now(dt.UTC).date()).isoformat()
    prices, kept = dict(before.prices), {}
    for name, price in before.prices.items():
        try:
            usd = _asked(client, query_for(name))
        except UnpricedError as error:
            kept[name] = str(error)
            continue
        if price.per == "MiB/s-month":
            usd /= _MIB_PER_GIB  # listed by the GiB/s
        prices[name] = dataclasses.replace(price, usd=usd, checked=day, origin=_ORIGIN)
    if len(kept) == len(prices):
        raise ServiceError(
            f"GetProducts: tells prices, got none of {len(prices)}; the first: {next(iter(kept.values()))}"
        )
    return Refreshed(dataclasses.replace(before, date=day, origin=_ORIGIN, prices=prices), kept)


def _asked(client: PricingClient, query: PriceQuery) -> Decimal:
    return query.usd(_products(client, query))


def _products(client: PricingClient, query: PriceQuery) -> Iterator[str]:
    token: str | None = None
    while True:
        answer = client.get_products(**query.request(token))
        yield from answer.get("PriceList", [])
        token = answer.get("NextToken")
        if not token:
            return
