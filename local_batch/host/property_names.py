"""From CloudFormation's properties to the API's requests, by the shapes of the service model.

CloudFormation writes `MaxvCpus` where the API says `maxvCpus`, and lets templates write numbers as text. Keys of free
maps (tags, parameters, log options) are data and stay as they are. Of some enumerations CDK writes the values in lower
case, which CloudFormation takes and the API does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from botocore.model import ListShape, MapShape, Shape, StructureShape

ANY_CASE: Final = frozenset({"CEType", "ContainerInsights", "DeviceCgroupPermission"})
"""Shapes of the service model whose values templates may write in any case: `managed`, `enabled`, `read`."""


class PropertyError(ValueError):
    """A property that the type does not have or that has the wrong form, in CloudFormation's words."""


def to_request(properties: Mapping[str, Any], shape: StructureShape, *, without: Iterable[str] = ()) -> dict[str, Any]:
    """The request that the properties stand for; `without` are properties that only CloudFormation knows."""
    skipped = set(without)
    wanted = {name: value for name, value in properties.items() if name not in skipped}
    return _structure(wanted, shape, "#")


def _structure(value: Mapping[str, Any], shape: StructureShape, path: str) -> dict[str, Any]:
    members = {name.lower(): name for name in shape.members}
    request = {}
    for key, item in value.items():
        name = members.get(key.lower())
        if name is None:
            raise PropertyError(f"Properties validation failed for resource: {path}: extraneous key [{key}]")
        request[name] = _value(item, shape.members[name], f"{path}/{key}")
    return request


def _value(value: Any, shape: Shape, path: str) -> Any:
    if isinstance(shape, StructureShape):
        if not isinstance(value, Mapping):
            raise _wrong_form(path, "JSONObject", value)
        return _structure(value, shape, path)
    if isinstance(shape, ListShape):
        if not isinstance(value, list):
            raise _wrong_form(path, "JSONArray", value)
        return [_value(item, shape.member, f"{path}/{index}") for index, item in enumerate(value)]
    if isinstance(shape, MapShape):
        if not isinstance(value, Mapping):
            raise _wrong_form(path, "JSONObject", value)
        return {key: _value(item, shape.value, f"{path}/{key}") for key, item in value.items()}
    scalar = _scalar(value, shape.type_name, path)
    return scalar.upper() if shape.name in ANY_CASE else scalar


def _scalar(value: Any, type_name: str, path: str) -> Any:
    if type_name in ("integer", "long"):
        try:
            return int(value)
        except (TypeError, ValueError):
            raise _wrong_form(path, "Integer", value) from None
    if type_name in ("float", "double"):
        try:
            return float(value)
        except (TypeError, ValueError):
            raise _wrong_form(path, "Number", value) from None
    if type_name == "boolean":
        if str(value).lower() not in ("true", "false"):
            raise _wrong_form(path, "Boolean", value)
        return str(value).lower() == "true"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (str, int, float)):
        return str(value)
    raise _wrong_form(path, "String", value)


def _wrong_form(path: str, wanted: str, value: Any) -> PropertyError:
    found = type(value).__name__
    return PropertyError(f"Properties validation failed for resource: {path}: expected type: {wanted}, found: {found}")
