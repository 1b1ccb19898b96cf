"""Whether values of settings are of the types that they are declared with: rules compare and count, and take that
for granted.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Final

from setting_groups.finding import Finding

_PLAIN: Final[Mapping[type, tuple[str, str]]] = types.MappingProxyType(
    {
        str: ("text", 'put it in quotes: "…"'),
        bool: ("True or False", "write one of the two, without quotes"),
        int: ("a whole number", "write it without quotes or fraction"),
        float: ("a number", "write it without quotes"),
    }
)
"""Type -> what a value of it is called, and how it is written."""


def value_findings(settings: Any, within: str = "") -> Iterator[Finding]:
    """Every value of another type than its declaration says; of a value that has parts, each part that is wrong."""
    declared = typing.get_type_hints(type(settings))
    for field in dataclasses.fields(settings):
        yield from _findings(f"{within}{field.name}", getattr(settings, field.name), declared[field.name])


def _findings(name: str, value: object, declared: Any) -> Iterator[Finding]:
    choices = typing.get_args(declared) if isinstance(declared, types.UnionType) else (declared,)
    if value is None and types.NoneType in choices:
        return
    (kind,) = (choice for choice in choices if choice is not types.NoneType)
    parts = typing.get_args(kind)
    if typing.get_origin(kind) is tuple and isinstance(value, tuple):
        for index, part in enumerate(value):
            yield from _findings(f"{name}[{index}]", part, parts[0])
    elif typing.get_origin(kind) is Mapping and isinstance(value, Mapping):
        for key, part in value.items():
            yield from _findings(f"a key of {name}", key, parts[0])
            yield from _findings(f"{name}[{key!r}]", part, parts[1])
    elif dataclasses.is_dataclass(kind) and isinstance(value, typing.cast("type", kind)):
        yield from value_findings(value, f"{name}.")
    elif kind not in _PLAIN or not _is_plain(value, kind):
        rule, fix = _described(kind)
        or_none = (", or None", ", or write None") if types.NoneType in choices else ("", "")
        yield Finding(name, f"is {rule}{or_none[0]}", value, f"{fix}{or_none[1]}")


def _is_plain(value: object, kind: type) -> bool:
    # To Python True is a number; to a person who writes it into a setting that counts, it is a mistake.
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def _described(kind: Any) -> tuple[str, str]:
    if kind in _PLAIN:
        return _PLAIN[kind]
    if typing.get_origin(kind) is tuple:
        return "a tuple", 'write ("…", "…"), and with one entry ("…",)'
    if typing.get_origin(kind) is Mapping:
        return "a mapping", 'write {"…": …}'
    return f"a {kind.__name__}", f"write {kind.__name__}(…)"
