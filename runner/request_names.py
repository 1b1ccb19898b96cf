"""Names of jobs, each given once in a run and the same every time the plan is made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from runner.graph import TaskGraph
from runner.names import MAX_TASK_NAME, job_name


class RequestNames:
    """An array is called after what its tasks have in common, where nothing else is called so."""

    def __init__(self, graph: TaskGraph, run_id: str, submission: int = 1) -> None:
        self._graph = graph
        self._run_id = run_id
        self._submission = submission
        self._used: Final[set[str]] = set()
        self._barriers = 0

    def of(self, members: Sequence[int], names: Sequence[str], *, is_whole: bool) -> tuple[str, str]:
        """What people call the tasks, and the name of their job. `is_whole`: they are one array, not a part of it."""
        if len(names) == 1:
            return names[0], self._job(names[0])
        groups = {self._graph.group_of(members[0]), self._graph.group_of(members[-1])}
        label = groups.pop().task.name if len(groups) == 1 else common_part(names)
        # No other job has the name of a task of this one.
        name = label
        if not is_whole or label in self._used or self._graph.number(label) is not None:
            name = names[0]
        self._used.add(name)
        return label, self._job(name)

    def of_barrier(self) -> str:
        """The name of another barrier: no task's begins like this."""
        self._barriers += 1
        return self._job(f"_barrier-{self._barriers}")

    def _job(self, name: str) -> str:
        return job_name(self._run_id, name, self._submission)


def common_part(names: Sequence[str]) -> str:
    """What names begin with alike, without a separator at its end; the first name where that is nothing."""
    first, last = min(names), max(names)
    length = next((at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    return first[:length].rstrip("-_")[:MAX_TASK_NAME] or names[0]
