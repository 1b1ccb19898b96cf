"""Hashes of what tasks do and of what they do it to: equal ones would do the same work again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

from runner.child_content import GroupContent
from runner.graph import TaskGraph, TaskGroup
from runner.needs import tasks_of
from runner.surroundings import Surroundings

CHARACTERS: Final = 16
"""Hex digits that are kept: a hash is only compared with that of the same task at another time."""


class ContentHashes:
    """Of job definition, image, GPUs, command, environment, program and inputs, and of all that a task needs in turn.

    More vCPUs or memory do the same work in other time; a program that finds GPUs goes another way.
    """

    def __init__(self, graph: TaskGraph, contents: Mapping[TaskGroup, GroupContent], around: Surroundings) -> None:
        self._graph = graph
        self._contents = contents
        self._around = around
        self._of_task: dict[int, str] = {}
        self._of_needs: dict[int, str] = {}
        self._of_definition: dict[TaskGroup, str] = {}

    def add(self, task: int, said: str) -> str:
        """The hash of a task whose command and environment are `said`, once those that it needs have theirs."""
        group = self._graph.group_of(task)
        parts = [self._definition(group), said, self._needs(self._graph.needs.of_task[task])]
        if group.task.launch is not None:
            program = self._around.shipped.get(self._graph.name(task))
            digest = program.bundle.digest if program is not None and program.bundle is not None else ""
            parts += [self._contents[group].flags(task) or "", digest]
        if group.task.inputs:
            keys = self._contents[group].inputs(task)
            parts += [f"{key}={self._around.input_tags.get(key, '')}" for key in keys]
        found = self._of_task[task] = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:CHARACTERS]
        return found

    def _definition(self, group: TaskGroup) -> str:
        known = self._of_definition.get(group)
        if known is None:
            named = group.task.job_definition
            facts = self._around.facts(named)
            known = f"{facts.name}\0{facts.image}" if facts else self._around.deployment.job_definition(named)
            if group.task.gpus is not None:
                known += f"\0{group.task.gpus} GPUs"
            self._of_definition[group] = known
        return known

    def _needs(self, number: int) -> str:
        known = self._of_needs.get(number)
        if known is None:
            digest = hashlib.sha256()
            for task in tasks_of(self._graph.needs.sets[number]):
                digest.update(self._of_task[task].encode())
            known = self._of_needs[number] = digest.hexdigest()
        return known
