"""What does not change while a run goes on: which of its requests count, and how people group them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Final

from runner.plan import PlannedRequest, Position

_NOBODY: Final[frozenset[int]] = frozenset()


class RunLayout:
    """Of some requests; found out when first asked for, and kept: of a million tasks it takes a moment."""

    def __init__(self, requests: Sequence[PlannedRequest]) -> None:
        self.requests: Final = requests

    @cached_property
    def _superseded(self) -> Mapping[int, frozenset[int]]:
        """By request, which of its tasks are carried out again by a later one."""
        found: dict[int, frozenset[int]] = {}
        seen: set[str] = set()
        for index in range(len(self.requests) - 1, -1, -1):
            tasks = self.requests[index].tasks
            if not seen.isdisjoint(tasks):
                found[index] = frozenset(child for child, name in enumerate(tasks) if name in seen)
            seen.update(tasks)
        return found

    def superseded(self, request: int) -> frozenset[int]:
        """Which tasks of a request, by their places in it, do not count: a later request carries them out again."""
        return self._superseded.get(request, _NOBODY)

    def size(self, request: int) -> int:
        """How many tasks of a request count."""
        return len(self.requests[request].tasks) - len(self.superseded(request))

    @cached_property
    def number_of_tasks(self) -> int:
        """Tasks in all, each counted once."""
        return sum(self.size(index) for index in range(len(self.requests)))

    @cached_property
    def groups(self) -> Mapping[str, Sequence[int]]:
        """Requests whose tasks count, by what people call them, in the order of the run; without barriers."""
        found: dict[str, list[int]] = {}
        for index, planned in enumerate(self.requests):
            if planned.tasks and self.size(index):
                found.setdefault(planned.group, []).append(index)
        return found

    @cached_property
    def has_arrays(self) -> bool:
        """Whether some job stands for more than one task."""
        return any(planned.size is not None for planned in self.requests)

    def tasks(self) -> Iterator[tuple[str, Position]]:
        """Every task and where it is carried out."""
        for index in range(len(self.requests)):
            for child in self.children(index):
                yield self.requests[index].tasks[child], self.position(index, child)

    def children(self, request: int) -> Iterator[int]:
        """Places of a request's tasks that count."""
        superseded = self.superseded(request)
        return (child for child in range(len(self.requests[request].tasks)) if child not in superseded)

    def position(self, request: int, child: int) -> Position:
        """Of the task in that place of a request."""
        return Position(request, None if self.requests[request].size is None else child)

    def name(self, position: Position) -> str:
        """A task's name; of a whole array what its tasks are called together."""
        planned = self.requests[position.request]
        if planned.size is None:
            return planned.tasks[0] if planned.tasks else planned.job_name
        return planned.group if position.child is None else planned.tasks[position.child]
