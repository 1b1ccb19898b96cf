"""One declared task becomes one task for each combination of its foreach values."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

from runner.names import name_part
from runner.task_model import TaskSpec


def combinations(name: str, spec: TaskSpec) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Task name and foreach values of every task that this entry declares, the last name varying fastest.

    An entry without foreach is one task, under its own name and without values.
    """
    for values in itertools.product(*spec.foreach.values()):
        parts = [name, *(name_part(value) for value in values)]
        yield "-".join(parts), dict(zip(spec.foreach, values, strict=True))
