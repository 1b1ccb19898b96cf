"""A memory of what was seen last, bounded, so that equal things can be one."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """At most `limit` values by key; when it is full it begins anew."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._values: dict[Key, Value] = {}

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """The value of the key; where it is not known, what `make` gives. What `make` raises is not remembered."""
        value = self._values.get(key)
        if value is None:
            value = make()
            if len(self._values) >= self._limit:
                self._values.clear()
            self._values[key] = value
        return value
