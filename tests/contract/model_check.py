"""Replies checked against the service model of AWS Batch: keys, types, what is required, enumerations.

botocore's ParamValidator knows keys and types but no enumerations, and it checks requests: this walks replies.
"""

from __future__ import annotations

from typing import Any

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StringShape, StructureShape

MODEL = ServiceModel(Loader().load_service_model("batch", "service-2"), "batch")
NOT_ALWAYS_SENT = {"JobDetail": {"startedAt"}}
"""Members that the model requires and the service leaves out: recorded replies about jobs that had not started."""

TYPES: dict[str, tuple[type, ...]] = {
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
    "string": (str,),
}
ANY_CASE = frozenset({"RetryAction"})
"""Enumerations that the service takes in any case and shows in lower case."""


def findings(operation: str, reply: dict[str, Any]) -> list[str]:
    """Everything in the reply that the model of the operation does not allow; empty for a good one."""
    found: list[str] = []
    shape = MODEL.operation_model(operation).output_shape
    _walk(shape, {key: value for key, value in reply.items() if key != "ResponseMetadata"}, operation, found)
    return found


def _walk(shape: Shape, value: Any, path: str, found: list[str]) -> None:
    if isinstance(shape, StructureShape):
        required = set(shape.required_members) - NOT_ALWAYS_SENT.get(shape.name, set())
        found += [f"{path}: {name} is required" for name in sorted(required) if name not in value]
        for key, item in value.items():
            if key not in shape.members:
                found.append(f"{path}: {key} is unknown")
            else:
                _walk(shape.members[key], item, f"{path}.{key}", found)
    elif isinstance(shape, ListShape):
        for index, item in enumerate(value):
            _walk(shape.member, item, f"{path}[{index}]", found)
    elif isinstance(shape, MapShape):
        for key, item in value.items():
            _walk(shape.value, item, f"{path}.{key}", found)
    elif not isinstance(value, TYPES[shape.type_name]) or isinstance(value, bool) is not (shape.type_name == "boolean"):
        found.append(f"{path}: {value!r} is no {shape.type_name}")
    elif isinstance(shape, StringShape) and shape.enum and _cased(shape, value) not in shape.enum:
        found.append(f"{path}: {value!r} is none of {shape.enum}")


def _cased(shape: StringShape, value: Any) -> str:
    return str(value).upper() if shape.name in ANY_CASE else str(value)
