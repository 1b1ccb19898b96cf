"""Fair-share scheduling policies: kept and described; queues do not take one yet."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from local_batch.api.errors import ApiError
from local_batch.api.paging import page
from local_batch.api.refusals import check_resource_name, check_tags, refuse_unplayed
from local_batch.api.state import State
from local_batch.engine.events import SchedulingPolicyDeleted, SchedulingPolicySaved
from local_batch.engine.resources import SchedulingPolicy


class SchedulingPolicies:
    """Create, update, delete, describe, list."""

    def __init__(self, state: State) -> None:
        self._state = state

    def create(self, request: dict[str, Any]) -> dict[str, Any]:
        """CreateSchedulingPolicy."""
        state, name = self._state, request["name"]
        check_resource_name(name, "Scheduling Policy")
        check_tags(request.get("tags", {}))
        refuse_unplayed(request, ("quotaSharePolicy",), "")
        arn = state.arn("scheduling-policy", name)
        if arn in state.engine.policies:
            raise ApiError(f"Object already exists: {arn}")
        detail = {"fairsharePolicy": request.get("fairsharePolicy", {})}
        state.dispatcher.dispatch(
            SchedulingPolicySaved(SchedulingPolicy(arn=arn, name=name, tags=request.get("tags", {}), detail=detail))
        )
        return {"name": name, "arn": arn}

    def update(self, request: dict[str, Any]) -> dict[str, Any]:
        """UpdateSchedulingPolicy."""
        policy = self._state.engine.policies.get(request["arn"])
        if policy is None:
            raise ApiError(f"{request['arn']} does not exist")
        detail = {"fairsharePolicy": request.get("fairsharePolicy", policy.detail["fairsharePolicy"])}
        self._state.dispatcher.dispatch(SchedulingPolicySaved(replace(policy, detail=detail)))
        return {}

    def delete(self, request: dict[str, Any]) -> dict[str, Any]:
        """DeleteSchedulingPolicy."""
        if request["arn"] not in self._state.engine.policies:
            raise ApiError(f"{request['arn']} does not exist")
        self._state.dispatcher.dispatch(SchedulingPolicyDeleted(request["arn"]))
        return {}

    def describe(self, request: dict[str, Any]) -> dict[str, Any]:
        """DescribeSchedulingPolicies."""
        policies = self._state.engine.policies
        found = [policies[arn] for arn in request["arns"] if arn in policies]
        return {
            "schedulingPolicies": [
                {"name": policy.name, "arn": policy.arn, "tags": policy.tags, **policy.detail} for policy in found
            ]
        }

    def list(self, request: dict[str, Any]) -> dict[str, Any]:
        """ListSchedulingPolicies."""
        shown, token = page(list(self._state.engine.policies), request, limit=100)
        return {"schedulingPolicies": [{"arn": arn} for arn in shown], **token}
