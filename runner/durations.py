"""Times, durations and numbers of things for people."""

from __future__ import annotations

import datetime as dt


def duration(milliseconds: float) -> str:
    """`0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    seconds = max(milliseconds, 0) / 1000
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def moment(seconds: float) -> str:
    """Seconds since the epoch as `2026-11-23 05:51:00 UTC`."""
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%d %H:%M:%S} UTC"


def count(number: int, noun: str) -> str:
    """`1 job`, `3 jobs`, `10,000 jobs`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
