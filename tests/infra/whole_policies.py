"""IAM policies of templates with names in the place of references, as linters of policies read them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from tests.infra.synthesised import Template, listed

_PSEUDO: Final[Mapping[str, str]] = MappingProxyType(
    {"AWS::Partition": "aws", "AWS::Region": "us-east-1", "AWS::AccountId": "123456789012"}
)

_HERE: Final = "us-east-1:123456789012"

_ARNS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "batch": f"arn:aws:batch:{_HERE}:job-queue/name",
        "ecr": f"arn:aws:ecr:{_HERE}:repository/name",
        "elasticfilesystem": f"arn:aws:elasticfilesystem:{_HERE}:file-system/fs-0a1b2c3d",
        "kms": f"arn:aws:kms:{_HERE}:key/name",
        "lambda": f"arn:aws:lambda:{_HERE}:function:name",
        "logs": f"arn:aws:logs:{_HERE}:log-group:name:log-stream:name",
        "s3": "arn:aws:s3:::name",
        "secretsmanager": f"arn:aws:secretsmanager:{_HERE}:secret:name",
        "sqs": f"arn:aws:sqs:{_HERE}:name",
    }
)
"""What a reference stands for, by the service of the statement's actions."""


def whole_policies(template: Template) -> Iterator[tuple[str, str]]:
    """Logical id and JSON text of each policy."""
    for kind in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
        for name, body in template.resources(kind).items():
            document = body["Properties"]["PolicyDocument"]
            statements = [_whole(statement, _service(statement)) for statement in document["Statement"]]
            yield name, json.dumps({**document, "Statement": statements})


def _service(statement: Mapping[str, Any]) -> str:
    return str(listed(statement["Action"])[0]).partition(":")[0]


def _whole(value: Any, service: str) -> Any:
    if isinstance(value, list):
        return [_whole(item, service) for item in value]
    if not isinstance(value, dict):
        return value
    if "Fn::Join" in value:
        separator, parts = value["Fn::Join"]
        return separator.join(_whole(part, service) for part in parts)
    if "Ref" in value and value["Ref"] in _PSEUDO:
        return _PSEUDO[value["Ref"]]
    if {"Ref", "Fn::GetAtt", "Fn::ImportValue"} & value.keys():
        return _ARNS[service]
    return {key: _whole(item, service) for key, item in value.items()}
