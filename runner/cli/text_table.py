"""Rows under headings, for people: never cut, and never folded where there is no terminal."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import Final

_GAP: Final = "  "
_LEAST_FOLDED: Final = 24


def terminal_width() -> int | None:
    """Columns of the terminal that stdout is; None where it is none: a pipe has no width to fold to."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def text_table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], *, width: int | None = None, folded: int = -1
) -> str:
    """The rows, every column as wide as its widest cell.

    Where that is wider than `width`, the column `folded` is folded to what is left, if that is 24 characters or more:
    else nothing is, as folding no longer helps and a cut id is of no use.
    """
    lines = [[" ".join(cell.split()) for cell in line] for line in (headings, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    column = folded % len(headings)
    excess = sum(widths) + len(_GAP) * (len(widths) - 1) - width if width else 0
    if excess > 0 and widths[column] - excess >= _LEAST_FOLDED:
        widths[column] -= excess
    shown = []
    for line in lines:
        first, *rest = textwrap.wrap(line[column], max(widths[column], 1), break_on_hyphens=False) or [""]
        shown.append([*line[:column], first, *line[column + 1 :]])
        shown += [["" if other != column else part for other in range(len(headings))] for part in rest]
    return "\n".join(
        _GAP.join(cell.ljust(size) for cell, size in zip(line, widths, strict=True)).rstrip() for line in shown
    )
