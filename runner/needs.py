"""Who waits for whom, for any number of tasks: sets of task numbers as spans, each different set kept once.

Tasks are numbered in the order in which they were declared; those of one foreach stand side by side. So a group that is
needed as a whole is one span, however large, and all that need it share one set.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from itertools import chain, pairwise
from typing import Final

Span = tuple[int, int]
"""Tasks from the first number up to, and without, the second."""

Spans = tuple[Span, ...]
"""A set of tasks: ascending, apart from each other. Equal sets are equal."""

NOBODY: Final[Spans] = ()


def spans(parts: Iterable[Span]) -> Spans:
    """The set of all tasks of the parts."""
    ordered = sorted(parts)
    if len(ordered) < 2:
        return tuple(ordered)
    merged = [ordered[0]]
    for start, stop in ordered[1:]:
        if start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return tuple(merged)


def of_tasks(tasks: Iterable[int]) -> Spans:
    """The set of these tasks."""
    return spans((task, task + 1) for task in tasks)


def tasks_of(found: Spans) -> Iterator[int]:
    """Every task of a set, ascending."""
    return chain.from_iterable(range(start, stop) for start, stop in found)


def count(found: Spans) -> int:
    """How many tasks a set has."""
    return sum(stop - start for start, stop in found)


def overlap(found: Spans, other: Spans) -> int:
    """How many tasks two sets have in common."""
    return sum(
        max(min(stop, other_stop) - max(start, other_start), 0)
        for start, stop in found
        for other_start, other_stop in other
    )


def holds(found: Spans, task: int) -> bool:
    """Whether a task is in a set."""
    return any(start <= task < stop for start, stop in found)


class CircleError(ValueError):
    """Tasks that wait for one another: `tasks`, each needing the next, the first repeated at the end."""

    def __init__(self, tasks: list[int]) -> None:
        super().__init__(f"tasks wait for one another: {tasks}")
        self.tasks: Final = tasks


class Needs:
    """The set that each task waits for."""

    def __init__(self) -> None:
        self.sets: Final[list[Spans]] = [NOBODY]
        """Every different set, by number."""
        self.of_task: Final = array("l")
        """The number of each task's set."""
        self._numbers: Final[dict[Spans, int]] = {NOBODY: 0}

    def number(self, found: Spans) -> int:
        """The number of a set."""
        known = self._numbers.get(found)
        if known is None:
            known = self._numbers[found] = len(self.sets)
            self.sets.append(found)
        return known

    def add(self, found: Spans, times: int = 1) -> None:
        """The next tasks wait for this set."""
        self.of_task.extend(array("l", [self.number(found)]) * times)

    def __getitem__(self, task: int) -> Spans:
        return self.sets[self.of_task[task]]

    def __len__(self) -> int:
        return len(self.of_task)

    def sets_within(self, number: int) -> set[int]:
        """The sets that tasks of a set wait for in turn."""
        return set(chain.from_iterable(self.of_task[start:stop] for start, stop in self.sets[number]))

    def layers(self) -> array[int]:
        """By the number of a set, the length of the longest way through it to a task that waits for nobody.

        Raises CircleError.
        """
        found = array("l", [-1]) * len(self.sets)
        for number in range(len(self.sets)):
            if found[number] < 0:
                self._visit(number, found)
        return found

    def _visit(self, first: int, found: array[int]) -> None:
        way: dict[int, Iterator[int]] = {first: iter(self.sets_within(first))}
        while way:
            number, others = next(reversed(way.items()))
            following = next((other for other in others if found[other] < 0), None)
            if following is None:
                way.popitem()
                found[number] = 1 + max((found[other] for other in self.sets_within(number)), default=-1)
            elif following in way:
                raise CircleError(self._circle(list(way), following))
            else:
                way[following] = iter(self.sets_within(following))

    def _circle(self, way: list[int], again: int) -> list[int]:
        numbers = [*way[way.index(again) :], again]
        # A task of each set on the way that waits for the next set.
        found = [
            next(task for task in tasks_of(self.sets[number]) if self.of_task[task] == other)
            for number, other in pairwise(numbers)
        ]
        return [*found, found[0]]

    def above(self, number: int) -> set[int]:
        """The sets of all that a set's tasks wait for, directly or not, and the set itself."""
        found: set[int] = set()
        ahead = [number]
        while ahead:
            current = ahead.pop()
            if current not in found:
                found.add(current)
                ahead += self.sets_within(current)
        return found
