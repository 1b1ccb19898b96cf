"""The computeResources of a compute environment, as the service checks them.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_ComputeResource.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from local_batch.api.refusals import not_played, refuse, refuse_unplayed
from local_batch.engine.resources import InstanceSize, Platform

_FARGATE_TYPES: Final = ("FARGATE", "FARGATE_SPOT")
_SPOT_TYPES: Final = ("SPOT", "FARGATE_SPOT")
_NOT_ON_FARGATE: Final = (
    "minvCpus",
    "desiredvCpus",
    "tags",
    "allocationStrategy",
    "instanceTypes",
    "instanceRole",
    "imageId",
    "launchTemplate",
    "ec2KeyPair",
    "ec2Configuration",
    "placementGroup",
    "bidPercentage",
    "spotIamFleetRole",
    "scalingPolicy",
)
_SPOT_STRATEGIES: Final = frozenset(
    {
        "BEST_FIT",
        "BEST_FIT_PROGRESSIVE",
        "SPOT_CAPACITY_OPTIMIZED",
        "SPOT_PRICE_CAPACITY_OPTIMIZED",
        "SPOT_CAPACITY_OPTIMIZED_PRIORITIZED",
    }
)
_ON_DEMAND_STRATEGIES: Final = frozenset({"BEST_FIT", "BEST_FIT_PROGRESSIVE", "BEST_FIT_PROGRESSIVE_ORDERED"})
_AMAZON_LINUX_2: Final = frozenset({"ECS_AL2", "ECS_AL2_NVIDIA"})
_MAX_LAUNCH_TEMPLATE_OVERRIDES: Final = 10
_MAX_EC2_CONFIGURATIONS: Final = 2
_SCALE_DOWN_DELAY_MINUTES: Final = range(20, 10_080 + 1)
_MAX_FARGATE_SUBNETS: Final = 16
_MAX_FARGATE_SECURITY_GROUPS: Final = 5


def platform_of(resources: Mapping[str, Any]) -> Platform:
    """Where containers of these resources run."""
    return Platform.FARGATE if resources["type"] in _FARGATE_TYPES else Platform.EC2


def is_spot(resources: Mapping[str, Any]) -> bool:
    """Whether these are spare capacity, which can be taken away."""
    return resources["type"] in _SPOT_TYPES


def completed(resources: Mapping[str, Any], sizes: Sequence[InstanceSize]) -> dict[str, Any]:
    """With what the service fills in for EC2, as recorded replies show it; `sizes` is what may be launched.

    Source of the default image: https://docs.aws.amazon.com/batch/latest/APIReference/API_Ec2Configuration.html
    """
    shown = dict(resources)
    if platform_of(resources) is Platform.FARGATE:
        return shown
    shown.setdefault("minvCpus", 0)
    shown.setdefault("desiredvCpus", shown["minvCpus"])
    shown.setdefault("instanceTypes", ["optimal"])
    shown.setdefault("tags", {})
    if not shown.get("ec2Configuration"):
        has_gpus = any(size.gpus for size in sizes)
        shown["ec2Configuration"] = [{"imageType": "ECS_AL2023_NVIDIA" if has_gpus else "ECS_AL2023"}]
    if shown.get("launchTemplate"):
        shown["launchTemplate"] = {"overrides": [], **shown["launchTemplate"]}
    return shown


def check_resources(resources: Mapping[str, Any]) -> None:
    """Raise ApiError for what the service refuses or the local cloud does not play."""
    if resources["type"] == "ECS_MANAGED_INSTANCES":
        raise not_played("computeResources.type", resources["type"])
    refuse_unplayed(resources, ("managedInstancesProvider", "capacityTags"), "computeResources.")
    if resources["maxvCpus"] < 1:
        raise refuse(f"maxvCpus must be at least 1, got {resources['maxvCpus']}.")
    if platform_of(resources) is Platform.FARGATE:
        _check_fargate(resources)
    else:
        _check_ec2(resources)
    if not resources.get("subnets"):
        raise refuse("Subnets are required.")


def check_new_images(resources: Mapping[str, Any]) -> None:
    """Raise ApiError where a new environment asks for Amazon Linux 2 as Batch provides it: not since June 30, 2026.

    Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_Ec2Configuration.html
    """
    for entry in resources.get("ec2Configuration") or ():
        is_own = entry.get("imageIdOverride") or resources.get("imageId")
        if entry["imageType"] in _AMAZON_LINUX_2 and not is_own:
            raise refuse(
                "New compute environments can't use the Amazon Linux 2 AMIs that Batch provides, "
                f"got imageType {entry['imageType']}."
            )


def _check_fargate(resources: Mapping[str, Any]) -> None:
    for name in _NOT_ON_FARGATE:
        if resources.get(name):
            raise refuse(f"{name} is not applicable for Fargate.")
    groups = resources.get("securityGroupIds", [])
    if not groups:
        raise refuse("Security group ids are required.")
    if len(groups) > _MAX_FARGATE_SECURITY_GROUPS:
        raise refuse(f"Fargate supports a maximum of {_MAX_FARGATE_SECURITY_GROUPS} security groups.")
    if len(resources.get("subnets", [])) > _MAX_FARGATE_SUBNETS:
        raise refuse(f"Fargate supports a maximum of {_MAX_FARGATE_SUBNETS} subnets.")


def _check_ec2(resources: Mapping[str, Any]) -> None:
    if not resources.get("securityGroupIds") and not resources.get("launchTemplate"):
        raise refuse("Security group ids are required.")
    if not resources.get("instanceRole"):
        raise refuse("Instance role is required.")
    strategy = resources.get("allocationStrategy", "BEST_FIT")
    if strategy not in (_SPOT_STRATEGIES if is_spot(resources) else _ON_DEMAND_STRATEGIES):
        raise refuse(f"Allocation strategy {strategy} is not applicable for {resources['type']}.")
    if is_spot(resources) and strategy == "BEST_FIT" and not resources.get("spotIamFleetRole"):
        raise refuse("compute resource spotIamFleetRole is required.")
    least, most = resources.get("minvCpus", 0), resources["maxvCpus"]
    if not 0 <= least <= resources.get("desiredvCpus", least) <= most:
        raise refuse(
            f"minvCpus, desiredvCpus and maxvCpus must not decrease, got {least}, "
            f"{resources.get('desiredvCpus', least)} and {most}."
        )
    _check_counts(resources)


def _check_counts(resources: Mapping[str, Any]) -> None:
    """Of EC2's own structures.

    Sources: https://docs.aws.amazon.com/batch/latest/APIReference/API_LaunchTemplateSpecification.html and
    https://docs.aws.amazon.com/batch/latest/APIReference/API_ComputeScalingPolicy.html
    """
    overrides = (resources.get("launchTemplate") or {}).get("overrides") or ()
    if len(overrides) > _MAX_LAUNCH_TEMPLATE_OVERRIDES:
        raise refuse(
            f"A launch template can have at most {_MAX_LAUNCH_TEMPLATE_OVERRIDES} overrides, got {len(overrides)}."
        )
    # An empty list says nothing, and the default is filled in.
    configurations = resources.get("ec2Configuration") or ()
    if len(configurations) > _MAX_EC2_CONFIGURATIONS:
        raise refuse(f"ec2Configuration can have 1 or {_MAX_EC2_CONFIGURATIONS} values, got {len(configurations)}.")
    delay = (resources.get("scalingPolicy") or {}).get("minScaleDownDelayMinutes") or 0
    if delay and delay not in _SCALE_DOWN_DELAY_MINUTES:
        raise refuse(f"minScaleDownDelayMinutes must be 0 or between 20 and 10080, got {delay}.")
