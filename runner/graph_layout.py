"""Where the boxes and lines of a drawn graph lie: layers from left to right, few crossings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from runner.graph import layers

_CHARACTER: Final = 7.4
"""Width of a character of the boxes' text, in pixels, on the wide side."""
MAX_LABEL: Final = 30
_PADDING: Final = 14
_HEIGHT: Final = 34
_ROW_GAP: Final = 14
_COLUMN_GAP: Final = 64
_MARGIN: Final = 4
_ICON: Final = 20
_SWEEPS: Final = 4


@dataclass(frozen=True)
class Box:
    """A task's box, in pixels."""

    name: str
    label: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Line:
    """A dependency's line, as an SVG path from the needed task to the one that needs it."""

    source: str
    target: str
    path: str


@dataclass(frozen=True)
class Layout:
    """A drawing."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]


def lay_out(needs: Mapping[str, Sequence[str]]) -> Layout:
    """The drawing of a graph, given as what each task needs."""
    columns = _uncrossed(layers(needs), needs)
    tallest = max(len(column) for column in columns)
    full_height = tallest * (_HEIGHT + _ROW_GAP) - _ROW_GAP
    boxes: dict[str, Box] = {}
    x = float(_MARGIN)
    for column in columns:
        labels = {name: _label(name) for name in column}
        width = max(len(label) for label in labels.values()) * _CHARACTER + 2 * _PADDING + _ICON
        y = _MARGIN + (full_height - (len(column) * (_HEIGHT + _ROW_GAP) - _ROW_GAP)) / 2
        for name in column:
            boxes[name] = Box(name, labels[name], x, y, width, _HEIGHT)
            y += _HEIGHT + _ROW_GAP
        x += width + _COLUMN_GAP
    lines = tuple(
        Line(needed, name, _curve(boxes[needed], boxes[name]))
        for name, all_needed in needs.items()
        for needed in all_needed
    )
    return Layout(x - _COLUMN_GAP + _MARGIN, full_height + 2 * _MARGIN, tuple(boxes.values()), lines)


def _label(name: str) -> str:
    return name if len(name) <= MAX_LABEL else f"{name[: MAX_LABEL - 9]}…{name[-8:]}"


def _curve(source: Box, target: Box) -> str:
    x0, y0 = source.x + source.width, source.y + source.height / 2
    x1, y1 = target.x, target.y + target.height / 2
    bend = min(_COLUMN_GAP, x1 - x0) * 0.6
    return f"M{x0:.1f} {y0:.1f} C{x0 + bend:.1f} {y0:.1f} {x1 - bend:.1f} {y1:.1f} {x1:.1f} {y1:.1f}"


def _uncrossed(columns: list[list[str]], needs: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Each column ordered by the mean position of its neighbours, to and fro: the barycentre heuristic."""
    wanted_by: dict[str, list[str]] = {name: [] for name in needs}
    for name, all_needed in needs.items():
        for needed in all_needed:
            wanted_by[needed].append(name)
    position = {name: index / max(len(column), 1) for column in columns for index, name in enumerate(column)}
    ordered = [list(column) for column in columns]
    for sweep in range(_SWEEPS):
        neighbours = needs if sweep % 2 == 0 else wanted_by
        for column in ordered if sweep % 2 == 0 else reversed(ordered):
            column.sort(key=lambda name, beside=neighbours: _mean(position, beside[name], position[name]))  # type: ignore[misc]
            position |= {name: index / len(column) for index, name in enumerate(column)}
    return ordered


def _mean(position: Mapping[str, float], names: Sequence[str], otherwise: float) -> float:
    return sum(position[name] for name in names) / len(names) if names else otherwise
