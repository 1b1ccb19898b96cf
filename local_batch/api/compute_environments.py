"""Compute environments: managed ones on Fargate and EC2.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_CreateComputeEnvironment.html
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from local_batch.api.compute_resources import check_new_images, check_resources, completed, is_spot, platform_of
from local_batch.api.ecs_names import cluster_arn
from local_batch.api.errors import ApiError
from local_batch.api.paging import Pages, check_names, refuse_size_beside
from local_batch.api.refusals import check_resource_name, check_tags, not_played, refuse, refuse_unplayed
from local_batch.api.state import State
from local_batch.engine.events import ComputeEnvironmentDeleted, ComputeEnvironmentSaved
from local_batch.engine.resources import ComputeEnvironment, InstanceSize, Platform

_PAGES: Pages[ComputeEnvironment] = Pages(limit=100, key=lambda environment: environment.arn)
_MAX_ENVIRONMENTS = 50
_UNPLAYED = ("unmanagedvCpus", "eksConfiguration", "context")


class ComputeEnvironments:
    """Create, update, delete, describe."""

    def __init__(self, state: State) -> None:
        self._state = state

    def create(self, request: dict[str, Any]) -> dict[str, Any]:
        """CreateComputeEnvironment. It is VALID at once."""
        state, name = self._state, request["computeEnvironmentName"]
        _check_creation(request)
        arn = state.arn("compute-environment", name)
        if arn in state.engine.environments:
            raise ApiError(f"Object already exists: {arn}")
        if len(state.engine.environments) >= _MAX_ENVIRONMENTS:
            raise ApiError(f"There can be at most {_MAX_ENVIRONMENTS} compute environments in a Region.")
        resources = dict(request["computeResources"])
        check_resources(resources)
        check_new_images(resources)
        sizes = self._sizes(resources)
        resources = completed(resources, sizes)
        environment = ComputeEnvironment(
            arn=arn,
            name=name,
            platform=platform_of(resources),
            max_vcpus=resources["maxvCpus"],
            is_spot=is_spot(resources),
            instance_sizes=sizes,
            tags=request.get("tags") or {},
            detail={
                "ecsClusterArn": cluster_arn(arn),
                "type": "MANAGED",
                "computeResources": resources,
                # The service-linked role, which the service makes where none is given.
                "serviceRole": request.get("serviceRole")
                or f"arn:aws:iam::{state.account_id}:role/aws-service-role/batch.amazonaws.com/AWSServiceRoleForBatch",
                "uuid": state.new_id(),
                # Of the cluster behind it: shown, and without effect, as no metric of a container is taken here.
                **({"ecsSettings": request["ecsSettings"]} if request.get("ecsSettings") else {}),
            },
        )
        state.dispatcher.dispatch(ComputeEnvironmentSaved(environment))
        return {"computeEnvironmentName": name, "computeEnvironmentArn": arn}

    def update(self, request: dict[str, Any]) -> dict[str, Any]:
        """UpdateComputeEnvironment: at once, scaling and infrastructure alike."""
        environment = self._state.find(self._state.engine.environments, request["computeEnvironment"])
        if environment is None:
            raise ApiError(f"{request['computeEnvironment']} does not exist")
        refuse_unplayed(request, _UNPLAYED, "")
        before = environment.detail["computeResources"]
        # An order and not a property, to no effect where no instance runs an image.
        change = {**(request.get("computeResources") or {})}
        change.pop("updateToLatestImageVersion", None)
        if change.get("desiredvCpus", 0) < before.get("desiredvCpus", 0) and "desiredvCpus" in change:
            raise refuse(
                "Manually scaling down compute environment is not supported. Disconnecting job queues from compute "
                "environment will cause it to scale-down to minvCpus"
            )
        resources = {**before, **change}
        # Batch keeps the desired number between the bounds by itself.
        if "desiredvCpus" in resources and "desiredvCpus" not in change:
            least = resources.get("minvCpus", 0)
            resources["desiredvCpus"] = min(max(before["desiredvCpus"], least), resources["maxvCpus"])
        check_resources(resources)
        if platform_of(resources) is not environment.platform:
            raise refuse(f"Compute resource type cannot change from {before['type']} to {resources['type']}.")
        sizes = self._sizes(resources)
        resources = completed(resources, sizes)
        detail = {**environment.detail, "computeResources": resources}
        for name in ("serviceRole", "updatePolicy", "ecsSettings"):
            if request.get(name):
                detail[name] = request[name]
        changed = replace(
            environment,
            max_vcpus=resources["maxvCpus"],
            is_spot=is_spot(resources),
            instance_sizes=sizes,
            enabled=request.get("state", "ENABLED" if environment.enabled else "DISABLED") == "ENABLED",
            detail=detail,
        )
        self._state.dispatcher.dispatch(ComputeEnvironmentSaved(changed))
        return {"computeEnvironmentName": changed.name, "computeEnvironmentArn": changed.arn}

    def delete(self, request: dict[str, Any]) -> dict[str, Any]:
        """DeleteComputeEnvironment; one that is gone is no error."""
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
        """DescribeComputeEnvironments; names that are not known are left out."""
        check_names(request, "computeEnvironments")
        refuse_size_beside(request, "computeEnvironments")
        wanted = request.get("computeEnvironments")
        shown, token = _PAGES.cut(
            self._state.engine.environments.values(),
            lambda environment: not wanted or environment.arn in wanted or environment.name in wanted,
            request,
        )
        return {"computeEnvironments": [_detail(environment) for environment in shown], **token}

    def _sizes(self, resources: dict[str, Any]) -> tuple[InstanceSize, ...]:
        if platform_of(resources) is Platform.FARGATE:
            return ()
        try:
            sizes = self._state.instance_sizes(resources.get("instanceTypes") or ["optimal"])
        except ValueError as error:
            raise ApiError(str(error)) from error
        architectures = sorted({size.architecture for size in sizes})
        if len(architectures) > 1:
            raise refuse(
                "The instance types of a compute environment must share the same architecture, "
                f"got {' and '.join(architectures)}."
            )
        return sizes


def _check_creation(request: dict[str, Any]) -> None:
    check_resource_name(request["computeEnvironmentName"], "Compute Environment")
    check_tags(request.get("tags") or {})
    if request["type"] != "MANAGED":
        raise not_played("type", request["type"])
    refuse_unplayed(request, _UNPLAYED, "")
    if (request.get("state") or "ENABLED") != "ENABLED":
        raise refuse("Compute Environment must be created in ENABLED state.")
    if not request.get("computeResources"):
        raise refuse("computeResources must be provided for a MANAGED compute environment.")


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
