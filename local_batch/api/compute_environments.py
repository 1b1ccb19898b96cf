"""Compute environments: managed ones on Fargate and EC2.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_CreateComputeEnvironment.html
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from local_batch.api.errors import ApiError
from local_batch.api.paging import page
from local_batch.api.refusals import check_resource_name, check_tags, not_played, refuse, refuse_unplayed
from local_batch.api.state import State
from local_batch.engine.events import ComputeEnvironmentDeleted, ComputeEnvironmentSaved
from local_batch.engine.resources import ComputeEnvironment, InstanceSize, Platform

_FARGATE_TYPES = ("FARGATE", "FARGATE_SPOT")
_NOT_ON_FARGATE = ("desiredvCpus", "tags", "minvCpus", "instanceTypes", "instanceRole", "imageId", "launchTemplate")
_MAX_FARGATE_SUBNETS, _MAX_SECURITY_GROUPS = 16, 5


class ComputeEnvironments:
    """Create, update, delete, describe."""

    def __init__(self, state: State) -> None:
        self._state = state

    def create(self, request: dict[str, Any]) -> dict[str, Any]:
        """CreateComputeEnvironment."""
        state, name = self._state, request["computeEnvironmentName"]
        check_resource_name(name, "Compute Environment")
        check_tags(request.get("tags", {}))
        if request["type"] != "MANAGED":
            raise not_played("type", request["type"])
        refuse_unplayed(request, ("unmanagedvCpus", "eksConfiguration", "context"), "")
        if request.get("state", "ENABLED") != "ENABLED":
            raise refuse("Compute Environment must be created in ENABLED state.")
        if "computeResources" not in request:
            raise refuse("computeResources must be provided for a MANAGED compute environment.")
        if state.find(state.engine.environments, name) is not None:
            raise ApiError(f"Object already exists: {state.arn('compute-environment', name)}")
        arn = state.arn("compute-environment", name)
        resources = request["computeResources"]
        detail = {
            "ecsClusterArn": f"arn:aws:ecs:{state.region}:{state.account_id}:cluster/AWSBatch-{name}-{state.new_id()}",
            "type": "MANAGED",
            "computeResources": resources,
            "serviceRole": request.get("serviceRole")
            or f"arn:aws:iam::{state.account_id}:role/aws-service-role/batch.amazonaws.com/AWSServiceRoleForBatch",
            "uuid": state.new_id(),
        }
        environment = ComputeEnvironment(
            arn=arn,
            name=name,
            platform=Platform.FARGATE if resources["type"] in _FARGATE_TYPES else Platform.EC2,
            max_vcpus=resources["maxvCpus"],
            instance_sizes=self._sizes(resources),
            tags=request.get("tags", {}),
            detail=detail,
        )
        state.dispatcher.dispatch(ComputeEnvironmentSaved(environment))
        return {"computeEnvironmentName": name, "computeEnvironmentArn": arn}

    def update(self, request: dict[str, Any]) -> dict[str, Any]:
        """UpdateComputeEnvironment."""
        environment = self._known(request["computeEnvironment"])
        refuse_unplayed(request, ("unmanagedvCpus", "context"), "")
        resources = {**environment.detail["computeResources"], **request.get("computeResources", {})}
        detail = {**environment.detail, "computeResources": resources}
        for name in ("serviceRole", "updatePolicy"):
            if name in request:
                detail[name] = request[name]
        changed = replace(
            environment,
            max_vcpus=resources["maxvCpus"],
            instance_sizes=self._sizes(resources),
            enabled=request.get("state", "ENABLED" if environment.enabled else "DISABLED") == "ENABLED",
            detail=detail,
        )
        self._state.dispatcher.dispatch(ComputeEnvironmentSaved(changed))
        return {"computeEnvironmentName": changed.name, "computeEnvironmentArn": changed.arn}

    def delete(self, request: dict[str, Any]) -> dict[str, Any]:
        """DeleteComputeEnvironment."""
        state = self._state
        environment = state.find(state.engine.environments, request["computeEnvironment"])
        if environment is None:
            return {}
        if any(environment.arn in queue.compute_environments for queue in state.engine.queues.values()):
            raise ApiError("Cannot delete, found existing JobQueue relationship")
        if environment.enabled:
            raise ApiError("Cannot delete, state must be DISABLED")
        state.dispatcher.dispatch(ComputeEnvironmentDeleted(environment.arn))
        return {}

    def describe(self, request: dict[str, Any]) -> dict[str, Any]:
        """DescribeComputeEnvironments."""
        state = self._state
        wanted = request.get("computeEnvironments")
        found = [
            environment
            for environment in state.engine.environments.values()
            if not wanted or environment.arn in wanted or environment.name in wanted
        ]
        shown, token = page(found, request, limit=100)
        return {"computeEnvironments": [_detail(environment) for environment in shown], **token}

    def _known(self, reference: str) -> ComputeEnvironment:
        environment = self._state.find(self._state.engine.environments, reference)
        if environment is None:
            raise ApiError(f"{reference} does not exist")
        return environment

    def _sizes(self, resources: dict[str, Any]) -> tuple[InstanceSize, ...]:
        if resources["type"] == "ECS_MANAGED_INSTANCES":
            raise not_played("computeResources.type", resources["type"])
        if resources["maxvCpus"] < 1:
            raise refuse(f"maxvCpus must be at least 1, got {resources['maxvCpus']}.")
        if resources["type"] in _FARGATE_TYPES:
            _check_fargate(resources)
            return ()
        if not resources.get("instanceRole"):
            raise refuse("Instance role is required.")
        best_fit = resources.get("allocationStrategy", "BEST_FIT") == "BEST_FIT"
        if resources["type"] == "SPOT" and best_fit and not resources.get("spotIamFleetRole"):
            raise refuse("compute resource spotIamFleetRole is required.")
        try:
            return self._state.instance_sizes(resources.get("instanceTypes") or ["optimal"])
        except ValueError as error:
            raise ApiError(str(error)) from error


def _check_fargate(resources: dict[str, Any]) -> None:
    for name in _NOT_ON_FARGATE:
        if resources.get(name):
            raise refuse(f"{name} is not applicable for Fargate.")
    if not resources.get("securityGroupIds"):
        raise refuse("Security group ids are required.")
    if len(resources["securityGroupIds"]) > _MAX_SECURITY_GROUPS:
        raise refuse(f"Fargate supports a maximum of {_MAX_SECURITY_GROUPS} security groups.")
    if len(resources.get("subnets", [])) > _MAX_FARGATE_SUBNETS:
        raise refuse(f"Fargate supports a maximum of {_MAX_FARGATE_SUBNETS} subnets.")


def _detail(environment: ComputeEnvironment) -> dict[str, Any]:
    return {
        "computeEnvironmentName": environment.name,
        "computeEnvironmentArn": environment.arn,
        "state": "ENABLED" if environment.enabled else "DISABLED",
        "status": "VALID",
        "statusReason": "ComputeEnvironment Healthy",
        "containerOrchestrationType": "ECS",
        "tags": environment.tags,
        **environment.detail,
    }
