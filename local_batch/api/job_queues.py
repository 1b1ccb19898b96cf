"""Job queues. Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_CreateJobQueue.html"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import batch_limits
from local_batch.api.errors import ApiError
from local_batch.api.paging import Pages
from local_batch.api.refusals import check_resource_name, check_tags, not_played, refuse, refuse_unplayed
from local_batch.api.state import State
from local_batch.engine.events import JobQueueDeleted, JobQueueSaved
from local_batch.engine.resources import JobQueue

_UNPLAYED = ("schedulingPolicyArn", "serviceEnvironmentOrder", "jobStateTimeLimitActions")
_PAGES: Pages[JobQueue] = Pages(limit=100, key=lambda queue: queue.arn)
_MAX_QUEUES = 50


class JobQueues:
    """Create, update, delete, describe."""

    def __init__(self, state: State) -> None:
        self._state = state

    def create(self, request: dict[str, Any]) -> dict[str, Any]:
        """CreateJobQueue."""
        state, name = self._state, request["jobQueueName"]
        check_resource_name(name, "Job Queue")
        check_tags(request.get("tags") or {})
        refuse_unplayed(request, _UNPLAYED, "")
        if (request.get("jobQueueType") or "ECS") not in ("ECS", "ECS_FARGATE"):
            raise not_played("jobQueueType", request["jobQueueType"])
        arn = state.arn("job-queue", name)
        if arn in state.engine.queues:
            raise ApiError(f"Object already exists: {arn}")
        if len(state.engine.queues) >= _MAX_QUEUES:
            raise ApiError(f"There can be at most {_MAX_QUEUES} job queues in a Region.")
        queue = JobQueue(
            arn=arn,
            name=name,
            priority=_checked_priority(request["priority"]),
            compute_environments=self._ordered(request.get("computeEnvironmentOrder") or []),
            enabled=(request.get("state") or "ENABLED") == "ENABLED",
            tags=request.get("tags") or {},
        )
        state.dispatcher.dispatch(JobQueueSaved(queue))
        return {"jobQueueName": name, "jobQueueArn": queue.arn}

    def update(self, request: dict[str, Any]) -> dict[str, Any]:
        """UpdateJobQueue."""
        queue = self._state.find(self._state.engine.queues, request["jobQueue"])
        if queue is None:
            raise ApiError(f"{request['jobQueue']} does not exist")
        refuse_unplayed(request, _UNPLAYED, "")
        order = request.get("computeEnvironmentOrder")
        changed = replace(
            queue,
            priority=queue.priority if request.get("priority") is None else _checked_priority(request["priority"]),
            compute_environments=queue.compute_environments if order is None else self._ordered(order),
            enabled=(request.get("state") or ("ENABLED" if queue.enabled else "DISABLED")) == "ENABLED",
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
        wanted = request.get("jobQueues")
        shown, token = _PAGES.cut(
            self._state.engine.queues.values(),
            lambda queue: not wanted or queue.arn in wanted or queue.name in wanted,
            request,
        )
        return {"jobQueues": [_detail(queue) for queue in shown], **token}

    def _ordered(self, order: list[dict[str, Any]]) -> tuple[str, ...]:
        """ARNs by ascending order, checked as the service does."""
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
        for entry in sorted(order, key=lambda entry: int(entry["order"])):
            environment = state.find(state.engine.environments, entry["computeEnvironment"])
            if environment is None:
                raise refuse("Compute Environments must be created and valid before attaching them to a job queue")
            environments.append(environment)
        if len({environment.arn for environment in environments}) < len(environments):
            raise refuse("Duplicate ComputeEnvironments within order list.")
        if len({environment.platform for environment in environments}) > 1:
            raise refuse("Fargate and EC2 compute environments can not be mixed.")
        return tuple(environment.arn for environment in environments)


def _checked_priority(priority: int) -> int:
    if not 0 <= priority <= 1000:
        raise refuse(f"Job Queue priority must be between 0 and 1000, got {priority}.")
    return priority


def _detail(queue: JobQueue) -> dict[str, Any]:
    return {
        "jobQueueName": queue.name,
        "jobQueueArn": queue.arn,
        "state": "ENABLED" if queue.enabled else "DISABLED",
        "status": "VALID",
        "statusReason": "JobQueue Healthy",
        "priority": queue.priority,
        "computeEnvironmentOrder": [
            {"order": number, "computeEnvironment": arn} for number, arn in enumerate(queue.compute_environments, 1)
        ],
        "serviceEnvironmentOrder": [],
        "jobQueueType": "ECS",
        "tags": queue.tags,
        "jobStateTimeLimitActions": [],
    }
