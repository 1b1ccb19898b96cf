"""Job queues that share out, that limit how long a job may block them, and what their environments must share."""

from __future__ import annotations

from typing import Any

import pytest

from local_batch.api.errors import ApiError
from local_batch.engine.resources import TimeLimit
from tests.local_batch.api.front import ARN, Front, ec2

CAPACITY = "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"
REQUIREMENT = "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT"


def limit(**more: Any) -> dict[str, Any]:
    """One of jobStateTimeLimitActions."""
    return {"reason": REQUIREMENT, "state": "RUNNABLE", "maxTimeSeconds": 600, "action": "CANCEL", **more}


def create(front: Front, name: str, **more: Any) -> None:
    """CreateJobQueue on the EC2 environment."""
    order = [{"order": 1, "computeEnvironment": "machines"}]
    request = {"jobQueueName": name, "priority": 1, "computeEnvironmentOrder": order, **more}
    front.call("CreateJobQueue", **request)


def shown(front: Front, name: str) -> dict[str, Any]:
    """DescribeJobQueues of one."""
    (queue,) = front.call("DescribeJobQueues", jobQueues=[name])["jobQueues"]
    return dict(queue)


def policy(front: Front, name: str, **fair_share: Any) -> str:
    """CreateSchedulingPolicy; the ARN."""
    return str(front.call("CreateSchedulingPolicy", name=name, fairsharePolicy=fair_share)["arn"])


def test_a_policy_is_given_at_creation_and_can_only_be_replaced(front: Front) -> None:
    """A queue without one never gains one; a queue with one never loses it; what is not named stays."""
    first, second = policy(front, "first"), policy(front, "second")
    create(front, "shared", schedulingPolicyArn=first)
    create(front, "fifo")
    assert shown(front, "shared")["schedulingPolicyArn"] == first
    assert "schedulingPolicyArn" not in shown(front, "fifo")
    front.call("UpdateJobQueue", jobQueue="shared", priority=3)
    front.call("UpdateJobQueue", jobQueue="shared", schedulingPolicyArn=first)
    assert shown(front, "shared")["schedulingPolicyArn"] == first
    front.call("UpdateJobQueue", jobQueue="shared", schedulingPolicyArn=second)
    assert shown(front, "shared")["schedulingPolicyArn"] == second
    for name, arn, text in (
        ("shared", "", "can be replaced but not removed"),
        ("shared", "arn:none", "SchedulingPolicy arn:none not found."),
        ("fifo", first, "was created without a scheduling policy and can't have one added"),
    ):
        with pytest.raises(ApiError, match=text):
            front.call("UpdateJobQueue", jobQueue=name, schedulingPolicyArn=arn)
    assert front.dispatcher.engine.queues[f"{ARN}job-queue/shared"].policy_arn == second


def test_a_policy_in_use_cannot_be_deleted(front: Front) -> None:
    """As soon as no queue has it, it can."""
    arn, other = policy(front, "first"), policy(front, "second")
    create(front, "shared", schedulingPolicyArn=arn)
    with pytest.raises(ApiError, match="Cannot delete, found existing JobQueue relationship: shared"):
        front.call("DeleteSchedulingPolicy", arn=arn)
    front.call("UpdateJobQueue", jobQueue="shared", schedulingPolicyArn=other)
    front.call("DeleteSchedulingPolicy", arn=arn)
    assert front.call("ListSchedulingPolicies")["schedulingPolicies"] == [{"arn": other}]


def test_a_policys_rules_reach_the_scheduler(front: Front) -> None:
    """A weight of 1 where none is given; a change replaces all of them, and is in effect at once."""
    weights = [{"shareIdentifier": "a*", "weightFactor": 0.5}, {"shareIdentifier": "b"}]
    arn = policy(front, "fair", shareDecaySeconds=3600, computeReservation=25, shareDistribution=weights)
    made = front.dispatcher.engine.policies[arn]
    assert (made.decay_seconds, made.reservation_percent) == (3600, 25)
    assert made.weights == (("a*", 0.5), ("b", 1.0))
    front.call("UpdateSchedulingPolicy", arn=arn, fairsharePolicy={"shareDecaySeconds": 60})
    made = front.dispatcher.engine.policies[arn]
    assert (made.decay_seconds, made.reservation_percent, made.weights) == (60, 0, ())
    front.call("TagResource", resourceArn=arn, tags={"a": "1"})
    assert front.dispatcher.engine.policies[arn].decay_seconds == 60


