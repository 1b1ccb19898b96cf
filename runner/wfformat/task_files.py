"""What the tasks of a trace read and write, as far as it can be played.

A task reads only what another has written that it waits for, directly or not: inputs that came from outside the
workflow are not in the bucket, and a file without a dependency might not be there yet.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import networkx as nx

from batch_limits import MAX_CONTAINER_OVERRIDES_CHARACTERS
from runner.graph import dependency_graph
from runner.wfformat.distinct_names import file_names
from runner.wfformat.trace import Trace, TraceTask

MAX_WRITE_BYTES: Final = 1 << 30
"""Of one file, which the program that stands in for a task holds in memory."""

_BEFORE_KEYS: Final = 1024
"""Characters of overrides that are kept for all but files: run time, resources, names of variables."""
_AROUND_A_KEY: Final = 128
"""Characters that a key has besides its name: option, quotes, and the run's prefix in place of `${prefix}`."""


class TaskFiles:
    """Options for reading and writing, by id of a task, and how many files were left out or made smaller."""

    def __init__(self, trace: Trace, needs: Mapping[str, tuple[str, ...]], scale: float) -> None:
        self._scale = scale
        self._sizes = trace.sizes
        self._names = file_names(dict.fromkeys(file for task in trace.tasks for file in (*task.writes, *task.reads)))
        self._above = _ancestors(needs)
        self._writers: dict[str, int] = {}
        """Tasks that write a file, a bit for each."""
        self._options: dict[str, list[str]] = {}
        self._room = {task.id: _room(task) for task in trace.tasks}
        self.too_many = 0
        """Files that would not fit into a task's command."""
        self.from_outside = 0
        """Reads of files that no task above writes."""
        self.too_large = 0
        self.without_size = 0
        position = {name: index for index, name in enumerate(needs)}
        for task in trace.tasks:
            self._write(task, 1 << position[task.id])
        for task in trace.tasks:
            self._read(task)

    def options(self, task_id: str) -> list[str]:
        """Arguments for the task's command."""
        return self._options[task_id]

    def _write(self, task: TraceTask, bit: int) -> None:
        self._options[task.id] = []
        for file in dict.fromkeys(task.writes):
            text = f"{_key(self._names[file])}={self._size(file)}"
            if self._fits(task, "--write", text):
                self._writers[file] = self._writers.get(file, 0) | bit

    def _read(self, task: TraceTask) -> None:
        for file in dict.fromkeys(task.reads):
            if self._writers.get(file, 0) & self._above[task.id]:
                self._fits(task, "--read", _key(self._names[file]))
            else:
                self.from_outside += 1

    def _fits(self, task: TraceTask, option: str, text: str) -> bool:
        self._room[task.id] -= len(text) + _AROUND_A_KEY
        if self._room[task.id] < 0:
            self.too_many += 1
            return False
        self._options[task.id] += [option, text]
        return True

    def _size(self, file: str) -> int:
        size = self._sizes.get(file)
        self.without_size += size is None
        scaled = math.ceil((size or 0) * self._scale)
        self.too_large += scaled > MAX_WRITE_BYTES
        return min(scaled, MAX_WRITE_BYTES)


def _key(name: str) -> str:
    return "${prefix}files/" + name


def _room(task: TraceTask) -> int:
    return MAX_CONTAINER_OVERRIDES_CHARACTERS - _BEFORE_KEYS - len(task.id)


def _ancestors(needs: Mapping[str, tuple[str, ...]]) -> dict[str, int]:
    """All tasks that have ended when one starts, a bit for each, by their position in `needs`."""
    position = {name: index for index, name in enumerate(needs)}
    above: dict[str, int] = {}
    for name in nx.topological_sort(dependency_graph(needs)):
        bits = 0
        for needed in needs[name]:
            bits |= above[needed] | 1 << position[needed]
        above[name] = bits
    return above
