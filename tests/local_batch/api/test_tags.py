"""Tags of all that has an ARN."""

from __future__ import annotations

import pytest

from local_batch.api.errors import ApiError
from tests.local_batch.api.front import ARN, Front


def test_everything_with_an_arn_has_tags(front: Front) -> None:
    """Set when made, added to, taken from; survives a restart as everything does."""
    job_id = front.submit(tags={"a": "1"})
    policy = front.call("CreateSchedulingPolicy", name="fair")["arn"]
    arns = [
        f"{ARN}job/{job_id}",
        f"{ARN}job-queue/normal",
        f"{ARN}job-definition/shell:1",
        f"{ARN}compute-environment/fargate",
        policy,
    ]
    for arn in arns:
        front.call("TagResource", resourceArn=arn, tags={"b": "2", "c": "3"})
        front.call("UntagResource", resourceArn=arn, tagKeys=["c", "missing"])
        assert front.call("ListTagsForResource", resourceArn=arn)["tags"]["b"] == "2"
    assert front.job(job_id)["tags"] == {"a": "1", "b": "2"}
    for arn in (f"{ARN}job/nobody", f"arn:aws:batch:elsewhere-1:123456789012:job/{job_id}", "x"):
        with pytest.raises(ApiError, match="does not exist"):
            front.call("ListTagsForResource", resourceArn=arn)


def test_a_resource_has_at_most_fifty_tags(front: Front) -> None:
    """Those it has and those that come, together."""
    arn = f"{ARN}job-queue/normal"
    front.call("TagResource", resourceArn=arn, tags={f"k{number}": "" for number in range(50)})
    front.call("TagResource", resourceArn=arn, tags={"k0": "changed"})
    with pytest.raises(ApiError, match="at most 50 tags, got 51"):
        front.call("TagResource", resourceArn=arn, tags={"one": "more"})
    with pytest.raises(ApiError, match="do not begin with aws:"):
        front.call("TagResource", resourceArn=arn, tags={"aws:x": "y"})
