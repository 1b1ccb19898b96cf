"""Calls to a container engine that may be away for a moment: its service was killed and is started again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from local_batch.executors.docker_api import EngineLostError

PAUSES_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
"""Between two tries: half a minute in all."""

_Result = TypeVar("_Result")


async def patiently(call: Callable[[], Awaitable[_Result]]) -> _Result:
    """What the call gives, which must do no harm when it is made twice. Raises EngineLostError when it stays away."""
    pauses = iter(PAUSES_SECONDS)
    while True:
        began = time.monotonic()
        try:
            return await call()
        except EngineLostError:
            if time.monotonic() - began > sum(PAUSES_SECONDS):
                # It waited for long, so the engine had been back since the last time.
                pauses = iter(PAUSES_SECONDS)
            pause_seconds = next(pauses, None)
            if pause_seconds is None:
                raise
            await asyncio.sleep(pause_seconds)
