"""Requests checked against the service model of AWS Batch, the one that boto3 itself is built from."""

from __future__ import annotations

from typing import Any

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StringShape, StructureShape

from local_batch.api.errors import ApiError

TAGS_PATH = "/v1/tags/"

_TYPES: dict[str, tuple[type, ...]] = {
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
    "string": (str,),
    "timestamp": (int, float),
}


class RequestShapes:
    """The operations of the service, where each is called, and what each takes."""

    def __init__(self) -> None:
        self._model = ServiceModel(Loader().load_service_model("batch", "service-2"), "batch")
        self._operations: dict[tuple[str, str], str] = {}
        for name in self._model.operation_names:
            http = self._model.operation_model(name).http
            self._operations[http["method"], http["requestUri"]] = name

    def operation(self, method: str, path: str) -> str | None:
        """The operation that a method and path call; None where the service has none there."""
        if path.startswith(TAGS_PATH):
            path = f"{TAGS_PATH}{{resourceArn}}"
        return self._operations.get((method, path.rstrip("/")))

    def check(self, operation: str, request: dict[str, Any]) -> None:
        """Raise ApiError for the first thing that the service model does not allow."""
        shape = self._model.operation_model(operation).input_shape
        if shape is not None:
            _check(shape, request, "")


def _check(shape: Shape, value: Any, path: str) -> None:
    if isinstance(shape, StructureShape):
        _check_structure(shape, value, path)
    elif isinstance(shape, ListShape):
        _require_type(value, (list,), "a list", path)
        for index, item in enumerate(value):
            _check(shape.member, item, f"{path}[{index}]")
    elif isinstance(shape, MapShape):
        _require_type(value, (dict,), "a map", path)
        for key, item in value.items():
            _check(shape.value, item, f"{path}.{key}")
    else:
        _check_scalar(shape, value, path)


def _check_structure(shape: StructureShape, value: Any, path: str) -> None:
    _require_type(value, (dict,), "a structure", path)
    for name in shape.required_members:
        if value.get(name) is None:
            raise ApiError(f"{_dotted(path, name)}: is required, got none; give it")
    for key, item in value.items():
        member = shape.members.get(key)
        if member is None:
            known = ", ".join(sorted(shape.members))
            raise ApiError(f"{_dotted(path, key)}: is no member of {shape.name}, got {key!r}; it has {known}")
        if item is not None:
            _check(member, item, _dotted(path, key))


def _check_scalar(shape: Shape, value: Any, path: str) -> None:
    wanted = _TYPES[shape.type_name]
    if isinstance(value, bool) and bool not in wanted:
        wanted = ()
    _require_type(value, wanted, f"of type {shape.type_name}", path)
    if isinstance(shape, StringShape) and shape.enum and value not in shape.enum:
        raise ApiError(f"{path}: is one of {', '.join(shape.enum)}, got {value!r}; use one of these")


def _require_type(value: Any, wanted: tuple[type, ...], words: str, path: str) -> None:
    if not isinstance(value, wanted):
        raise ApiError(f"{path or 'request'}: is {words}, got {value!r}; see the API reference of AWS Batch")


def _dotted(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
