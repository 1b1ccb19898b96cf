"""The graph of a workflow's tasks, a handful or millions: an entry is kept once, its tasks are counted."""

from __future__ import annotations

import bisect
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import networkx as nx

from runner.foreach import Members
from runner.needs import Needs, tasks_of
from runner.task import Task


@dataclass(frozen=True, eq=False)
class TaskGroup:
    """A declared entry: one task, or one for each combination of its foreach values."""

    task: Task
    """What the members share: name and values are the entry's own."""
    members: Members
    start: int
    """The number of its first member."""

    @property
    def stop(self) -> int:
        """The number after its last member."""
        return self.start + self.members.size


class TaskGraph:
    """Tasks by number, in the order in which they were declared, and what each waits for: no cycle among them."""

    def __init__(self, groups: Iterable[TaskGroup], needs: Needs, numbers: Mapping[str, int]) -> None:
        """`numbers` are those of all tasks by name. Raises CircleError."""
        self.groups: Final = tuple(groups)
        self.needs: Final = needs
        self._starts = [group.start for group in self.groups]
        self._numbers = numbers
        self._names = list(numbers)
        by_set = needs.layers()
        self.layers: Final = array("l", (by_set[number] for number in needs.of_task))
        """By task, the length of the longest way to one that waits for nobody."""

    def __len__(self) -> int:
        return len(self.needs)

    def number(self, name: str) -> int | None:
        """The number of the task of that name."""
        return self._numbers.get(name)

    def group_of(self, number: int) -> TaskGroup:
        """The entry that declares a task."""
        return self.groups[bisect.bisect_right(self._starts, number) - 1]

    def name(self, number: int) -> str:
        """A task's name."""
        return self._names[number]

    def values(self, number: int) -> dict[str, str]:
        """A task's values: the workflow's variables and, over them, those of foreach."""
        group = self.group_of(number)
        return {**group.task.values, **group.members.values(number - group.start)}

    def names_needed(self, number: int) -> tuple[str, ...]:
        """Names of the tasks that a task waits for."""
        return tuple(map(self.name, tasks_of(self.needs[number])))

    def names(self) -> Iterator[str]:
        """All names, by number."""
        return iter(self._names)


def dependency_graph(needs: Mapping[str, Iterable[str]]) -> nx.DiGraph[str]:
    """Edges from each needed task to the one that needs it."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(needs)
    graph.add_edges_from((needed, name) for name, all_needed in needs.items() for needed in all_needed)
    return graph


def find_cycle(needs: Mapping[str, Iterable[str]]) -> list[str] | None:
    """Tasks that wait for one another, the first repeated at the end; None where there are none."""
    try:
        edges = nx.find_cycle(dependency_graph(needs))
    except nx.NetworkXNoCycle:
        return None
    # From waiting to awaited, as `needs` is written.
    backwards = [edge[0] for edge in reversed(edges)]
    return [*backwards, backwards[0]]


def layers(needs: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Names by the length of the longest way from a task that needs nothing, each layer in the given order."""
    position = {name: index for index, name in enumerate(needs)}
    generations = nx.topological_generations(dependency_graph(needs))
    return [sorted(generation, key=position.__getitem__) for generation in generations]
