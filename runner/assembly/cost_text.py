"""Costs at rest as a person reads them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import takewhile
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
    """What is billed or may be, dearest first, those that are billed alike together; free ones are left to `notes`."""
    groups = _alike(cost.of(Basis.UNKNOWN, Basis.TIME, Basis.BYTES, Basis.USE), lambda line: (line.bill,))
    bases = [Basis.UNKNOWN, Basis.TIME, Basis.BYTES, Basis.USE]
    groups.sort(key=lambda lines: (bases.index(lines[0].bill.basis), -_monthly(lines)))
    rows = [_row(lines) for lines in groups]
    rows.append(("total", *_amounts(cost.monthly_usd), _total_note(cost)))
    if (stopped := cost.stopped_monthly_usd) is not None:
        rows.append(("total, instances stopped", *_amounts(stopped), ""))
    return ("type", "USD/hour", "USD/month", "billed by"), rows


def comparison_table(costs: Mapping[str, IdleCost]) -> Table:
    """USD a month, a column a profile: what costs something by itself in one of them, those that are alike together."""
    columns = [{_name(line): line for line in cost.of(Basis.TIME, Basis.UNKNOWN)} for cost in costs.values()]
    lines = {name: line for column in columns for name, line in column.items()}
    groups = _alike(lines.values(), lambda line: tuple(_cell([column.get(_name(line))]) for column in columns))
    rows = []
    for members in groups:
        cells = [_cell([column.get(_name(line)) for line in members]) for column in columns]
        rows.append((_kind(members), *cells, _names(members)))
    rows.append(("total a month", *(money(cost.monthly_usd) for cost in costs.values()), ""))
    rows.append(("total an hour", *(money(cost.monthly_usd / HOURS_PER_MONTH) for cost in costs.values()), ""))
    if any(cost.stopped_monthly_usd is not None for cost in costs.values()):
        stopped = [
            cost.monthly_usd if (least := cost.stopped_monthly_usd) is None else least for cost in costs.values()
        ]
        rows.append(("a month, instances stopped", *(money(amount) for amount in stopped), ""))
    return ("USD a month", *costs, "resource"), rows


def notes(prices: PriceTable, costs: Mapping[str, IdleCost]) -> Iterator[str]:
    """What the numbers leave out and where they are from, sentence by sentence."""
    unknown = {_name(line): line for cost in costs.values() for line in cost.of(Basis.UNKNOWN)}
    for name, line in unknown.items():
        yield f"not priced, in no total: {name} ({line.resource.type}): {line.bill.note}"
    counted = Counter(line.resource.type for cost in costs.values() for line in cost.of(Basis.FREE))
    # How many there are of each says something of one profile, and nothing of several together.
    kinds = [
        f"{kind.removeprefix('AWS::')}{f' {counted[kind]}' if len(costs) == 1 else ''}" for kind in sorted(counted)
    ]
    yield f"free: {', '.join(kinds) or 'nothing'}"
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


def _alike(lines: Iterable[Line], sameness: Callable[[Line], Hashable]) -> list[list[Line]]:
    """Lines of one stack and type that are the same, in the order of the first of each."""
    groups: dict[Hashable, list[Line]] = {}
    for line in lines:
        groups.setdefault((line.resource.stack, line.resource.type, sameness(line)), []).append(line)
    return list(groups.values())


def _row(lines: list[Line]) -> tuple[str, ...]:
    bill, names = lines[0].bill, _names(lines)
    if bill.basis is Basis.UNKNOWN:
        return (_kind(lines), "not priced", "not priced", f"{bill.note} ({names})")
    # What is billed by bytes or by use has no price of an hour: a zero would look like one.
    amounts = _amounts(_monthly(lines)) if bill.basis is Basis.TIME else ("-", "-")
    each = "each " if len(lines) > 1 and bill.basis is Basis.TIME else ""
    return (_kind(lines), *amounts, f"{bill.basis.value}: {each}{bill.note} ({names})")


def _monthly(lines: list[Line]) -> Decimal:
    return sum((line.bill.monthly_usd for line in lines), Decimal(0))


def _kind(lines: list[Line]) -> str:
    count = f" x{len(lines)}" if len(lines) > 1 else ""
    return f"{lines[0].resource.type.removeprefix('AWS::')}{count}"


def _names(lines: list[Line]) -> str:
    """The name of one; of several what their names have in common, with an asterisk for the rest."""
    names = [_name(line) for line in lines]
    before = _shared_start(names)
    after = _shared_start([name[len(before) :][::-1] for name in names])[::-1]
    return names[0] if len(names) == 1 else f"{before}*{after}"


def _amounts(monthly: Decimal) -> tuple[str, str]:
    return money(monthly / HOURS_PER_MONTH), money(monthly)


def _total_note(cost: IdleCost) -> str:
    unknown = len(cost.of(Basis.UNKNOWN))
    return f"without {unknown} not priced" if unknown else "with nothing stored and nothing used"


def _name(line: Line) -> str:
    """The resource within its deployment, whose name begins that of the stack."""
    return f"{line.resource.stack.rpartition('-')[2]}/{line.resource.path}"


def _shared_start(texts: list[str]) -> str:
    return "".join(letters[0] for letters in takewhile(lambda each: len(set(each)) == 1, zip(*texts, strict=False)))


def _cell(lines: list[Line | None]) -> str:
    """What the lines cost together that a profile has of some that are alike: all of them, or none."""
    found = [line for line in lines if line is not None]
    if not found:
        return "-"
    return "not priced" if found[0].bill.basis is Basis.UNKNOWN else money(_monthly(found))
