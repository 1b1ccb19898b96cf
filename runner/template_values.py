"""Values of `${name}` in commands and environments."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

_TOKEN: Final = re.compile(
    r"\$(?:(?P<escaped>\$)|\{(?P<braced>[^{}$]*)\}|(?P<bare>[A-Za-z_][A-Za-z0-9_]*)|(?P<open>\{))"
)


def names(text: str) -> list[str]:
    """The names that `text` asks for, in order, each as often as it stands there."""
    return [match["braced"] for match in _TOKEN.finditer(text) if match["braced"] is not None]


@dataclass(frozen=True)
class Name:
    """The name of a value, where its value is to stand."""

    name: str


def parts(text: str) -> list[str | Name]:
    """A text that `problems` finds nothing in, taken apart: what stands as it is, and names."""
    found: list[str | Name] = []
    at = 0
    for match in _TOKEN.finditer(text):
        if match["bare"]:
            continue
        found += [text[at : match.start()], "$" if match["escaped"] else Name(match["braced"])]
        at = match.end()
    return [part for part in (*found, text[at:]) if part]


def problems(text: str, known: Collection[str]) -> list[str]:
    """What is wrong with the `${...}` of a text, as findings; empty where substitution would succeed.

    A dollar before anything but a brace is only a dollar, so that `sh -c 'echo $HOME'` needs no care, unless what
    follows is a name known here: then the braces were forgotten.
    """
    found = []
    for match in _TOKEN.finditer(text):
        if match["open"]:
            found.append("'${' begins a name that ends with '}', got no such end; write $${ where a dollar is meant")
        elif match["braced"] is not None and match["braced"] not in known:
            found.append(
                f"names a value that is known here, got '${{{match['braced']}}}'; use one of: {listed(known)}, "
                f"or write $${{{match['braced']}}} where a dollar is meant"
            )
        elif match["bare"] and match["bare"] in known:
            name = match["bare"]
            found.append(f"a name is written in braces, got '${name}'; write ${{{name}}}, or $${name} for a dollar")
    return found


def substitute(text: str, values: Mapping[str, str]) -> str:
    """`text` with `${name}` replaced and `$$` made a dollar. Raises KeyError for a name that `problems` reports."""

    def replacement(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "$"
        return values[match["braced"]] if match["braced"] is not None else match[0]

    return _TOKEN.sub(replacement, text)


def listed(known: Collection[str]) -> str:
    """Names for a message, the many `jobs.…` cut short."""
    shown = sorted(known, key=lambda name: (name.startswith("jobs."), name))
    return ", ".join(shown[:20]) + (f" and {len(shown) - 20} more" if len(shown) > 20 else "")
