"""What each task of a declared entry does, with its values: commands and environments, made one by one and fast.

A text is taken apart once; what a million children say is joined from its parts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from runner.foreach import NumberRange
from runner.graph import TaskGraph, TaskGroup
from runner.names import job_name
from runner.task import Task
from runner.template_values import Name, parts

_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
"""Made once: json.dumps makes one for every call."""

Child = tuple[list[str] | None, dict[str, str]]
"""Command, None for the job definition's, and environment."""


@dataclass(frozen=True)
class RunValues:
    """What `${...}` stands for in all tasks of a run."""

    run_id: str
    bucket: str
    prefix: str

    def get(self, name: str) -> str | None:
        """The value of a name that is the same for all tasks; None where each has its own."""
        if name.startswith("jobs."):
            return job_name(self.run_id, name.removeprefix("jobs."))
        return {"run_id": self.run_id, "bucket": self.bucket, "prefix": self.prefix}.get(name)


class Template:
    """A text of an entry: literal where all its tasks say the same."""

    def __init__(self, text: str, task: Task, own: Mapping[str, object], shared: RunValues) -> None:
        """`own` has the names of foreach values."""
        self.parts: Final[list[str | Name]] = []
        for part in parts(text):
            value: str | None = None
            if isinstance(part, Name):
                if part.name not in own:
                    value = shared.get(part.name)
                    value = task.values.get(part.name) if value is None else value
            else:
                value = part
            if value is None:
                self.parts.append(part)
            elif self.parts and isinstance(self.parts[-1], str) and not isinstance(self.parts[-1], Name):
                self.parts[-1] += value
            else:
                self.parts.append(value)
        self.names: Final = {part.name for part in self.parts if isinstance(part, Name)}
        """Values that differ between tasks."""
        self._literal = "".join(part for part in self.parts if isinstance(part, str))

    def text(self, values: Callable[[str], str]) -> str:
        """For one task."""
        if not self.names:
            return self._literal
        return "".join(values(part.name) if isinstance(part, Name) else part for part in self.parts)


class GroupContent:
    """Commands and environments of an entry's tasks."""

    def __init__(self, graph: TaskGraph, group: TaskGroup, shared: RunValues) -> None:
        task, axes = group.task, group.members.axes
        self._graph = graph

        def template(text: str) -> Template:
            return Template(text, task, axes, shared)

        self.group: Final = group
        self._run_id = shared.run_id
        self._command = None if task.command is None else [template(element) for element in task.command]
        self._environment = {name: template(value) for name, value in task.environment.items()}
        self._inputs = [template(text) for text in task.inputs]
        self._flags = None if task.launch is None or task.launch.flags is None else template(task.launch.flags)
        templates = [*(self._command or ()), *self._environment.values()]
        self.names: Final = {name for found in templates for name in found.names}
        """Values that differ between tasks; none where all do the same."""

    def _values(self, number: int) -> Callable[[str], str]:
        members, member = self.group.members, number - self.group.start

        def value(name: str) -> str:
            if name in members.axes:
                return members.value(name, member)
            task = self._graph.name(number)
            return task if name == "task" else job_name(self._run_id, task)

        return value

    def child(self, number: int) -> Child:
        """What the task of that number does."""
        values = self._values(number)
        command = None if self._command is None else [element.text(values) for element in self._command]
        return command, {name: value.text(values) for name, value in self._environment.items()}

    def flags(self, number: int) -> str | None:
        """The compiler's flags of its program."""
        return None if self._flags is None else self._flags.text(self._values(number))

    def inputs(self, number: int) -> list[str]:
        """The objects that it reads."""
        values = self._values(number)
        return [text.text(values) for text in self._inputs]

    def samples(self) -> Iterator[int]:
        """Numbers of tasks that stand for all where only the kind of a value's characters counts."""
        members = self.group.members
        used = {name: axis for name, axis in members.axes.items() if name in self.names}
        if not any(isinstance(axis, NumberRange) for axis in used.values()):
            yield from range(self.group.start, self.group.stop) if used else [self.group.start]
            return
        seen: set[tuple[str | int, ...]] = set()
        for number in range(self.group.start, self.group.stop):
            kind = tuple(
                len(members.value(name, number - self.group.start))
                if isinstance(axis, NumberRange)
                else members.place(name, number - self.group.start)
                for name, axis in used.items()
            )
            if kind not in seen:
                seen.add(kind)
                yield number


def line(child: Child) -> str:
    """A child as the launcher reads it: JSON in one line."""
    return _ENCODER.encode(child)


def overrides(child: Child) -> dict[str, Any]:
    """A child as containerOverrides."""
    command, environment = child
    found: dict[str, Any] = {} if command is None else {"command": command}
    if environment:
        found["environment"] = [{"name": name, "value": value} for name, value in environment.items()]
    return found
