"""Job definitions and their revisions.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_RegisterJobDefinition.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import batch_limits
from local_batch.api.container_properties import Place, check_container, shown_container
from local_batch.api.errors import ApiError
from local_batch.api.node_properties import check_node_properties, shown_node_properties
from local_batch.api.paging import Pages, check_names
from local_batch.api.refusals import (
    check_resource_name,
    check_retry_strategy,
    check_scheduling_priority,
    check_size,
    check_tags,
    check_timeout,
    not_played,
    refuse,
    refuse_unplayed,
)
from local_batch.api.state import State
from local_batch.engine.events import JobDefinitionSaved
from local_batch.engine.resources import JobDefinition, Platform

_UNPLAYED = ("eksProperties", "ecsProperties", "consumableResourceProperties")
_PAGES: Pages[JobDefinition] = Pages(limit=100, key=lambda definition: definition.arn)


class JobDefinitions:
    """Register, deregister, describe."""

    def __init__(self, state: State) -> None:
        self._state = state

    def register(self, request: dict[str, Any]) -> dict[str, Any]:
        """RegisterJobDefinition: revision 1, or the one after the last."""
        state, name = self._state, request["jobDefinitionName"]
        place = _checked(request, state.region)
        revision = 1 + max(
            (item.revision for item in state.engine.definitions.values() if item.name == name), default=0
        )
        arn = state.arn("job-definition", f"{name}:{revision}")
        tags = request.get("tags") or {}
        definition = JobDefinition(arn=arn, name=name, revision=revision, tags=tags, detail=_kept(request, place))
        state.dispatcher.dispatch(JobDefinitionSaved(definition))
        return {"jobDefinitionName": name, "jobDefinitionArn": arn, "revision": revision}

    def deregister(self, request: dict[str, Any]) -> dict[str, Any]:
        """DeregisterJobDefinition: the revision becomes INACTIVE; jobs that have it go on."""
        reference = request["jobDefinition"]
        if ":" not in reference.rpartition("/")[2]:
            raise refuse(f"jobDefinition must be name:revision or an ARN with a revision, got {reference}.")
        definition = self._state.definition(reference)
        if definition is None:
            raise ApiError(f"{reference[:200]} does not exist")
        self._state.dispatcher.dispatch(JobDefinitionSaved(replace(definition, active=False)))
        return {}

    def describe(self, request: dict[str, Any]) -> dict[str, Any]:
        """DescribeJobDefinitions, newest revision of a name first; names that are not known are left out."""
        check_names(request, "jobDefinitions")
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
    """A retry strategy as the service shows it: all of its members, actions in lower case."""
    rules = [{**rule, "action": rule["action"].lower()} for rule in strategy.get("evaluateOnExit") or ()]
    return {"attempts": strategy.get("attempts") or 1, "evaluateOnExit": rules}


def _checked(request: dict[str, Any], region: str) -> Place:
    """Where its containers are to run; raises ApiError for what is refused."""
    check_resource_name(request["jobDefinitionName"], "Job Definition")
    check_tags(request.get("tags") or {})
    check_size(request, "Job definition", batch_limits.MAX_JOB_DEFINITION_BYTES)
    check_retry_strategy(request.get("retryStrategy") or {})
    check_timeout(request.get("timeout") or {})
    check_scheduling_priority(request.get("schedulingPriority"))
    capabilities = request.get("platformCapabilities") or [Platform.EC2.value]
    if len(capabilities) != 1:
        raise refuse("Exactly 1 capability must be provided.")
    if capabilities[0] not in list(Platform):
        raise not_played("platformCapabilities", capabilities)
    place = Place(Platform(capabilities[0]), region)
    if request["type"] == "multinode":
        _check_multinode(request, place)
    else:
        _check_single(request, place)
    return place


def _check_single(request: Mapping[str, Any], place: Place) -> None:
    if request.get("containerProperties") and request.get("ecsProperties"):
        raise refuse("Cannot use both ECS containerProperties and ecsProperties")
    refuse_unplayed(request, _UNPLAYED, "")
    if not request.get("containerProperties"):
        raise refuse("ECS ContainerProperties, ecsProperties, or eksProperties is required when using type container.")
    if request.get("nodeProperties"):
        raise refuse("nodeProperties must not be specified for a job definition of type container.")
    check_container(request["containerProperties"], place)


def _check_multinode(request: Mapping[str, Any], place: Place) -> None:
    refuse_unplayed(request, _UNPLAYED, "")
    if place.platform is Platform.FARGATE:
        raise refuse("Fargate does not support MNP jobs")
    if not request.get("nodeProperties"):
        raise refuse("Node properties of multinode job is required.")
    if request.get("containerProperties"):
        raise refuse("containerProperties must not be specified for a job definition of type multinode.")
    check_node_properties(request["nodeProperties"], place)


def _kept(request: Mapping[str, Any], place: Place) -> dict[str, Any]:
    """What of the request is kept, in the form in which it is shown."""
    # CDK writes empty structures where it has nothing to say.
    kept = {name: value for name, value in request.items() if name != "tags" and value not in ({}, [], None)}
    if "retryStrategy" in kept:
        kept["retryStrategy"] = shown_retry_strategy(kept["retryStrategy"])
    if "containerProperties" in kept:
        kept["containerProperties"] = shown_container(kept["containerProperties"], place.platform)
    if "nodeProperties" in kept:
        kept["nodeProperties"] = shown_node_properties(kept["nodeProperties"], place)
    return kept


def _status(definition: JobDefinition) -> str:
    return "ACTIVE" if definition.active else "INACTIVE"


def _detail(definition: JobDefinition) -> dict[str, Any]:
    return {
        "parameters": {},
        **definition.detail,
        "jobDefinitionName": definition.name,
        "jobDefinitionArn": definition.arn,
        "revision": definition.revision,
        "status": _status(definition),
        "containerOrchestrationType": "ECS",
        "tags": definition.tags,
    }
