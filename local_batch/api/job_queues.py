"""Job queues. Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_CreateJobQueue.html"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

import batch_limits
from local_batch.api.errors import ApiError
from local_batch.api.paging import Pages, check_names, refuse_size_beside
from local_batch.api.refusals import check_resource_name, check_tags, not_played, refuse, refuse_unplayed
from local_batch.api.state import State
from local_batch.api.time_limit_actions import time_limits
from local_batch.engine.events import JobQueueDeleted, JobQueueSaved
from local_batch.engine.resources import ComputeEnvironment, JobQueue, Platform

_UNPLAYED = ("serviceEnvironmentOrder",)
_PAGES: Pages[JobQueue] = Pages(limit=100, key=lambda queue: queue.arn)
_MAX_QUEUES: Final = 50
_TYPES: Final = {"ECS": Platform.EC2, "ECS_FARGATE": Platform.FARGATE}


class JobQueues:
    """Create, update, delete, describe."""

    def __init__(self, state: State) -> None:
        self._state = state

    def create(self, request: dict[str, Any]) -> dict[str, Any]:
        """CreateJobQueue. With a scheduling policy it shares out, without it is first in, first out, for ever."""
        state, name = self._state, request["jobQueueName"]
        check_resource_name(name, "Job Queue")
        check_tags(request.get("tags") or {})
        refuse_unplayed(request, _UNPLAYED, "")
        kind = request.get("jobQueueType")
        if kind not in (None, *_TYPES):
            raise not_played("jobQueueType", kind)
        arn = state.arn("job-queue", name)
        if arn in state.engine.queues:
            raise ApiError(f"Object already exists: {arn}")
        if len(state.engine.queues) >= _MAX_QUEUES:
            raise ApiError(f"There can be at most {_MAX_QUEUES} job queues in a Region.")
        order = self._ordered(request.get("computeEnvironmentOrder") or [], kind)
        policy_arn = request.get("schedulingPolicyArn") or None
        if policy_arn is not None:
            self._check_policy(policy_arn)
        actions = request.get("jobStateTimeLimitActions") or []
        queue = JobQueue(
            arn=arn,
            name=name,
            priority=_checked_priority(request["priority"]),
            compute_environments=_arns(order),
            enabled=(request.get("state") or "ENABLED") == "ENABLED",
            policy_arn=policy_arn,
            time_limits=time_limits(actions),
            tags=request.get("tags") or {},
            detail={
                "computeEnvironmentOrder": order,
                "jobStateTimeLimitActions": actions,
                **({"jobQueueType": kind} if kind else {}),
            },
        )
        state.dispatcher.dispatch(JobQueueSaved(queue))
        return {"jobQueueName": name, "jobQueueArn": queue.arn}

    def update(self, request: dict[str, Any]) -> dict[str, Any]:
        """UpdateJobQueue: what is not given stays."""
        queue = self._state.find(self._state.engine.queues, request["jobQueue"])
        if queue is None:
            raise ApiError(f"{request['jobQueue']} does not exist")
        refuse_unplayed(request, _UNPLAYED, "")
        detail = dict(queue.detail)
        if request.get("computeEnvironmentOrder") is not None:
            order = self._ordered(request["computeEnvironmentOrder"], detail.get("jobQueueType"))
            detail["computeEnvironmentOrder"] = order
        if request.get("jobStateTimeLimitActions") is not None:
            detail["jobStateTimeLimitActions"] = request["jobStateTimeLimitActions"]
        changed = replace(
            queue,
            priority=queue.priority if request.get("priority") is None else _checked_priority(request["priority"]),
            compute_environments=_arns(detail["computeEnvironmentOrder"]),
            enabled=(request.get("state") or ("ENABLED" if queue.enabled else "DISABLED")) == "ENABLED",
            policy_arn=self._policy_after(queue, request),
            time_limits=time_limits(detail["jobStateTimeLimitActions"]),
            detail=detail,
        )
        self._state.dispatcher.dispatch(JobQueueSaved(changed))
        return {"jobQueueName": changed.name, "jobQueueArn": changed.arn}

    def delete(self, request: dict[str, Any]) -> dict[str, Any]:
        """DeleteJobQueue: its jobs are terminated; a queue that is gone is no error."""
        queue = self._state.find(self._state.engine.queues, request["jobQueue"])
        if queue is None:
            return {}
        if queue.enabled:
            raise ApiError("Cannot delete, state must be DISABLED")
        self._state.dispatcher.dispatch(JobQueueDeleted(queue.arn))
        return {}

    def describe(self, request: dict[str, Any]) -> dict[str, Any]:
        """DescribeJobQueues; names that are not known are left out."""
        check_names(request, "jobQueues")
        refuse_size_beside(request, "jobQueues")
        wanted = request.get("jobQueues")
        shown, token = _PAGES.cut(
            self._state.engine.queues.values(),
            lambda queue: not wanted or queue.arn in wanted or queue.name in wanted,
            request,
        )
        return {"jobQueues": [_detail(queue) for queue in shown], **token}

    def _policy_after(self, queue: JobQueue, request: dict[str, Any]) -> str | None:
        """The policy that an update leaves the queue with: replaced, never removed, never added."""
        policy_arn: str | None = request.get("schedulingPolicyArn")
        if policy_arn is None or policy_arn == queue.policy_arn:
            return queue.policy_arn
        if queue.policy_arn is None:
            raise refuse(f"JobQueue {queue.name} was created without a scheduling policy and can't have one added.")
        if not policy_arn:
            raise refuse(f"The scheduling policy of JobQueue {queue.name} can be replaced but not removed.")
        self._check_policy(policy_arn)
        return policy_arn

    def _check_policy(self, policy_arn: str) -> None:
        if policy_arn not in self._state.engine.policies:
            raise refuse(f"SchedulingPolicy {policy_arn} not found.")

    def _ordered(self, order: list[dict[str, Any]], kind: str | None) -> list[dict[str, Any]]:
        """By ascending order and with ARNs, checked as the service does."""
        state = self._state
        if not order:
            raise refuse("computeEnvironmentOrder must name at least one compute environment.")
        if len(order) > batch_limits.MAX_COMPUTE_ENVIRONMENTS_PER_QUEUE:
            raise refuse(
                f"Only {batch_limits.MAX_COMPUTE_ENVIRONMENTS_PER_QUEUE} environments are allowed in job queue request."
            )
        if len({entry["order"] for entry in order}) < len(order):
            raise refuse("Duplicate ComputeEnvironment order values.")
        environments = []
        ordered = sorted(order, key=lambda entry: int(entry["order"]))
        for entry in ordered:
            environment = state.find(state.engine.environments, entry["computeEnvironment"])
            if environment is None:
                raise refuse("Compute Environments must be created and valid before attaching them to a job queue")
            environments.append(environment)
        _check_together(environments, kind)
        return [
            {"order": entry["order"], "computeEnvironment": environment.arn}
            for entry, environment in zip(ordered, environments, strict=True)
        ]


def _check_together(environments: list[ComputeEnvironment], kind: str | None) -> None:
    """What the environments of one queue must have in common."""
    if len({environment.arn for environment in environments}) < len(environments):
        raise refuse("Duplicate ComputeEnvironments within order list.")
    platforms = {environment.platform for environment in environments}
    if len(platforms) > 1:
        raise refuse("Fargate and EC2 compute environments can not be mixed.")
    if kind is not None and _TYPES[kind] not in platforms:
        raise refuse(f"jobQueueType {kind} does not fit {platforms.pop()} compute environments.")
    architectures = sorted({size.architecture for environment in environments for size in environment.instance_sizes})
    if len(architectures) > 1:
        raise refuse(
            "All compute environments that are associated with a job queue must share the same architecture, "
            f"got {' and '.join(architectures)}."
        )


def _arns(order: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    return tuple(entry["computeEnvironment"] for entry in order)


def _checked_priority(priority: int) -> int:
    if not 0 <= priority <= 1000:
        raise refuse(f"Job Queue priority must be between 0 and 1000, got {priority}.")
    return priority


def _detail(queue: JobQueue) -> dict[str, Any]:
    shown = {
        "jobQueueName": queue.name,
        "jobQueueArn": queue.arn,
        "state": "ENABLED" if queue.enabled else "DISABLED",
        "status": "VALID",
        "statusReason": "JobQueue Healthy",
        "priority": queue.priority,
        "tags": queue.tags,
        **queue.detail,
    }
    if queue.policy_arn is not None:
        shown["schedulingPolicyArn"] = queue.policy_arn
    return shown
