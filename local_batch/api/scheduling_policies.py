"""Fair-share scheduling policies.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_FairsharePolicy.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import batch_limits
from local_batch.api.errors import ApiError
from local_batch.api.paging import Pages, check_names
from local_batch.api.refusals import check_resource_name, check_tags, refuse, refuse_unplayed
from local_batch.api.state import State
from local_batch.engine.events import SchedulingPolicyDeleted, SchedulingPolicySaved
from local_batch.engine.resources import SchedulingPolicy

_PAGES: Pages[str] = Pages(limit=100, key=str)
_MAX_DECAY_SECONDS = 604_800
_MAX_RESERVATION = 99
_MAX_SHARES = 500
_MIN_WEIGHT, _MAX_WEIGHT = 0.0001, 999.9999
_SHARE_IDENTIFIER = re.compile(batch_limits.SHARE_IDENTIFIER_PATTERN)


class SchedulingPolicies:
    """Create, update, delete, describe, list."""

    def __init__(self, state: State) -> None:
        self._state = state

    def create(self, request: dict[str, Any]) -> dict[str, Any]:
        """CreateSchedulingPolicy."""
        state, name = self._state, request["name"]
        check_resource_name(name, "Scheduling Policy")
        check_tags(request.get("tags") or {})
        refuse_unplayed(request, ("quotaSharePolicy",), "")
        _check_fair_share(request.get("fairsharePolicy") or {})
        arn = state.arn("scheduling-policy", name)
        if arn in state.engine.policies:
            raise ApiError(f"Object already exists: {arn}")
        policy = SchedulingPolicy(arn=arn, name=name, tags=request.get("tags") or {})
        self._save(policy, request.get("fairsharePolicy") or {})
        return {"name": name, "arn": arn}

    def update(self, request: dict[str, Any]) -> dict[str, Any]:
        """UpdateSchedulingPolicy: a fair-share policy takes the place of the one before as a whole, at once."""
        policy = self._state.engine.policies.get(request["arn"])
        if policy is None:
            raise ApiError(f"{request['arn']} does not exist")
        refuse_unplayed(request, ("quotaSharePolicy",), "")
        _check_fair_share(request.get("fairsharePolicy") or {})
        self._save(policy, request.get("fairsharePolicy") or policy.detail["fairsharePolicy"])
        return {}

    def delete(self, request: dict[str, Any]) -> dict[str, Any]:
        """DeleteSchedulingPolicy; one that a queue has cannot be deleted."""
        if request["arn"] not in self._state.engine.policies:
            raise ApiError(f"{request['arn']} does not exist")
        users = [queue.name for queue in self._state.engine.queues.values() if queue.policy_arn == request["arn"]]
        if users:
            raise ApiError(f"Cannot delete, found existing JobQueue relationship: {', '.join(users)}")
        self._state.dispatcher.dispatch(SchedulingPolicyDeleted(request["arn"]))
        return {}

    def describe(self, request: dict[str, Any]) -> dict[str, Any]:
        """DescribeSchedulingPolicies."""
        check_names(request, "arns")
        policies = self._state.engine.policies
        found = [policies[arn] for arn in request["arns"] if arn in policies]
        return {
            "schedulingPolicies": [
                {"name": policy.name, "arn": policy.arn, "tags": policy.tags, **policy.detail} for policy in found
            ]
        }

    def list(self, request: dict[str, Any]) -> dict[str, Any]:
        """ListSchedulingPolicies."""
        shown, token = _PAGES.cut(self._state.engine.policies, lambda _: True, request)
        return {"schedulingPolicies": [{"arn": arn} for arn in shown], **token}

    def _save(self, policy: SchedulingPolicy, fair_share: dict[str, Any]) -> None:
        shares = fair_share.get("shareDistribution") or ()
        saved = replace(
            policy,
            decay_seconds=fair_share.get("shareDecaySeconds", 0),
            reservation_percent=fair_share.get("computeReservation", 0),
            weights=tuple((share["shareIdentifier"], float(share.get("weightFactor", 1.0))) for share in shares),
            detail={"fairsharePolicy": fair_share},
        )
        self._state.dispatcher.dispatch(SchedulingPolicySaved(saved))


def _check_fair_share(policy: Mapping[str, Any]) -> None:
    if not 0 <= policy.get("shareDecaySeconds", 0) <= _MAX_DECAY_SECONDS:
        raise refuse(f"shareDecaySeconds must be 0 to {_MAX_DECAY_SECONDS}, got {policy['shareDecaySeconds']}.")
    if not 0 <= policy.get("computeReservation", 0) <= _MAX_RESERVATION:
        raise refuse(f"computeReservation must be 0 to {_MAX_RESERVATION}, got {policy['computeReservation']}.")
    shares = policy.get("shareDistribution") or ()
    if len(shares) > _MAX_SHARES:
        raise refuse(f"ShareDistribution size cannot be greater than {_MAX_SHARES}.")
    for share in shares:
        if not _SHARE_IDENTIFIER.fullmatch(share["shareIdentifier"]):
            raise refuse(
                "Share identifiers have 1 to 255 letters and digits and may end in *, "
                f"got {share['shareIdentifier']!r}."
            )
        if not _MIN_WEIGHT <= share.get("weightFactor", 1.0) <= _MAX_WEIGHT:
            raise refuse(f"weightFactor must be {_MIN_WEIGHT} to {_MAX_WEIGHT}, got {share['weightFactor']}.")
    _check_overlap([share["shareIdentifier"] for share in shares])


def _check_overlap(identifiers: list[str]) -> None:
    """No identifier may be meant by two entries. Sorted, a prefix stands right before the first that begins with it."""
    for first, second in pairwise(sorted(identifiers, key=lambda identifier: identifier.removesuffix("*"))):
        shorter, longer = first.removesuffix("*"), second.removesuffix("*")
        is_prefix = first.endswith("*") and longer.startswith(shorter)
        if is_prefix or (shorter == longer and second.endswith("*")) or first == second:
            raise refuse(f"Share identifiers in a fair-share policy can't overlap, got {first!r} and {second!r}.")
