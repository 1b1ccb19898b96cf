"""Where in a workflow's source a value was written, for messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

KeyPath = tuple[str | int, ...]
"""Keys from the document's top to a value: `("tasks", "dopi", "command", 1)`."""


@dataclass(frozen=True)
class Finding:
    """One complaint about one place: the rule, the value got and what to do."""

    path: KeyPath
    text: str


@dataclass(frozen=True)
class Places:
    """Lines of a file by key path; a workflow made in Python has a name and no lines."""

    source: str
    lines: Mapping[KeyPath, int] = field(default_factory=lambda: MappingProxyType({}))

    def where(self, path: KeyPath) -> str:
        """`file:line: key`, the line being that of the nearest enclosing key that was written."""
        known = next((path[:length] for length in range(len(path), -1, -1) if path[:length] in self.lines), None)
        start = f"{self.source}:{self.lines[known]}" if known is not None else self.source
        return f"{start}: {dotted(path)}" if path else start

    def render(self, finding: Finding) -> str:
        """The finding as a user reads it."""
        return f"{self.where(finding.path)}: {finding.text}"


def dotted(path: KeyPath) -> str:
    """`tasks.dopi.command[1]`."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    return text.removeprefix(".")
