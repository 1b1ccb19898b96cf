"""Costs at rest as a person reads them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from runner.assembly.bill import Basis
from runner.assembly.idle_cost import IdleCost, Line
from runner.assembly.price_table import HOURS_PER_MONTH, PriceTable

Table = tuple[tuple[str, ...], list[tuple[str, ...]]]
"""Headings and rows."""

_TEN_CENTS: Final = Decimal("0.1")
_HUNDREDTH_OF_A_CENT: Final = Decimal("0.0001")


def money(amount: Decimal) -> str:
    """USD to the cent; below ten cents with as many digits as it takes, so that a little is not shown as nothing."""
    if amount == 0 or amount >= _TEN_CENTS:
        return f"{amount:,.2f}"
    return f"{amount:.4f}" if amount >= _HUNDREDTH_OF_A_CENT else f"{amount:.7f}"


def resource_table(cost: IdleCost) -> Table:
    """What is billed or may be, dearest first; free resources are left to `free_text`."""
    shown = cost.of(Basis.UNKNOWN)
    shown += sorted(cost.of(Basis.TIME), key=lambda line: -line.bill.monthly_usd)
    shown += cost.of(Basis.BYTES, Basis.USE)
    rows = [_row(line) for line in shown]
    rows.append(("total", "", *_amounts(cost.monthly_usd), _total_note(cost)))
    if (stopped := cost.stopped_monthly_usd) is not None:
        rows.append(("total, instances stopped", "", *_amounts(stopped), ""))
    return ("resource", "type", "USD/hour", "USD/month", "billed by"), rows


def comparison_table(costs: Mapping[str, IdleCost]) -> Table:
    """USD a month, a column a profile: every resource that costs something by itself in one of them."""
    columns = [{_name(line): line for line in cost.of(Basis.TIME, Basis.UNKNOWN)} for cost in costs.values()]
    names = list(dict.fromkeys(name for column in columns for name in column))
    kinds = {name: line.resource.type.removeprefix("AWS::") for column in columns for name, line in column.items()}
    rows = [(name, kinds[name], *(_cell(column.get(name)) for column in columns)) for name in names]
    rows.append(("total a month", "", *(money(cost.monthly_usd) for cost in costs.values())))
    rows.append(("total an hour", "", *(money(cost.monthly_usd / HOURS_PER_MONTH) for cost in costs.values())))
    if any(cost.stopped_monthly_usd is not None for cost in costs.values()):
        stopped = [
            cost.monthly_usd if (least := cost.stopped_monthly_usd) is None else least for cost in costs.values()
        ]
        rows.append(("total a month, instances stopped", "", *(money(amount) for amount in stopped)))
    return ("resource", "type", *costs), rows


def notes(prices: PriceTable, costs: Mapping[str, IdleCost]) -> Iterator[str]:
    """What the numbers leave out and where they are from, sentence by sentence."""
    unknown = {_name(line): line for cost in costs.values() for line in cost.of(Basis.UNKNOWN)}
    for name, line in unknown.items():
        yield f"not priced, in no total: {name} ({line.resource.type}): {line.bill.note}"
    for profile, cost in costs.items():
        counted = Counter(line.resource.type for line in cost.of(Basis.FREE))
        kinds = ", ".join(f"{kind.removeprefix('AWS::')} {number}" for kind, number in sorted(counted.items()))
        yield f"free{f' ({profile})' if len(costs) > 1 else ''}: {kinds or 'nothing'}"
    yield f"prices: {prices}; a month is {HOURS_PER_MONTH} hours; taxes and free tiers are not counted"


def cost_cell(line: Line) -> str:
    """In a few words, for a column of a larger table."""
    bill = line.bill
    if bill.basis is Basis.TIME:
        return f"{money(bill.monthly_usd)} a month"
    if bill.basis is Basis.UNKNOWN:
        return f"not priced: {bill.note}"
    if bill.basis is Basis.FREE:
        return f"nothing ({bill.note})" if bill.note else "nothing"
    return f"{bill.note.partition(';')[0]}"


def _row(line: Line) -> tuple[str, ...]:
    kind = line.resource.type.removeprefix("AWS::")
    if line.bill.basis is Basis.UNKNOWN:
        return (_name(line), kind, "not priced", "not priced", line.bill.note)
    # What is billed by bytes or by use has no price of an hour: a zero would look like one.
    amounts = _amounts(line.bill.monthly_usd) if line.bill.basis is Basis.TIME else ("-", "-")
    return (_name(line), kind, *amounts, f"{line.bill.basis.value}: {line.bill.note}")


def _amounts(monthly: Decimal) -> tuple[str, str]:
    return money(monthly / HOURS_PER_MONTH), money(monthly)


def _total_note(cost: IdleCost) -> str:
    unknown = len(cost.of(Basis.UNKNOWN))
    return f"without {unknown} not priced" if unknown else "with nothing stored and nothing used"


def _name(line: Line) -> str:
    """The resource within its deployment, whose name begins that of the stack."""
    return f"{line.resource.stack.rpartition('-')[2]}/{line.resource.path}"


def _cell(line: Line | None) -> str:
    if line is None:
        return "-"
    return "not priced" if line.bill.basis is Basis.UNKNOWN else money(line.bill.monthly_usd)
