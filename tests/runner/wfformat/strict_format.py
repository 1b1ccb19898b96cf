"""What an instance of WfFormat 1.5 may hold and nothing else, said a second time, apart from the program.

Ids have the characters that every revision of 1.5 takes. `check_public_schema` asks the public schema itself, where a
copy of it is at hand: WFFORMAT_SCHEMA=wfcommons-schema.json.
"""

# ruff: noqa: N815 - WfFormat's names

from __future__ import annotations

import datetime as dt
import json
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

Id = Annotated[str, Field(pattern=r"^[0-9a-zA-Z_.-]+$")]
Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=1)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class _RuntimeSystem(_Part):
    name: Text
    version: Text
    url: Text


class _File(_Part):
    id: Id
    sizeInBytes: Annotated[int, Field(ge=0)]


class _Task(_Part):
    name: Text
    id: Id
    parents: list[Id]
    children: list[Id]
    inputFiles: list[Id]
    outputFiles: list[Id]


class _Specification(_Part):
    tasks: Annotated[list[_Task], Field(min_length=1)]
    files: list[_File]


class _Command(_Part):
    program: Text | None = None
    arguments: list[Text] | None = None


class _Executed(_Part):
    id: Id
    runtimeInSeconds: Annotated[float, Field(ge=0)]
    executedAt: Text
    command: _Command | None = None
    coreCount: Annotated[float, Field(ge=1)] | None = None
    memoryInBytes: Count | None = None
    machines: list[Id] | None = None


class _Cpu(_Part):
    coreCount: Count


class _Machine(_Part):
    nodeName: Id
    system: Literal["linux", "macos", "windows"] | None = None
    architecture: Text | None = None
    release: Text | None = None
    memoryInBytes: Count | None = None
    cpu: _Cpu | None = None


class _Execution(_Part):
    makespanInSeconds: Annotated[float, Field(ge=0)]
    executedAt: Text
    tasks: Annotated[list[_Executed], Field(min_length=1)]
    machines: Annotated[list[_Machine], Field(min_length=1)] | None = None


class _Workflow(_Part):
    specification: _Specification
    execution: _Execution | None = None


class _Instance(_Part):
    name: Text
    description: Text
    createdAt: Text
    schemaVersion: Literal["1.5"]
    runtimeSystem: _RuntimeSystem
    workflow: _Workflow


def check(document: Any) -> None:
    """Raise where the document is no instance, or where its parts do not fit each other."""
    text = json.dumps(document)
    instance = _Instance.model_validate_json(text)
    assert "null" not in text.replace("\\n", ""), "a key without a value is left out"
    dt.datetime.fromisoformat(instance.createdAt)
    specification, execution = instance.workflow.specification, instance.workflow.execution
    parents = {(parent, task.id) for task in specification.tasks for parent in task.parents}
    assert parents == {(task.id, child) for task in specification.tasks for child in task.children}
    ids = {task.id for task in specification.tasks}
    assert len(ids) == len(specification.tasks)
    assert {end for edge in parents for end in edge} <= ids
    files = {file.id for file in specification.files}
    assert len(files) == len(specification.files)
    assert {file for task in specification.tasks for file in (*task.inputFiles, *task.outputFiles)} == files
    if execution is not None:
        dt.datetime.fromisoformat(execution.executedAt)
        assert {task.id for task in execution.tasks} <= ids
        machines = {machine.nodeName for machine in execution.machines or ()}
        assert {machine for task in execution.tasks for machine in task.machines or ()} == machines


def check_public_schema(document: Any) -> None:
    """Hold the document against WfCommons' own schema; skip where there is no copy of it."""
    path = os.environ.get("WFFORMAT_SCHEMA")
    if not path:
        pytest.skip("WFFORMAT_SCHEMA names no copy of wfcommons-schema.json of WfFormat 1.5")
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    jsonschema.validate(document, json.loads(Path(path).read_text(encoding="utf-8")))
