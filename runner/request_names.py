"""Names of jobs, each given once in a run and the same every time the plan is made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from runner.names import MAX_TASK_NAME, job_name
from runner.task_source import TaskSource


class RequestNames:
    """An array is called after what its tasks have in common, where nothing else is called so."""

    def __init__(self, run_id: str, submission: int = 1) -> None:
        """`submission` is which of the run, from 1."""
        self._run_id = run_id
        self._submission = submission
        self._used: Final[set[str]] = set()
        self._barriers = 0

    def of(self, label: str, names: Sequence[str], source: TaskSource, *, is_whole: bool) -> str:
        """The name of the job of these tasks. `is_whole`: they are one array, not a part of it."""
        name = label
        if len(names) == 1 or not is_whole or label in self._used or source.is_task(label):
            # No other job has the name of a task of this one.
            name = names[0]
        self._used.add(name)
        return job_name(self._run_id, name, self._submission)

    def of_barrier(self) -> str:
        """The name of another barrier: no task's begins like this."""
        self._barriers += 1
        return job_name(self._run_id, f"_barrier-{self._barriers}", self._submission)


def common_part(names: Sequence[str]) -> str:
    """What names begin with alike, without a separator at its end; the first name where that is nothing."""
    first, last = min(names), max(names)
    length = next((at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    return first[:length].rstrip("-_")[:MAX_TASK_NAME] or names[0]
