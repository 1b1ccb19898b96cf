"""Names made of other people's ids: readable, allowed, each once, and the same every time."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from runner.credentials import kind_of_credential
from runner.names import MAX_TASK_NAME, MAX_WORKFLOW_NAME, explain_name, name_part

_MAX_KEY: Final = 200
"""Characters of a file's name in the bucket; S3 takes 1,024 bytes for the whole key."""
_WORD: Final = re.compile(r"^[^-_.]*[-_.]+")
_NOT_IN_A_KEY: Final = re.compile(r"[^A-Za-z0-9._-]+")


class DistinctNames:
    """Gives each name once: a second one like it gets `-2`, and so on."""

    def __init__(self, limit: int, taken: Iterable[str] = ()) -> None:
        self._limit = limit
        self._taken = set(taken)
        self._numbers: dict[str, int] = {}

    def take(self, wanted: str) -> str:
        """The wanted name, or one like it, within the limit: of a longer one its end, which says more."""
        name = first = _shortened(wanted, self._limit)
        while name in self._taken:
            number = self._numbers[first] = self._numbers.get(first, 1) + 1
            ending = f"-{number}"
            name = _shortened(wanted, self._limit - len(ending)) + ending
        self._taken.add(name)
        return name


def task_names(ids: Iterable[str]) -> dict[str, str]:
    """Names of tasks by id; an id that is a name stays as it is."""
    known = list(ids)
    kept = {one for one in known if explain_name(one, MAX_TASK_NAME) is None}
    names = DistinctNames(MAX_TASK_NAME, kept)
    return {one: one if one in kept else names.take(_begun(one, "task")) for one in known}


def workflow_name(title: str) -> str:
    """A workflow's name of a trace's."""
    return _begun(title, "trace")[:MAX_WORKFLOW_NAME].rstrip("-_")


def file_names(ids: Iterable[str], prefix: str = "") -> dict[str, str]:
    """Names of files by id, all of letters, digits, dots, hyphens and underscores; a prefix is left out.

    A path becomes one such name: its parts together could look like a key that AWS gave out, which a command may not
    hold.
    """
    names = DistinctNames(_MAX_KEY)
    found = {}
    for one in ids:
        name = _NOT_IN_A_KEY.sub("_", one.removeprefix(prefix)).strip("_.")
        found[one] = names.take("file" if not name or kind_of_credential(name) else name)
    return found


def _begun(text: str, otherwise: str) -> str:
    """With a letter or digit at the beginning."""
    return name_part(text).lstrip("-_") or otherwise


def _shortened(text: str, limit: int) -> str:
    """The end of a text that is too long, from the beginning of a word where that leaves half of it."""
    if len(text) <= limit:
        return text
    end = text[-limit:].lstrip("-_.")
    word = _WORD.sub("", end, count=1)
    return word if len(word) >= limit // 2 else end or text[:limit]
