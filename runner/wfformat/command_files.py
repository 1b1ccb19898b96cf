"""Objects that a job reads and writes, as far as its command tells: by the options of the programs of this project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_READ: Final = frozenset({"--read", "--input-key"})
_WRITTEN: Final = frozenset({"--key"})
_WRITTEN_WITH_SIZE: Final = "--write"


@dataclass(frozen=True)
class CommandFiles:
    """Keys, and of some written ones the bytes."""

    reads: tuple[str, ...]
    writes: tuple[str, ...]
    sizes: dict[str, int]


def files_of(command: Sequence[str]) -> CommandFiles:
    """What the command of one job names."""
    reads: list[str] = []
    writes: list[str] = []
    sizes: dict[str, int] = {}
    option = ""
    for argument in command:
        if argument.startswith("--"):
            option = argument
        elif option in _READ:
            reads.append(argument)
        elif option in _WRITTEN:
            writes.append(argument)
        elif option == _WRITTEN_WITH_SIZE:
            key, _, size = argument.rpartition("=")
            if key and size.isascii() and size.isdigit():
                writes.append(key)
                sizes[key] = int(size)
    return CommandFiles(tuple(dict.fromkeys(reads)), tuple(dict.fromkeys(writes)), sizes)
