"""How long an engine that is away is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from local_batch.executors import engine_patience
from local_batch.executors.docker_api import EngineLostError
from local_batch.executors.engine_patience import patiently


def answers(seconds: list[float], monkeypatch: pytest.MonkeyPatch) -> int | None:
    """Of an engine that is lost after so many seconds each time, then there: the tries it took; None where too many."""
    lasting: Iterator[float] = iter(seconds)
    tries = 0
    now = 0.0
    monkeypatch.setattr(engine_patience, "PAUSES_SECONDS", (0.001, 0.002))
    monkeypatch.setattr(engine_patience, "time", SimpleNamespace(monotonic=lambda: now))

    async def call() -> int:
        nonlocal tries, now
        tries += 1
        lasts = next(lasting, None)
        if lasts is None:
            return tries
        now += lasts
        raise EngineLostError("gone")

    try:
        return asyncio.run(patiently(call))
    except EngineLostError:
        return None


@pytest.mark.parametrize(
    ("seconds", "tries"), [([], 1), ([0, 0], 3), ([0, 0, 0], None), ([0, 0, 0.05, 0], 5), ([0, 0, 0.05, 0, 0, 0], None)]
)
def test_an_engine_is_waited_for_anew_when_it_had_been_back(
    seconds: list[float], tries: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many pauses as there are, from the last time it was there."""
    assert answers(seconds, monkeypatch) == tries
