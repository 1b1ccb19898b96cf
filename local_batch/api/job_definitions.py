"""Job definitions and their revisions.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_RegisterJobDefinition.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import batch_limits
from local_batch.api.container_properties import check_container
from local_batch.api.errors import ApiError
from local_batch.api.paging import Pages
from local_batch.api.refusals import (
    check_resource_name,
    check_retry_strategy,
    check_tags,
    check_timeout,
    not_played,
    refuse,
    refuse_unplayed,
)
from local_batch.api.state import State
from local_batch.engine.events import JobDefinitionSaved
from local_batch.engine.resources import JobDefinition, Platform

_UNPLAYED = ("nodeProperties", "eksProperties", "ecsProperties", "consumableResourceProperties", "schedulingPriority")
_PAGES: Pages[JobDefinition] = Pages(limit=100, key=lambda definition: definition.arn)


class JobDefinitions:
    """Register, deregister, describe."""

    def __init__(self, state: State) -> None:
        self._state = state

    def register(self, request: dict[str, Any]) -> dict[str, Any]:
        """RegisterJobDefinition: revision 1, or the one after the last."""
        state, name = self._state, request["jobDefinitionName"]
        _check(request)
        revision = 1 + max(
            (item.revision for item in state.engine.definitions.values() if item.name == name), default=0
        )
        arn = state.arn("job-definition", f"{name}:{revision}")
        # CDK writes empty structures where it has nothing to say.
        detail = {key: value for key, value in request.items() if key != "tags" and value not in ({}, [], None)}
        if "retryStrategy" in detail:
            detail["retryStrategy"] = shown_retry_strategy(detail["retryStrategy"])
        tags = request.get("tags") or {}
        definition = JobDefinition(arn=arn, name=name, revision=revision, tags=tags, detail=detail)
        state.dispatcher.dispatch(JobDefinitionSaved(definition))
        return {"jobDefinitionName": name, "jobDefinitionArn": arn, "revision": revision}

    def deregister(self, request: dict[str, Any]) -> dict[str, Any]:
        """DeregisterJobDefinition: the revision becomes INACTIVE; jobs that have it go on."""
        reference = request["jobDefinition"]
        if ":" not in reference.rpartition("/")[2]:
            raise refuse(f"jobDefinition must be name:revision or an ARN with a revision, got {reference}.")
        definition = self._state.definition(reference)
        if definition is None:
            raise ApiError(f"{reference} does not exist")
        self._state.dispatcher.dispatch(JobDefinitionSaved(replace(definition, active=False)))
        return {}

    def describe(self, request: dict[str, Any]) -> dict[str, Any]:
        """DescribeJobDefinitions, newest revision of a name first; names that are not known are left out."""
        wanted, name, status = request.get("jobDefinitions"), request.get("jobDefinitionName"), request.get("status")

        def is_wanted(definition: JobDefinition) -> bool:
            return (
                (not wanted or definition.arn in wanted or f"{definition.name}:{definition.revision}" in wanted)
                and (not name or definition.name == name)
                and (not status or status == _status(definition))
            )

        shown, token = _PAGES.cut(reversed(self._state.engine.definitions.values()), is_wanted, request)
        return {"jobDefinitions": [_detail(definition) for definition in shown], **token}


def platform_of(definition: JobDefinition) -> Platform:
    """The one platform that a definition is for; EC2 where it does not say."""
    return Platform((definition.detail.get("platformCapabilities") or [Platform.EC2])[0])


def shown_retry_strategy(strategy: Mapping[str, Any]) -> dict[str, Any]:
    """A retry strategy as the service shows it: all of its members, actions in one spelling."""
    rules = [{**rule, "action": rule["action"].upper()} for rule in strategy.get("evaluateOnExit") or ()]
    return {"attempts": strategy.get("attempts") or 1, "evaluateOnExit": rules}


def _check(request: dict[str, Any]) -> None:
    check_resource_name(request["jobDefinitionName"], "Job Definition")
    check_tags(request.get("tags") or {})
    if request["type"] != "container":
        raise not_played("type", request["type"])
    refuse_unplayed(request, _UNPLAYED, "")
    if len(json.dumps(request)) > batch_limits.MAX_JOB_DEFINITION_BYTES:
        raise refuse(f"Job definition size must be at most {batch_limits.MAX_JOB_DEFINITION_BYTES // 1024} KiB.")
    if not request.get("containerProperties"):
        raise refuse("Container properties must be provided for a job definition of type container.")
    check_retry_strategy(request.get("retryStrategy") or {})
    check_timeout(request.get("timeout") or {})
    capabilities = request.get("platformCapabilities") or [Platform.EC2.value]
    if len(capabilities) != 1 or capabilities[0] not in list(Platform):
        raise not_played("platformCapabilities", capabilities)
    check_container(request["containerProperties"], Platform(capabilities[0]))


def _status(definition: JobDefinition) -> str:
    return "ACTIVE" if definition.active else "INACTIVE"


def _detail(definition: JobDefinition) -> dict[str, Any]:
    return {
        "platformCapabilities": [platform_of(definition).value],
        **definition.detail,
        "jobDefinitionName": definition.name,
        "jobDefinitionArn": definition.arn,
        "revision": definition.revision,
        "status": _status(definition),
        "containerOrchestrationType": "ECS",
        "tags": definition.tags,
    }
