"""SubmitJob: a definition and a submission become one JobSpec.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_SubmitJob.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import batch_limits
from local_batch.api.container_overrides import (
    batch_variables,
    check_overrides,
    overridden_container,
    overrides_characters,
)
from local_batch.api.container_properties import demand_of
from local_batch.api.job_definitions import platform_of, shown_retry_strategy
from local_batch.api.refusals import (
    check_retry_strategy,
    check_tags,
    check_timeout,
    not_played,
    refuse,
    refuse_unplayed,
)
from local_batch.api.state import State
from local_batch.engine.events import JobSubmitted
from local_batch.engine.jobs import ExitRule, JobSpec, RetryStrategy
from local_batch.engine.resources import JobDefinition, JobQueue

DEFAULT_LOG_GROUP = "/aws/batch/job"
MAX_STREAM_PREFIX_CHARACTERS = 200
_JOB_NAME = re.compile(batch_limits.JOB_NAME_PATTERN)
_UNPLAYED = (
    "arrayProperties",
    "nodeOverrides",
    "shareIdentifier",
    "schedulingPriorityOverride",
    "ecsPropertiesOverride",
    "eksPropertiesOverride",
    "consumableResourcePropertiesOverride",
)


class Submission:
    """Takes jobs in."""

    def __init__(self, state: State) -> None:
        self._state = state

    def submit(self, request: dict[str, Any]) -> dict[str, Any]:
        """SubmitJob. There is no idempotency token: two calls make two jobs, as on AWS."""
        _check(request)
        queue, definition = self._queue(request["jobQueue"]), self._definition(request["jobDefinition"])
        depends_on = self._dependencies(request.get("dependsOn") or [])
        platform = platform_of(definition)
        if self._state.engine.environments[queue.compute_environments[0]].platform is not platform:
            raise refuse(
                f"JobDefinition {definition.name} requires {platform}, which JobQueue {queue.name} does not offer."
            )
        check_overrides(request.get("containerOverrides") or {}, definition.detail["containerProperties"], platform)
        spec = self._spec(request, queue, definition, depends_on)
        self._state.dispatcher.dispatch(JobSubmitted(spec, failure=self._failure(request, spec, queue, definition)))
        return {"jobArn": spec.arn, "jobName": spec.name, "jobId": spec.job_id}

    def _queue(self, reference: str) -> JobQueue:
        queue = self._state.find(self._state.engine.queues, reference)
        if queue is None:
            raise refuse(f"JobQueue {reference} not found.")
        if not queue.enabled:
            raise refuse(f"JobQueue {queue.name} is not in ENABLED state.")
        return queue

    def _definition(self, reference: str) -> JobDefinition:
        definition = self._state.definition(reference)
        if definition is None or not definition.active:
            raise refuse(f"JobDefinition {reference} not found or is not ACTIVE.")
        return definition

    def _dependencies(self, entries: list[dict[str, Any]]) -> tuple[str, ...]:
        """Ids; an unknown one is refused, since nothing could ever satisfy it."""
        if len(entries) > batch_limits.MAX_DEPENDENCIES_PER_JOB:
            raise refuse(f"Job cannot have more than {batch_limits.MAX_DEPENDENCIES_PER_JOB} dependencies")
        for entry in entries:
            if entry.get("type"):
                raise not_played("dependsOn.type", entry["type"])
            if entry.get("jobId") not in self._state.engine.jobs:
                raise refuse(f"dependsOn jobId {entry.get('jobId')} does not exist.")
        return tuple(dict.fromkeys(entry["jobId"] for entry in entries))

    def _spec(
        self, request: dict[str, Any], queue: JobQueue, definition: JobDefinition, depends_on: tuple[str, ...]
    ) -> JobSpec:
        platform, properties = platform_of(definition), definition.detail["containerProperties"]
        parameters = {**(definition.detail.get("parameters") or {}), **(request.get("parameters") or {})}
        container = overridden_container(request.get("containerOverrides") or {}, properties, parameters, platform)
        # Both replace what the definition says as a whole; nothing of the two is merged.
        retry = request.get("retryStrategy") or definition.detail.get("retryStrategy") or {}
        timeout = request.get("timeout") or definition.detail.get("timeout") or {}
        job_id = self._state.new_id()
        options = (properties.get("logConfiguration") or {}).get("options") or {}
        prefix = options.get("awslogs-stream-prefix") or definition.name[:MAX_STREAM_PREFIX_CHARACTERS]
        return JobSpec(
            job_id=job_id,
            arn=self._state.arn("job", job_id),
            name=request["jobName"],
            queue_arn=queue.arn,
            definition_arn=definition.arn,
            platform=platform,
            demand=demand_of(container["resourceRequirements"], platform),
            log_group=options.get("awslogs-group") or DEFAULT_LOG_GROUP,
            log_stream_prefix=f"{prefix}/default/",
            container=container,
            depends_on=depends_on,
            retry=_retry(retry),
            timeout_seconds=timeout.get("attemptDurationSeconds"),
            tags=request.get("tags") or {},
            detail={
                "parameters": parameters,
                "propagateTags": _propagates(request, definition),
                **({"retryStrategy": shown_retry_strategy(retry)} if retry else {}),
                **({"timeout": timeout} if timeout else {}),
                "platformCapabilities": definition.detail.get("platformCapabilities", []),
            },
        )

    def _failure(
        self, request: dict[str, Any], spec: JobSpec, queue: JobQueue, definition: JobDefinition
    ) -> str | None:
        """Why the service fails a job that it has accepted, before it ever runs; None for nearly all."""
        first = self._state.engine.environments[queue.compute_environments[0]].name
        overrides = request.get("containerOverrides") or {}
        variables = batch_variables(spec.job_id, queue.name, first)
        characters = overrides_characters(overrides, spec.container["command"], variables)
        if characters > batch_limits.MAX_CONTAINER_OVERRIDES_CHARACTERS:
            return f"Container Overrides length must be at most {batch_limits.MAX_CONTAINER_OVERRIDES_CHARACTERS}"
        if _propagates(request, definition) and len({*definition.tags, *spec.tags}) > batch_limits.MAX_TAGS:
            return f"The job and its job definition together have more than {batch_limits.MAX_TAGS} tags to propagate"
        return None


def _check(request: dict[str, Any]) -> None:
    if not _JOB_NAME.fullmatch(request["jobName"]):
        raise refuse("Job name should match valid pattern")
    refuse_unplayed(request, _UNPLAYED, "")
    check_retry_strategy(request.get("retryStrategy") or {})
    check_timeout(request.get("timeout") or {})
    check_tags(request.get("tags") or {})
    if len(json.dumps(request)) > batch_limits.MAX_SUBMIT_JOB_PAYLOAD_BYTES:
        raise refuse(f"SubmitJob payload must be at most {batch_limits.MAX_SUBMIT_JOB_PAYLOAD_BYTES // 1024} KiB.")


def _propagates(request: Mapping[str, Any], definition: JobDefinition) -> bool:
    asked = request.get("propagateTags")
    return bool(definition.detail.get("propagateTags") if asked is None else asked)


def _retry(strategy: Mapping[str, Any]) -> RetryStrategy:
    rules = tuple(
        ExitRule(
            retry=rule["action"].upper() == "RETRY",
            on_exit_code=rule.get("onExitCode"),
            on_reason=rule.get("onReason"),
            on_status_reason=rule.get("onStatusReason"),
        )
        for rule in strategy.get("evaluateOnExit") or ()
    )
    return RetryStrategy(attempts=strategy.get("attempts") or 1, rules=rules)