def test_time_limits_are_kept_described_and_changed(front: Front) -> None:
    """An empty list takes them away; what is not named stays."""
    limits = [limit(), limit(reason=CAPACITY, maxTimeSeconds=86_400)]
    create(front, "limited", jobStateTimeLimitActions=limits)
    queue = front.dispatcher.engine.queues[f"{ARN}job-queue/limited"]
    assert shown(front, "limited")["jobStateTimeLimitActions"] == limits
    assert queue.time_limits == (TimeLimit(REQUIREMENT, 600), TimeLimit(CAPACITY, 86_400))
    front.call("UpdateJobQueue", jobQueue="limited", state="DISABLED")
    assert shown(front, "limited")["jobStateTimeLimitActions"] == limits
    front.call("UpdateJobQueue", jobQueue="limited", jobStateTimeLimitActions=[limit(maxTimeSeconds=700)])
    assert shown(front, "limited")["jobStateTimeLimitActions"] == [limit(maxTimeSeconds=700)]
    front.call("UpdateJobQueue", jobQueue="limited", jobStateTimeLimitActions=[])
    assert shown(front, "limited")["jobStateTimeLimitActions"] == []
    assert front.dispatcher.engine.queues[f"{ARN}job-queue/limited"].time_limits == ()


@pytest.mark.parametrize(
    ("actions", "text"),
    [
        ([limit(), limit(maxTimeSeconds=700)], "Duplicate job state limit actions are not allowed."),
        ([limit(action="TERMINATE")], r"Invalid job action. Valid job actions: \[CANCEL\]"),
        ([limit(reason="UNDETERMINED")], "Invalid reason. Valid reasons: .*, got 'UNDETERMINED'"),
        ([limit(maxTimeSeconds=599)], "maxTimeSeconds must be between 600 and 86400, got 599"),
        ([limit(maxTimeSeconds=86_401)], "maxTimeSeconds must be between 600 and 86400, got 86401"),
        ([limit(state="RUNNING")], "state: is one of RUNNABLE, got 'RUNNING'"),
    ],
)
def test_time_limits_that_aws_would_refuse_are_refused(front: Front, actions: list[Any], text: str) -> None:
    """At creation and at a change, which then changes nothing."""
    create(front, "limited", jobStateTimeLimitActions=[limit()])
    with pytest.raises(ApiError, match=text):
        create(front, "other", jobStateTimeLimitActions=actions)
    with pytest.raises(ApiError, match=text):
        front.call("UpdateJobQueue", jobQueue="limited", priority=9, jobStateTimeLimitActions=actions)
    assert (shown(front, "limited")["priority"], shown(front, "limited")["jobStateTimeLimitActions"]) == (1, [limit()])


def test_environments_of_a_queue_share_kind_and_architecture(front: Front) -> None:
    """EC2 or Fargate, x86 or ARM; the type, where given, must be that of the environments and is shown."""
    front.call("CreateComputeEnvironment", **ec2("arm", instanceTypes=["m6g.large"]))
    mixed = [{"order": number, "computeEnvironment": name} for number, name in enumerate(("machines", "arm"))]
    with pytest.raises(ApiError, match="must share the same architecture, got arm64 and x86_64"):
        create(front, "mixed", computeEnvironmentOrder=mixed)
    create(front, "arm", computeEnvironmentOrder=mixed[1:], jobQueueType="ECS")
    assert shown(front, "arm")["jobQueueType"] == "ECS"
    on_fargate = [{"order": 1, "computeEnvironment": "fargate"}]
    create(front, "typed", computeEnvironmentOrder=on_fargate, jobQueueType="ECS_FARGATE")
    assert shown(front, "typed")["jobQueueType"] == "ECS_FARGATE"
    with pytest.raises(ApiError, match="jobQueueType ECS_FARGATE does not fit EC2 compute environments"):
        front.call("UpdateJobQueue", jobQueue="typed", computeEnvironmentOrder=mixed[:1])
