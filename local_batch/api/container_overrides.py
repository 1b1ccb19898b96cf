"""containerOverrides of a submission, and what they make of the definition's container.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_ContainerOverrides.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from local_batch.api.container_properties import resource_requirements
from local_batch.api.refusals import check_command, check_environment, refuse, refuse_unplayed
from local_batch.engine.resources import Platform

_PLACEHOLDER = re.compile(r"Ref::([A-Za-z0-9_-]+)")
_DEPRECATED = (("vcpus", "VCPU"), ("memory", "MEMORY"))
_ATTEMPT_DIGITS = "10"
_FARGATE_PLATFORM = {"fargatePlatformConfiguration": {"platformVersion": "LATEST"}}


def check_overrides(overrides: Mapping[str, Any], container: Mapping[str, Any], platform: Platform) -> None:
    """Raise ApiError for overrides that the service refuses over this container."""
    refuse_unplayed(overrides, ("instanceType",), "containerOverrides.")
    given = {entry["type"] for entry in container.get("resourceRequirements") or ()}
    for name, kind in _DEPRECATED:
        if overrides.get(name) and (kind in given or platform is Platform.FARGATE):
            raise refuse(
                "This value was submitted in a deprecated key and may conflict with the value provided by the job "
                "definition's resource requirements."
            )
    command = overrides.get("command") or ()
    if "" in command:
        raise refuse("Container command must not contain empty strings.")
    check_command(command)
    check_environment(overrides.get("environment") or ())


def requirements_of(overrides: Mapping[str, Any], container: Mapping[str, Any]) -> list[dict[str, str]]:
    """The resource requirements of the job: the definition's, replaced type by type."""
    own = resource_requirements(overrides)
    if len({entry["type"] for entry in own}) < len(own):
        raise refuse("Cannot provide duplicates in resourceRequirements.")
    return _merged(resource_requirements(container), own, "type")


def overridden_container(
    overrides: Mapping[str, Any],
    container: Mapping[str, Any],
    parameters: Mapping[str, str],
    platform: Platform,
) -> dict[str, Any]:
    """The container of the job, in the members that DescribeJobs shows from the beginning."""
    kept = {key: value for key, value in container.items() if key not in ("vcpus", "memory") and value is not None}
    command = overrides.get("command") or container.get("command") or ()
    shown = {
        "volumes": [],
        "mountPoints": [],
        "ulimits": [],
        "secrets": [],
        **(_FARGATE_PLATFORM if platform is Platform.FARGATE else {}),
        **{key: value for key, value in kept.items() if value != {}},
        "command": [filled(word, parameters) for word in command],
        "environment": _merged(container.get("environment") or (), overrides.get("environment") or (), "name"),
        "resourceRequirements": requirements_of(overrides, container),
    }
    if "logConfiguration" in shown:
        shown["logConfiguration"] = {"options": {}, "secretOptions": [], **shown["logConfiguration"]}
    return shown


def filled(word: str, parameters: Mapping[str, str]) -> str:
    """`Ref::name` replaced by its parameter, anywhere in the word; one without a value stays as it is."""
    if "Ref::" not in word:
        return word
    return _PLACEHOLDER.sub(lambda match: parameters.get(match[1], match[0]), word)


def overrides_characters(overrides: Mapping[str, Any], command: Sequence[str], own_variables: Mapping[str, str]) -> int:
    """How long the overrides are that Batch hands on to ECS, as JSON, its own variables included.

    Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html (overrides)
    """
    environment = [
        *(overrides.get("environment") or ()),
        *({"name": name, "value": value} for name, value in own_variables.items()),
    ]
    handed_on = {"name": "default", "environment": environment}
    if overrides.get("command"):
        handed_on["command"] = list(command)
    return len(json.dumps({"containerOverrides": [handed_on]}, separators=(",", ":"), ensure_ascii=False))


def batch_variables(job_id: str, queue_name: str, environment_name: str) -> dict[str, str]:
    """The variables that Batch adds to a container's environment, at their longest."""
    return {
        "AWS_BATCH_JOB_ID": job_id,
        "AWS_BATCH_JOB_ATTEMPT": _ATTEMPT_DIGITS,
        "AWS_BATCH_JQ_NAME": queue_name,
        "AWS_BATCH_CE_NAME": environment_name,
    }


def _merged(base: Iterable[dict[str, str]], override: Iterable[dict[str, str]], key: str) -> list[dict[str, str]]:
    """The entries of both, the override's in place of the base's of the same key."""
    return list({entry[key]: entry for entry in (*base, *override)}.values())
