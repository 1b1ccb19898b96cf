"""A workflow: tasks and who waits for whom. Made in Python here, from a file by `workflow_file`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Unpack

import yaml
from pydantic import ValidationError

from runner import model_findings
from runner.errors import InputError
from runner.expansion import Expansion
from runner.graph import TaskGraph
from runner.places import Places
from runner.plain_scalars import FLOAT, PLAIN_SCALARS
from runner.task_model import TaskDefaults, TaskKeys, TaskSpec, WorkflowDocument


class _Dumper(yaml.SafeDumper):
    """SafeDumper, whose text comes back from a workflow file as it was.

    It quotes what YAML 1.1 takes for a number, which 1e5 is not, and breaks lines in quotes where Unicode does.
    """


def _represented(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = '"' if any(line_break in text for line_break in "\x85\u2028\u2029") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represented)
_Dumper.add_implicit_resolver(FLOAT, re.compile(rf"(?:{PLAIN_SCALARS[FLOAT][0]})$"), list(PLAIN_SCALARS[FLOAT][1]))


class Workflow:
    """Collects tasks; `graph()` checks all of them together.

    Everything that is refused is an InputError that names the place: here the task and the key.
    """

    def __init__(
        self,
        name: str,
        *,
        defaults: Mapping[str, Any] | None = None,
        variables: Mapping[str, str | int] | None = None,
        places: Places | None = None,
    ) -> None:
        """`places` names the source in messages, where it is not a program in Python."""
        self._places = places or Places(f"workflow {name!r}")
        self._folder = Path()
        # One task stands in until there are some: a file without any is refused, an empty Workflow is not yet one.
        document = {"name": name, "variables": variables or {}, "defaults": defaults or {}, "tasks": {"none": {}}}
        self._document = _validated(document, self._places)
        self._tasks: dict[str, TaskSpec] = {}

    @classmethod
    def from_document(cls, document: object, places: Places, folder: Path) -> Workflow:
        """The workflow that the content of a file in the folder declares."""
        validated = _validated(document, places)
        workflow = cls(validated.name, places=places)
        workflow._document, workflow._folder = validated, folder
        workflow._tasks.update(validated.tasks)
        return workflow

    @property
    def name(self) -> str:
        """What runs of it are called after."""
        return self._document.name

    @property
    def places(self) -> Places:
        """Where it was written, for messages about it."""
        return self._places

    @property
    def folder(self) -> Path:
        """What paths of programs are relative to: the file's folder, or the current one."""
        return self._folder

    def task(self, name: str, **keys: Unpack[TaskKeys]) -> str:
        """Add a task; its name, for another's `needs`. The keys are those of the workflow file."""
        if name in self._tasks:
            raise InputError(f"{self._places.where(('tasks', name))}: is declared already; choose another name")
        _validated({"name": self.name, "tasks": {name: keys}}, self._places)
        self._tasks[name] = TaskSpec.model_validate(keys)
        return name

    def to_yaml(self) -> str:
        """The same workflow as a file for `hpc run`."""
        document: dict[str, Any] = {"name": self.name}
        if self._document.variables:
            document["variables"] = dict(self._document.variables)
        if self._document.defaults.model_fields_set:
            document["defaults"] = _plain(self._document.defaults)
        document["tasks"] = {name: _plain(spec) for name, spec in self._tasks.items()}
        return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)

    def graph(self, settings: Mapping[str, str] | None = None) -> TaskGraph:
        """All tasks, foreach expanded, names resolved. `settings` change the values of the workflow's variables.

        Raises InputError with every finding.
        """
        settings = settings or {}
        variables = {**self._document.variables, **settings}
        unknown = sorted(set(settings) - set(self._document.variables))
        if unknown:
            known = ", ".join(self._document.variables) or "none"
            raise InputError(
                f"--set: changes a variable that the workflow declares ({known}), got {', '.join(unknown)}; "
                "declare it under 'variables', or correct the name"
            )
        expansion = Expansion(self._tasks, self._document.defaults, variables)
        if expansion.findings or expansion.graph is None:
            raise InputError.of(self._places.render(finding) for finding in expansion.findings)
        return expansion.graph


def _validated(document: object, places: Places) -> WorkflowDocument:
    try:
        return WorkflowDocument.model_validate(document)
    except ValidationError as error:
        raise InputError.of(places.render(finding) for finding in model_findings.findings(error)) from None


def _plain(model: TaskDefaults) -> dict[str, Any]:
    return model.model_dump(mode="json", exclude_unset=True, exclude_none=True, by_alias=True)
