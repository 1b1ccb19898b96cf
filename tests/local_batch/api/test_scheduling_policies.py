"""Scheduling policies: made, changed, deleted, described, refused."""

from __future__ import annotations

from typing import Any

import pytest

from local_batch.api.errors import ApiError
from tests.local_batch.api.front import Front


def test_scheduling_policies_are_kept_and_listed(front: Front) -> None:
    """Made, described, changed, deleted."""
    policy = {"shareDecaySeconds": 600, "shareDistribution": [{"shareIdentifier": "a*", "weightFactor": 0.5}]}
    arn = front.call("CreateSchedulingPolicy", name="fair", fairsharePolicy=policy, tags={"x": "1"})["arn"]
    (shown,) = front.call("DescribeSchedulingPolicies", arns=[arn, "arn:other"])["schedulingPolicies"]
    assert shown == {"name": "fair", "arn": arn, "fairsharePolicy": policy, "tags": {"x": "1"}}
    with pytest.raises(ApiError, match="Object already exists"):
        front.call("CreateSchedulingPolicy", name="fair")
    quota_shares = {"quotaSharePolicy": {"idleResourceAssignmentStrategy": "FIFO"}}
    for operation, named in (("CreateSchedulingPolicy", {"name": "quota"}), ("UpdateSchedulingPolicy", {"arn": arn})):
        with pytest.raises(ApiError, match="quotaSharePolicy: is not played by the local cloud"):
            front.call(operation, **named, **quota_shares)
    front.call("UpdateSchedulingPolicy", arn=arn, fairsharePolicy={"computeReservation": 50})
    (shown,) = front.call("DescribeSchedulingPolicies", arns=[arn])["schedulingPolicies"]
    assert shown["fairsharePolicy"] == {"computeReservation": 50}
    assert front.call("ListSchedulingPolicies") == {"schedulingPolicies": [{"arn": arn}]}
    front.call("DeleteSchedulingPolicy", arn=arn)
    assert front.call("ListSchedulingPolicies") == {"schedulingPolicies": []}
    with pytest.raises(ApiError, match="does not exist"):
        front.call("DeleteSchedulingPolicy", arn=arn)


def test_a_share_identifier_has_255_characters_and_a_star_after_them(front: Front) -> None:
    """The longest."""
    shares = [{"shareIdentifier": "a" * 255}, {"shareIdentifier": f"{'B' * 255}*"}]
    arn = front.call("CreateSchedulingPolicy", name="fair", fairsharePolicy={"shareDistribution": shares})["arn"]
    (shown,) = front.call("DescribeSchedulingPolicies", arns=[arn])["schedulingPolicies"]
    assert shown["fairsharePolicy"]["shareDistribution"] == shares


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        ({"shareDecaySeconds": 604_801}, "shareDecaySeconds must be 0 to 604800"),
        ({"computeReservation": 100}, "computeReservation must be 0 to 99"),
        ({"shareDistribution": [{"shareIdentifier": "a"}] * 501}, "ShareDistribution size cannot be greater than 500."),
        *(
            ({"shareDistribution": [{"shareIdentifier": name}]}, "have 1 to 255 letters and digits and may end in")
            for name in ("", "*", "a*b", "a**", "a-b", "a_b", "\N{LATIN SMALL LETTER E WITH ACUTE}", "a" * 256)
        ),
        ({"shareDistribution": [{"shareIdentifier": "a", "weightFactor": 0.0}]}, "weightFactor must be 0.0001 to"),
        *(
            ({"shareDistribution": [{"shareIdentifier": name} for name in names]}, "can't overlap, got")
            for names in (
                ["UserA1", "UserA*"],
                ["b", "UserA*", "UserA1*"],
                ["a", "a"],
                ["a", "a*"],
                ["a*", "ab", "abc", "z"],
                ["teamA*", "teamA1"],
            )
        ),
    ],
)
def test_policies_out_of_bounds_are_refused(front: Front, policy: dict[str, Any], text: str) -> None:
    """The bounds of the reference."""
    with pytest.raises(ApiError, match=text):
        front.call("CreateSchedulingPolicy", name="p", fairsharePolicy=policy)
