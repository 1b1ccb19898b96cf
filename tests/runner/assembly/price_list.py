"""The Price List API, played in memory, in the shape that its answers have.

Source: https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-price-list-query-api-get-price-list-files.html
"""

# ruff: noqa: D102 - the methods are AWS's own

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.runner.service_model import check_request


def product(usage_type: str, unit: str, *tiers: str | tuple[str, str], **attributes: str) -> str:
    """One entry of PriceList, a JSON text: tiers are prices in USD, with beginRange where not the first."""
    priced = [("0", tier) if isinstance(tier, str) else tier for tier in tiers]
    sku = "M2YSHUBETB3JX4M4"
    dimensions = {
        f"{sku}.JRTCKXETXF.{number}": {
            "rateCode": f"{sku}.JRTCKXETXF.{number}",
            "unit": unit,
            "beginRange": begin,
            "endRange": "Inf",
            "description": f"${usd} per {unit}",
            "appliesTo": [],
            "pricePerUnit": {"USD": usd},
        }
        for number, (begin, usd) in enumerate(priced)
    }
    return json.dumps(
        {
            "product": {
                "productFamily": "",
                "attributes": {"usagetype": usage_type, "regionCode": "us-east-1", **attributes},
                "sku": sku,
            },
            "serviceCode": "",
            "terms": {
                "OnDemand": {
                    f"{sku}.JRTCKXETXF": {
                        "priceDimensions": dimensions,
                        "sku": sku,
                        "effectiveDate": "2026-11-01T00:00:00Z",
                        "offerTermCode": "JRTCKXETXF",
                        "termAttributes": {},
                    }
                }
            },
            "version": "20261101000000",
            "publicationDate": "2026-11-01T00:00:00Z",
        }
    )


class FakePricing:
    """Products by service, one a page."""

    def __init__(self, products: Mapping[str, Sequence[str]]) -> None:
        self.products = products

    def get_products(self, **request: Any) -> dict[str, Any]:
        check_request("pricing", "GetProducts", request)
        products = self.products.get(request["ServiceCode"], [])
        place = int(request.get("NextToken", "0"))
        answer: dict[str, Any] = {"FormatVersion": "aws_v1", "PriceList": list(products[place : place + 1])}
        return {**answer, "NextToken": str(place + 1)} if place + 1 < len(products) else answer
