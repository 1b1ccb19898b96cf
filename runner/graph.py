"""The graph of a workflow's tasks: order, layers, what is above what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import networkx as nx

from runner.task import Task


class TaskGraph:
    """Tasks without a cycle among them, in an order in which they can be submitted."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        """`tasks` need one another only, and not in a circle: `find_cycle` has been asked."""
        declared = {task.name: task for task in tasks}
        self._graph = dependency_graph({task.name: task.needs for task in declared.values()})
        position = {name: index for index, name in enumerate(declared)}
        order = nx.lexicographical_topological_sort(self._graph, key=position.__getitem__)
        self.tasks: Mapping[str, Task] = MappingProxyType({name: declared[name] for name in order})
        """By name; a task comes after all that it needs, otherwise as declared."""

    def ancestors(self, name: str) -> frozenset[str]:
        """All tasks that have succeeded when this one starts."""
        return frozenset(nx.ancestors(self._graph, name))


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
