"""A trace: the tasks of a WfFormat file, whatever its version."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from runner import model_findings
from runner.errors import InputError
from runner.places import Finding, KeyPath, Places
from runner.wfformat.documents import OLD_VERSIONS, VERSIONS, Head, NewDocument, OldDocument, OldTask

_OLD_TASKS: Final = ("workflow", "tasks")
_TASKS: Final = ("workflow", "specification", "tasks")
_EXECUTED: Final = ("workflow", "execution", "tasks")

Document = TypeVar("Document", bound=BaseModel)


@dataclass(frozen=True, kw_only=True)
class TraceTask:
    """One task of the trace."""

    id: str
    path: KeyPath
    """Where it stands."""
    parents: tuple[str, ...]
    """As they are written, as are the children: ids, in 1.4 also names."""
    children: tuple[str, ...]
    runtime_seconds: float | None
    runtime_path: KeyPath
    reads: tuple[str, ...] = ()
    """Ids of files."""
    writes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Trace:
    """Everything that an import takes from a WfFormat file."""

    name: str
    version: str
    tasks: tuple[TraceTask, ...]
    references: Mapping[str, str]
    """What parents and children may say -> id of the task."""
    is_two_sided: bool
    """Each dependency stands at both of its tasks, as from 1.5 on; before, at either."""
    sizes: Mapping[str, int]
    """Bytes by id of a file."""


def read_trace(content: bytes, source: str) -> Trace:
    """The trace in a file's content; `source` names it. InputError with every finding for what is none."""
    places = Places(source)
    head = _validated(Head, content, places)
    if head.schemaVersion not in VERSIONS:
        raise InputError(
            f"{places.where(('schemaVersion',))}: is one of the versions of WfFormat that are read here "
            f"({', '.join(VERSIONS)}), got {head.schemaVersion[:40]!r}; migrate the file with the tools of WfFormat "
            "(https://github.com/wfcommons/WfFormat)"
        )
    if head.schemaVersion in OLD_VERSIONS:
        trace, findings = _of_old(_validated(OldDocument, content, places))
    else:
        trace, findings = _of_new(_validated(NewDocument, content, places))
    if findings:
        raise InputError.of(places.render(finding) for finding in findings)
    return trace


def _validated(model: type[Document], content: bytes, places: Places) -> Document:
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        if error.errors(include_url=False, include_input=False)[0]["type"] == "json_invalid":
            problem = str(error.errors(include_url=False, include_input=False)[0]["ctx"]["error"])
            raise InputError(f"{places.source}: is JSON, got an error: {problem}; correct it") from None
        raise InputError.of(places.render(finding) for finding in model_findings.findings(error)) from None


def _of_new(document: NewDocument) -> tuple[Trace, list[Finding]]:
    specification, execution = document.workflow.specification, document.workflow.execution
    entries = execution.tasks if execution else ()
    findings = [
        *_repeated((task.id for task in specification.tasks), _TASKS),
        *_repeated((entry.id for entry in entries), _EXECUTED),
    ]
    ids = {task.id for task in specification.tasks}
    for index, entry in enumerate(entries):
        if entry.id not in ids:
            text = f"names a task of the specification, got {entry.id[:80]!r}; correct the id, or remove the entry"
            findings.append(Finding((*_EXECUTED, index, "id"), text))
    at = {entry.id: index for index, entry in enumerate(entries)}
    tasks = tuple(
        TraceTask(
            id=task.id,
            path=(*_TASKS, index),
            parents=task.parents,
            children=task.children,
            runtime_seconds=entries[at[task.id]].runtimeInSeconds if task.id in at else None,
            runtime_path=(*_EXECUTED, at.get(task.id, 0), "runtimeInSeconds"),
            reads=task.inputFiles,
            writes=task.outputFiles,
        )
        for index, task in enumerate(specification.tasks)
    )
    trace = Trace(
        name=document.name,
        version=document.schemaVersion,
        tasks=tasks,
        references={one: one for one in ids},
        is_two_sided=True,
        sizes={file.id: file.sizeInBytes for file in specification.files},
    )
    return trace, findings


def _of_old(document: OldDocument) -> tuple[Trace, list[Finding]]:
    old = document.workflow.tasks
    ids = _old_ids(old)
    sizes: dict[str, int] = {}
    for task in old:
        for file in task.files:
            sizes.setdefault(file.path + file.name, file.sizeInBytes)
    tasks = tuple(
        TraceTask(
            id=task_id,
            path=(*_OLD_TASKS, index),
            parents=task.parents,
            children=task.children,
            runtime_seconds=task.runtimeInSeconds,
            runtime_path=(*_OLD_TASKS, index, "runtimeInSeconds"),
            reads=tuple(file.path + file.name for file in task.files if file.link == "input"),
            writes=tuple(file.path + file.name for file in task.files if file.link == "output"),
        )
        for index, (task_id, task) in enumerate(zip(ids, old, strict=True))
    )
    trace = Trace(
        name=document.name,
        version=document.schemaVersion,
        tasks=tasks,
        references=_old_references(ids, old),
        is_two_sided=False,
        sizes=sizes,
    )
    return trace, list(_repeated(ids, _OLD_TASKS))


def _old_ids(tasks: tuple[OldTask, ...]) -> list[str]:
    """Names, which tasks of 1.4 call each other by; ids where names are given more than once."""
    names = [task.name for task in tasks]
    return names if len(set(names)) == len(names) else [task.id or task.name for task in tasks]


def _old_references(ids: list[str], tasks: tuple[OldTask, ...]) -> dict[str, str]:
    references = {one: one for one in ids}
    aliases = [(alias, one) for one, task in zip(ids, tasks, strict=True) for alias in {task.name, task.id} if alias]
    used = Counter(alias for alias, _ in aliases)
    for alias, one in aliases:
        # A name that several tasks have says of none which is meant.
        if used[alias] == 1:
            references.setdefault(alias, one)
    return references


def _repeated(ids: Iterable[str], path: KeyPath) -> Iterator[Finding]:
    first: dict[str, int] = {}
    for index, one in enumerate(ids):
        if one in first:
            text = f"a task's id stands once, got {one[:80]!r} here and at [{first[one]}]; rename one, or remove it"
            yield Finding((*path, index, "id"), text)
        first.setdefault(one, index)
