"""Who waits for whom in a trace, after parents and children were held against each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from runner.graph import find_cycle
from runner.places import Finding
from runner.wfformat.trace import Trace, TraceTask

_MOST_SHOWN: Final = 10


class Dependencies:
    """The needs of every task, and everything that is wrong with them; needs are of use only where nothing is."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self.findings: list[Finding] = []
        by_child: dict[str, dict[str, tuple[TraceTask, int]]] = {task.id: {} for task in trace.tasks}
        by_parent: dict[str, dict[str, tuple[TraceTask, int]]] = {task.id: {} for task in trace.tasks}
        for task in trace.tasks:
            self._resolve(task, "parents", by_child[task.id])
            self._resolve(task, "children", by_parent[task.id])
        if trace.is_two_sided:
            self._compare(by_child, by_parent)
        needs: dict[str, dict[str, None]] = {task: dict.fromkeys(parents) for task, parents in by_child.items()}
        for parent, children in by_parent.items():
            for child in children:
                needs[child].setdefault(parent)
        self.needs: Mapping[str, tuple[str, ...]] = {task: tuple(parents) for task, parents in needs.items()}
        """By id of a task, in the order of the trace."""
        self._check_cycle()

    def _resolve(self, task: TraceTask, key: str, found: dict[str, tuple[TraceTask, int]]) -> None:
        for index, reference in enumerate(task.parents if key == "parents" else task.children):
            other = self._trace.references.get(reference)
            if other is None:
                text = f"names a task of the trace, got {reference[:80]!r}; correct the id, or add the task"
                self.findings.append(Finding((*task.path, key, index), text))
            else:
                found.setdefault(other, (task, index))

    def _compare(
        self,
        by_child: Mapping[str, Mapping[str, tuple[TraceTask, int]]],
        by_parent: Mapping[str, Mapping[str, tuple[TraceTask, int]]],
    ) -> None:
        for mine, theirs, key, other_key in (
            (by_child, by_parent, "parents", "children"),
            (by_parent, by_child, "children", "parents"),
        ):
            for one, others in mine.items():
                for other, (task, index) in others.items():
                    if one not in theirs[other]:
                        text = (
                            f"a dependency stands at both of its tasks, got {other[:80]!r}, whose {other_key} do not "
                            f"name {one[:80]!r}; add it there, or remove it here"
                        )
                        self.findings.append(Finding((*task.path, key, index), text))

    def _check_cycle(self) -> None:
        cycle = None if self.findings else find_cycle(self.needs)
        if not cycle:
            return
        shown = [one[:80] for one in cycle[:_MOST_SHOWN]] + ([f"({len(cycle) - 1} tasks)"] if len(cycle) > 10 else [])
        at = next(task for task in self._trace.tasks if task.id == cycle[0])
        text = f"tasks do not wait for one another in a circle, got {' needs '.join(shown)}; remove one of these"
        self.findings.append(Finding((*at.path, "parents"), text))
