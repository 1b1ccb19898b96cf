"""Job definitions and their revisions.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_RegisterJobDefinition.html
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import batch_limits
from local_batch.api.container_properties import check_container
from local_batch.api.errors import ApiError
from local_batch.api.paging import page
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


class JobDefinitions:
    """Register, deregister, describe."""

    def __init__(self, state: State) -> None:
        self._state = state

    def register(self, request: dict[str, Any]) -> dict[str, Any]:
        """RegisterJobDefinition: revision 1, or the one after the last."""
        state, name = self._state, request["jobDefinitionName"]
        check_resource_name(name, "Job Definition")
        check_tags(request.get("tags", {}))
        if request["type"] != "container":
            raise not_played("type", request["type"])
        refuse_unplayed(request, _UNPLAYED, "")
        if len(json.dumps(request)) > batch_limits.MAX_JOB_DEFINITION_BYTES:
            raise refuse(f"Job definition size must be at most {batch_limits.MAX_JOB_DEFINITION_BYTES // 1024} KiB.")
        if "containerProperties" not in request:
            raise refuse("Container properties must be provided for a job definition of type container.")
        check_retry_strategy(request.get("retryStrategy", {}))
        check_timeout(request.get("timeout", {}))
        capabilities = request.get("platformCapabilities") or ["EC2"]
        check_container(request["containerProperties"], platform_of(capabilities))
        revision = 1 + max(
            (item.revision for item in state.engine.definitions.values() if item.name == name), default=0
        )
        arn = state.arn("job-definition", f"{name}:{revision}")
        detail = {key: value for key, value in request.items() if key != "tags" and value not in ({}, None)}
        detail["platformCapabilities"] = capabilities
        definition = JobDefinition(arn=arn, name=name, revision=revision, tags=request.get("tags", {}), detail=detail)
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
        """DescribeJobDefinitions, newest revision of a name first."""
        wanted, name, status = request.get("jobDefinitions"), request.get("jobDefinitionName"), request.get("status")
        found = [
            definition
            for definition in reversed(self._state.engine.definitions.values())
            if (not wanted or definition.arn in wanted or f"{definition.name}:{definition.revision}" in wanted)
            and (not name or definition.name == name)
            and (not status or status == _status(definition))
        ]
        shown, token = page(found, request, limit=100)
        return {"jobDefinitions": [_detail(definition) for definition in shown], **token}


def platform_of(capabilities: list[str]) -> Platform:
    """The one platform a definition is for."""
    if len(capabilities) != 1 or capabilities[0] not in ("EC2", "FARGATE"):
        raise not_played("platformCapabilities", capabilities)
    return Platform(capabilities[0])


def _status(definition: JobDefinition) -> str:
    return "ACTIVE" if definition.active else "INACTIVE"


def _detail(definition: JobDefinition) -> dict[str, Any]:
    return {
        **definition.detail,
        "jobDefinitionName": definition.name,
        "jobDefinitionArn": definition.arn,
        "revision": definition.revision,
        "status": _status(definition),
        "containerOrchestrationType": "ECS",
        "tags": definition.tags,
    }
