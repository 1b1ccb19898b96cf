"""How often a schedule calls, and what that costs where it calls a Lambda function.

Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from runner.assembly.bill import Basis, Bill, Billed
from runner.assembly.price_table import HOURS_PER_MONTH, UnpricedError, plain

_MINUTES: Final = {"minute": 1, "hour": 60, "day": 24 * 60}
_RATE: Final = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_CRON: Final = re.compile(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)")
_DAYS_PER_MONTH: Final = Decimal(HOURS_PER_MONTH) / 24
_DAYS_PER_WEEK: Final = 7
_WEEK: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_MILLION: Final = 1_000_000


def scheduled_rule(billed: Billed) -> Bill:
    """An EventBridge rule: events of AWS and of its clock are free, functions that it calls are not."""
    expression = billed.at("ScheduleExpression")
    if expression is None:
        return Bill(basis=Basis.FREE, note="events of AWS services")
    return _calls(billed, expression, own=Decimal(0))


def schedule(billed: Billed) -> Bill:
    """A schedule of EventBridge Scheduler, which is billed itself; its free 14 million a month are not counted."""
    return _calls(billed, billed.at("ScheduleExpression"), own=billed.prices["scheduler"].usd)


def _calls(billed: Billed, expression: object, own: Decimal) -> Bill:
    if billed.at("State") == "DISABLED":
        return Bill(basis=Basis.FREE, note=f"{expression}, disabled")
    count = calls_per_month(expression)
    targets = [
        entry
        for key in ("Target", "Targets")
        for entry in billed.assembly.references(billed.at(key), billed.resource.stack)
    ]
    functions = {target for target in targets if target.type == "AWS::Lambda::Function"}
    millions = count / _MILLION
    requests = billed.prices["lambda-requests"].usd * len(functions)
    note = f"{expression}: {count:,.0f} calls a month"
    if functions:
        time = billed.prices["lambda-time"]
        note += f", each a Lambda request; its run time apart, {plain(time.usd)} per {time.per}"
    return Bill(basis=Basis.TIME, monthly_usd=millions * (own + requests), note=note)


def calls_per_month(expression: object) -> Decimal:
    """Calls in 730 hours; UnpricedError for an expression that cannot be counted."""
    text = str(expression)
    if text.startswith("at("):
        return Decimal(0)
    if found := _RATE.fullmatch(text):
        return Decimal(HOURS_PER_MONTH * 60) / (int(found[1]) * _MINUTES[found[2]])
    if (found := _CRON.fullmatch(text)) and found[6] == "*":
        minute, hour, day, month, week_day = found.groups()[:5]
        if month == "*":
            return _count(minute, 60) * _count(hour, 24) * _days(day, week_day)
    raise UnpricedError(f"calls of {text!r} are not counted here")


def _days(day: str, week_day: str) -> Decimal:
    if week_day in {"?", "*"}:
        return _DAYS_PER_MONTH if day in {"?", "*"} else Decimal(_count(day, 31))
    numbers = week_day.upper()
    for index, name in enumerate(_WEEK, start=1):
        numbers = numbers.replace(name, str(index))
    return _DAYS_PER_MONTH * _count(numbers, _DAYS_PER_WEEK) / _DAYS_PER_WEEK


def _count(field: str, size: int) -> int:
    """How many of `size` values a cron field stands for."""
    return sum(_part(part, size) for part in field.split(","))


def _part(part: str, size: int) -> int:
    if part == "*":
        return size
    if part.isdigit():
        return 1
    if found := re.fullmatch(r"(\*|\d+)/(\d+)", part):
        start = 0 if found[1] == "*" else int(found[1])
        return -(-(size - start) // int(found[2]))
    if (found := re.fullmatch(r"(\d+)-(\d+)", part)) and int(found[2]) >= int(found[1]):
        return int(found[2]) - int(found[1]) + 1
    raise UnpricedError(f"the cron field {part!r} is not counted here")
