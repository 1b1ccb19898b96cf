"""What a deployment costs while nothing runs in it, resource by resource."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from runner.assembly.bill import Basis, Bill
from runner.assembly.billing import bill_of
from runner.assembly.cloud_assembly import Assembly, Resource
from runner.assembly.price_table import HOURS_PER_MONTH, PriceTable


@dataclass(frozen=True)
class Line:
    """One resource with its bill."""

    resource: Resource
    bill: Bill

    def document(self) -> dict[str, Any]:
        """For --json."""
        document: dict[str, Any] = {
            "stack": self.resource.stack,
            "path": self.resource.path,
            "type": self.resource.type,
            "billed_by": self.bill.basis.value,
            "usd_per_hour": None,
            "usd_per_month": None,
            "note": self.bill.note,
        }
        if self.bill.basis is not Basis.UNKNOWN:
            document["usd_per_hour"] = rounded(self.bill.hourly_usd)
            document["usd_per_month"] = rounded(self.bill.monthly_usd)
        if self.bill.stopped_monthly_usd is not None:
            document["usd_per_month_stopped"] = rounded(self.bill.stopped_monthly_usd)
        return document


@dataclass(frozen=True)
class IdleCost:
    """All resources of an assembly with their bills."""

    lines: tuple[Line, ...]

    def of(self, *bases: Basis) -> list[Line]:
        """The lines that are billed by one of these."""
        return [line for line in self.lines if line.bill.basis in bases]

    @property
    def monthly_usd(self) -> Decimal:
        """Of all together in 730 hours, instances of their own running. What is not priced is not in it."""
        return self._sum(lambda bill: bill.monthly_usd)

    @property
    def stopped_monthly_usd(self) -> Decimal | None:
        """The same with those instances stopped; None where there is none."""
        if all(line.bill.stopped_monthly_usd is None for line in self.lines):
            return None
        return self._sum(lambda bill: bill.least_monthly_usd)

    def document(self) -> dict[str, Any]:
        """For --json."""
        stopped = self.stopped_monthly_usd
        return {
            "usd_per_hour": rounded(self.monthly_usd / HOURS_PER_MONTH),
            "usd_per_month": rounded(self.monthly_usd),
            "usd_per_month_stopped": None if stopped is None else rounded(stopped),
            "not_priced": [f"{line.resource.stack}/{line.resource.path}" for line in self.of(Basis.UNKNOWN)],
            "resources": [line.document() for line in self.lines],
        }

    def _sum(self, amount: Callable[[Bill], Decimal]) -> Decimal:
        return sum((amount(line.bill) for line in self.lines), Decimal(0))


def idle_cost(assembly: Assembly, prices: PriceTable) -> IdleCost:
    """What the assembly costs at rest by these prices."""
    return IdleCost(tuple(Line(resource, bill_of(resource, assembly, prices)) for resource in assembly.resources))


def rounded(amount: Decimal) -> float:
    """For JSON: USD to a millionth."""
    return round(float(amount), 6)
