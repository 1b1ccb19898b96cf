"""Requests checked against the service model of AWS Batch, the one that boto3 itself is built from.

Theory of operation. The model is a tree of shapes; walking it for every request costs more than all else that
SubmitJob does. So each operation's input shape is compiled once, when the server starts, into nested functions. A
function returns None for what is right, else the finding; the path to it is put together only where there is one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StringShape, StructureShape

from local_batch.api.errors import ApiError

TAGS_PATH = "/v1/tags/"

_CASE_INSENSITIVE = frozenset({"RetryAction"})
"""Enumerations whose values the service takes in any case.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_EvaluateOnExit.html
"""

_BITS = {"integer": 31, "long": 63}
_MAX_SHOWN_CHARACTERS = 80


class _Misfit(NamedTuple):
    path: str
    """`.name` or `[index]` for each level, outermost first."""

    rule: str
    got: Any


_Check = Callable[[Any], _Misfit | None]


class RequestShapes:
    """The operations of the service, where each is called, and what each of those in `played` takes."""

    def __init__(self, played: Iterable[str]) -> None:
        model = ServiceModel(Loader().load_service_model("batch", "service-2"), "batch")
        self._operations: dict[tuple[str, str], str] = {}
        for name in model.operation_names:
            http = model.operation_model(name).http
            self._operations[http["method"], http["requestUri"]] = name
        compiled: dict[str, _Check] = {}
        self._checks = {name: _compile(model.operation_model(name).input_shape, compiled) for name in played}

    def operation(self, method: str, path: str) -> str | None:
        """The operation that a method and path call; None where the service has none there."""
        if path.startswith(TAGS_PATH):
            path = f"{TAGS_PATH}{{resourceArn}}"
        return self._operations.get((method, path.rstrip("/")))

    def check(self, operation: str, request: dict[str, Any]) -> None:
        """Raise ApiError for the first thing that the service model does not allow."""
        misfit = self._checks[operation](request)
        if misfit is not None:
            where = misfit.path.lstrip(".") or operation
            got = "none" if misfit.got is None else _shown(misfit.got)
            raise ApiError(f"{where}: {misfit.rule}, got {got}; see {operation} in the API reference of AWS Batch")


def _compile(shape: Shape, compiled: dict[str, _Check]) -> _Check:
    if shape.name not in compiled:
        if isinstance(shape, StructureShape):
            compiled[shape.name] = _structure(shape, compiled)
        elif isinstance(shape, ListShape):
            compiled[shape.name] = _list(shape, compiled)
        elif isinstance(shape, MapShape):
            compiled[shape.name] = _map(shape, compiled)
        elif isinstance(shape, StringShape):
            compiled[shape.name] = _string(shape)
        elif shape.type_name == "boolean":
            compiled[shape.name] = _boolean
        elif shape.type_name in _BITS:
            compiled[shape.name] = _integer(shape)
        else:
            compiled[shape.name] = _number
    return compiled[shape.name]


def _structure(shape: StructureShape, compiled: dict[str, _Check]) -> _Check:
    required = tuple(shape.required_members)
    members = {name: _compile(member, compiled) for name, member in shape.members.items()}

    def check(value: Any) -> _Misfit | None:
        if type(value) is not dict:
            return _Misfit("", "is a structure", value)
        for name in required:
            if value.get(name) is None:
                return _Misfit(f".{name}", "is required", None)
        for name, item in value.items():
            member = members.get(name)
            if member is None:
                return _Misfit("", f"has only the members {', '.join(sorted(members))}", name)
            if item is not None:
                misfit = member(item)
                if misfit is not None:
                    return misfit._replace(path=f".{name}{misfit.path}")
        return None

    return check


def _list(shape: ListShape, compiled: dict[str, _Check]) -> _Check:
    member = _compile(shape.member, compiled)
    has_size = _size_check(shape, "items")

    def check(value: Any) -> _Misfit | None:
        if type(value) is not list:
            return _Misfit("", "is a list", value)
        for index, item in enumerate(value):
            misfit = member(item)
            if misfit is not None:
                return misfit._replace(path=f"[{index}]{misfit.path}")
        return has_size(value)

    return check


def _map(shape: MapShape, compiled: dict[str, _Check]) -> _Check:
    key_check, value_check = _compile(shape.key, compiled), _compile(shape.value, compiled)
    # The model wants one tag at least, but its SDKs send an empty map without a word.
    most = shape.metadata.get("max", math.inf)

    def check(value: Any) -> _Misfit | None:
        if type(value) is not dict:
            return _Misfit("", "is a map", value)
        for key, item in value.items():
            misfit = key_check(key) or value_check(item)
            if misfit is not None:
                return misfit._replace(path=f".{key[:_MAX_SHOWN_CHARACTERS]!a}{misfit.path}")
        return None if len(value) <= most else _Misfit("", f"has at most {most} entries", f"{len(value)} of them")

    return check


def _string(shape: StringShape) -> _Check:
    has_size = _size_check(shape, "characters")
    is_any_case = shape.name in _CASE_INSENSITIVE
    allowed = frozenset(shape.enum)

    def check(value: Any) -> _Misfit | None:
        if type(value) is not str:
            return _Misfit("", "is a string", value)
        if not value.isascii() and not _is_unicode(value):
            return _Misfit("", "is Unicode text", ascii(value))
        if allowed and (value.upper() if is_any_case else value) not in allowed:
            return _Misfit("", f"is one of {', '.join(shape.enum)}", value)
        return has_size(value)

    return check


def _is_unicode(text: str) -> bool:
    """JSON can spell half of a surrogate pair, which is no character and cannot be stored."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _boolean(value: Any) -> _Misfit | None:
    return None if type(value) is bool else _Misfit("", "is true or false", value)


def _integer(shape: Shape) -> _Check:
    bound = 2 ** _BITS[shape.type_name]
    low = shape.metadata.get("min", -bound)
    high = shape.metadata.get("max", bound - 1)

    def check(value: Any) -> _Misfit | None:
        if type(value) is not int:
            return _Misfit("", "is an integer", value)
        return None if low <= value <= high else _Misfit("", f"is an integer from {low} to {high}", value)

    return check


def _number(value: Any) -> _Misfit | None:
    is_number = type(value) in (int, float) and abs(value) < 2**63 and math.isfinite(value)
    return None if is_number else _Misfit("", "is a number", value)


def _size_check(shape: Shape, noun: str) -> Callable[[Any], _Misfit | None]:
    low, high = shape.metadata.get("min", 0), shape.metadata.get("max", math.inf)

    def check(value: Any) -> _Misfit | None:
        return None if low <= len(value) <= high else _Misfit("", f"has {low} to {high} {noun}", value)

    return check


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN_CHARACTERS else f"{text[:_MAX_SHOWN_CHARACTERS]}…"
