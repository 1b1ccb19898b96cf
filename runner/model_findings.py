"""pydantic's complaints in the words of the house: rule, value got, what to do."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel, ValidationError

from runner.credentials import shown
from runner.places import Finding, KeyPath
from runner.retries import Fallback, Retries, RetryReason
from runner.task_model import TaskDefaults, TaskSpec, WorkflowDocument

_EXPECTED: Final = {
    "string_type": ("is text", 'put it in quotes: "…"'),
    "int_type": ("is a whole number", "write it without quotes or fraction"),
    "int_from_float": ("is a whole number", "write it without fraction"),
    "float_type": ("is a number", "write it without quotes"),
    "tuple_type": ("is a list", "write it in brackets: [ … ]"),
    "dict_type": ("is a mapping", "write it as `key: value`"),
    "model_type": ("is a mapping", "write it as `key: value`"),
    "model_attributes_type": ("is a mapping", "write it as `key: value`"),
    "string_too_short": ("is not empty", "write something, or leave the key out"),
}


def findings(error: ValidationError, base: KeyPath = ()) -> list[Finding]:
    """Every complaint of a ValidationError, placed under `base`."""
    return [_finding(details, base) for details in error.errors(include_url=False)]


def _finding(details: Any, base: KeyPath) -> Finding:
    kind: str = details["type"]
    # pydantic marks a complaint about a mapping's key, rather than its value, with this last step.
    path = base + tuple(step for step in details["loc"] if step != "[key]")
    value = shown(details["input"])
    if kind == "missing":
        return Finding(path[:-1], f"needs the key {path[-1]!r}, got none; add it")
    if kind == "extra_forbidden":
        known = ", ".join(_keys_of(path))
        return Finding(path, f"is one of the keys known here ({known}), got {path[-1]!r}; use one of these")
    if kind == "value_error":
        rule, _, fix = str(details["ctx"]["error"]).rpartition("; ")
        return Finding(path, f"{rule}, got {value}; {fix}")
    if kind in _EXPECTED:
        rule, fix = _EXPECTED[kind]
        return Finding(path, f"{rule}, got {value}; {fix}")
    if kind == "too_short":
        return Finding(path, "needs at least one entry, got none; add one")
    message = str(details["msg"]).removeprefix("Input ").replace("should be", "is", 1)
    return Finding(path, f"{message}, got {value}; change it")


def _keys_of(path: KeyPath) -> list[str]:
    model: type[BaseModel]
    names = [step for step in path[:-1] if isinstance(step, str)]
    if "on" in names:
        model = RetryReason
    elif "retries" in names:
        model = Retries
    elif "fallback" in names[2:]:
        model = Fallback
    elif "defaults" in names[:1]:
        model = TaskDefaults
    else:
        model = TaskSpec if names else WorkflowDocument
    return [field.alias or name for name, field in model.model_fields.items()]
