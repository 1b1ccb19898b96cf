"""containerOverrides of a submission, and what they make of a definition's container.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_ContainerOverrides.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from local_batch.api.container_secrets import check_names_of_secrets
from local_batch.api.refusals import check_command, check_environment, refuse
from local_batch.api.resource_requirements import DEPRECATED, check_requirements, overridden_requirements
from local_batch.engine.resources import Platform

COMMAND_AND_ENVIRONMENT: Final = frozenset({"command", "environment"})
"""What submissions with one definition differ in."""

_PLACEHOLDER: Final = re.compile(r"Ref::([A-Za-z0-9_-]+)")
_CONFLICT: Final = (
    "This value was submitted in a deprecated key and may conflict with the value provided by the job definition's "
    "resource requirements."
)


def check_words(overrides: Mapping[str, Any], container: Mapping[str, Any]) -> None:
    """Raise ApiError for a command or an environment that the service refuses over this container."""
    command, environment = overrides.get("command") or (), overrides.get("environment") or ()
    if "" in command:
        raise refuse("Container command must not contain empty strings.")
    check_command(command)
    check_environment(environment)
    secrets = [secret["name"] for secret in container.get("secrets") or ()]
    if secrets and environment:
        check_names_of_secrets(secrets, [*secrets, *(entry["name"] for entry in environment)])


def overridden_container(
    overrides: Mapping[str, Any], container: Mapping[str, Any], platform: Platform, *, is_node: bool = False
) -> dict[str, Any]:
    """The container of a job without command and environment, as DescribeJobs shows it.

    Raises ApiError for a size or an instance type that the service refuses over this container.
    """
    if overrides.get("instanceType") and not is_node:
        raise refuse("instanceType is only applicable to multi-node parallel jobs.")
    given = {entry["type"] for entry in container.get("resourceRequirements") or ()}
    for name, kind in DEPRECATED.items():
        if overrides.get(name) and (kind in given or platform is Platform.FARGATE):
            raise refuse(_CONFLICT)
    check_requirements(overrides, platform, is_complete=False)
    requirements, deprecated = overridden_requirements(overrides, container)
    left_out = {*COMMAND_AND_ENVIRONMENT, *DEPRECATED}
    shown = {name: value for name, value in container.items() if name not in left_out}
    shown |= {"resourceRequirements": requirements, **deprecated}
    if overrides.get("instanceType"):
        shown["instanceType"] = overrides["instanceType"]
    check_requirements(shown, platform, is_complete=True)
    return shown


def filled_command(
    overrides: Mapping[str, Any], container: Mapping[str, Any], parameters: Mapping[str, str]
) -> tuple[str, ...]:
    """The override's command as a whole, or else the definition's, with its placeholders filled."""
    return tuple(_filled(word, parameters) for word in overrides.get("command") or container.get("command") or ())


def merged_environment(overrides: Mapping[str, Any], container: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Names and values of both, the override's in place of the definition's of the same name."""
    merged = dict(_pairs(container.get("environment") or ()))
    merged.update(_pairs(overrides.get("environment") or ()))
    return tuple(merged.items())


def _pairs(entries: Iterable[Mapping[str, str]]) -> Iterable[tuple[str, str]]:
    return ((entry["name"], entry.get("value") or "") for entry in entries)


def _filled(word: str, parameters: Mapping[str, str]) -> str:
    """`Ref::name` replaced by its parameter, anywhere in the word; one without a value stays as it is."""
    if "Ref::" not in word:
        return word
    return _PLACEHOLDER.sub(lambda match: parameters.get(match[1], match[0]), word)
