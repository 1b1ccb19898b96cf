"""Submissions that hold equal things as one: a hundred thousand jobs say much alike."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any, Final

from local_batch.engine.jobs import JobSpec
from local_batch.recent import Recent

_RECENT_WORDS: Final = 10_000
_NOTHING: Final[dict[str, str]] = {}


class SharedWords:
    """Remembers what was said last, so that whoever says it again is given the same object."""

    def __init__(self) -> None:
        self._tuples: Recent[tuple[Any, ...], tuple[Any, ...]] = Recent(_RECENT_WORDS)
        self._maps: Recent[tuple[tuple[str, str], ...], dict[str, str]] = Recent(_RECENT_WORDS)

    def spec(self, spec: JobSpec) -> JobSpec:
        """An equal one, in as little memory as can be."""
        return replace(
            spec,
            name=sys.intern(spec.name),
            profile=sys.intern(spec.profile),
            command=self._tuple(tuple(sys.intern(word) for word in spec.command)),
            environment=self._tuple(tuple(self._tuple(pair) for pair in spec.environment)),
            depends_on=self._tuple(spec.depends_on),
            parameters=self._map(spec.parameters),
            tags=self._map(spec.tags),
        )

    def _tuple(self, words: tuple[Any, ...]) -> tuple[Any, ...]:
        return self._tuples.get(words, lambda: words) if words else ()

    def _map(self, entries: dict[str, str]) -> dict[str, str]:
        return self._maps.get(tuple(entries.items()), lambda: entries) if entries else _NOTHING
