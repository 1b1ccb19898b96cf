"""Requests and answers held against botocore's own models: names, types and, which ParamValidator leaves out, enums."""

from __future__ import annotations

from functools import cache
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StringShape, StructureShape
from botocore.validate import ParamValidator


@cache
def service(name: str) -> ServiceModel:
    """A service's model."""
    return botocore.session.Session().get_service_model(name)


def check_request(service_name: str, operation: str, request: dict[str, Any]) -> None:
    """Fail where the service's model does not allow the request."""
    shape = service(service_name).operation_model(operation).input_shape
    report = ParamValidator().validate(request, shape)
    assert not report.has_errors(), report.generate_report()
    assert enum_problems(shape, request) == []


def enum_problems(shape: Shape, value: Any) -> list[str]:
    """Strings that are none of the values that the model lists for them."""
    if isinstance(shape, StringShape) and shape.enum:
        return [] if value in shape.enum else [f"{shape.name}: {value!r}"]
    if isinstance(shape, StructureShape):
        return [problem for key in value for problem in enum_problems(shape.members[key], value[key])]
    if isinstance(shape, ListShape):
        return [problem for entry in value for problem in enum_problems(shape.member, entry)]
    if isinstance(shape, MapShape):
        return [problem for entry in value.values() for problem in enum_problems(shape.value, entry)]
    return []
