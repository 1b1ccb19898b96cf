"""SubmitJob: a definition and a submission become one JobSpec.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_SubmitJob.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import batch_limits
from local_batch.api.container_properties import demand_of, resource_requirements
from local_batch.api.errors import ApiError
from local_batch.api.job_definitions import platform_of
from local_batch.api.refusals import (
    check_environment,
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
_UNPLAYED = (
    "arrayProperties",
    "nodeOverrides",
    "shareIdentifier",
    "schedulingPriorityOverride",
    "ecsPropertiesOverride",
    "eksPropertiesOverride",
    "consumableResourcePropertiesOverride",
)
_UNPLAYED_OVERRIDES = ("instanceType",)
_PLACEHOLDER = re.compile(r"Ref::([A-Za-z0-9_-]+)")


class Submission:
    """Takes jobs in."""

    def __init__(self, state: State) -> None:
        self._state = state

    def submit(self, request: dict[str, Any]) -> dict[str, Any]:
        """SubmitJob. There is no idempotency token: two calls make two jobs, as on AWS."""
        _check(request)
        state = self._state
        queue = state.find(state.engine.queues, request["jobQueue"])
        if queue is None:
            raise refuse(f"JobQueue {request['jobQueue']} not found.")
        if not queue.enabled:
            raise refuse(f"JobQueue {queue.name} is not in ENABLED state.")
        definition = state.definition(request["jobDefinition"])
        if definition is None or not definition.active:
            raise refuse(f"JobDefinition {request['jobDefinition']} not found or is not ACTIVE.")
        depends_on = self._dependencies(request.get("dependsOn", []))
        spec = self._spec(request, queue, definition, depends_on)
        state.dispatcher.dispatch(JobSubmitted(spec))
        return {"jobArn": spec.arn, "jobName": spec.name, "jobId": spec.job_id}

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
        platform = platform_of(definition.detail["platformCapabilities"])
        environments = [self._state.engine.environments[arn] for arn in queue.compute_environments]
        if any(environment.platform is not platform for environment in environments):
            raise refuse(
                f"JobDefinition {definition.name} requires {platform}, which JobQueue {queue.name} does not offer."
            )
        container = definition.detail["containerProperties"]
        overrides = request.get("containerOverrides", {})
        requirements = _merged(resource_requirements(container), resource_requirements(overrides), "type")
        parameters = {**definition.detail.get("parameters", {}), **request.get("parameters", {})}
        command = overrides.get("command") or container.get("command", [])
        retry = request.get("retryStrategy") or definition.detail.get("retryStrategy") or {}
        timeout = request.get("timeout") or definition.detail.get("timeout") or {}
        propagate = request.get("propagateTags", definition.detail.get("propagateTags", False))
        tags = {**(definition.tags if propagate else {}), **request.get("tags", {})}
        job_id = self._state.new_id()
        options = container.get("logConfiguration", {}).get("options", {})
        prefix = options.get("awslogs-stream-prefix") or definition.name[:MAX_STREAM_PREFIX_CHARACTERS]
        shown = {key: value for key, value in container.items() if key not in ("vcpus", "memory", "user", "image")}
        return JobSpec(
            job_id=job_id,
            arn=self._state.arn("job", job_id),
            name=request["jobName"],
            queue_arn=queue.arn,
            definition_arn=definition.arn,
            platform=platform,
            demand=demand_of(requirements, platform),
            log_group=options.get("awslogs-group", DEFAULT_LOG_GROUP),
            log_stream_prefix=f"{prefix}/default/",
            container={
                **shown,
                "image": container["image"],
                **({"user": container["user"]} if container.get("user") else {}),
                "command": [_filled(word, parameters) for word in command],
                "environment": _merged(container.get("environment", []), overrides.get("environment", []), "name"),
                "resourceRequirements": requirements,
            },
            depends_on=depends_on,
            retry=_retry(retry),
            timeout_seconds=timeout.get("attemptDurationSeconds"),
            tags=tags,
            detail={
                "parameters": parameters,
                "propagateTags": propagate,
                "retryStrategy": _shown_retry(retry),
                **({"timeout": timeout} if timeout else {}),
                "platformCapabilities": definition.detail["platformCapabilities"],
            },
        )


def _check(request: dict[str, Any]) -> None:
    if not re.fullmatch(batch_limits.JOB_NAME_PATTERN, request["jobName"]):
        raise refuse("Job name should match valid pattern")
    refuse_unplayed(request, _UNPLAYED, "")
    overrides = request.get("containerOverrides", {})
    refuse_unplayed(overrides, _UNPLAYED_OVERRIDES, "containerOverrides.")
    if overrides.get("vcpus") or overrides.get("memory"):
        raise refuse(
            "This value was submitted in a deprecated key and may conflict with the value provided by the job "
            "definition's resource requirements."
        )
    if "" in overrides.get("command", []):
        raise refuse("Container command must not contain empty strings.")
    check_environment(overrides.get("environment", []))
    check_retry_strategy(request.get("retryStrategy", {}))
    check_timeout(request.get("timeout", {}))
    check_tags(request.get("tags", {}))
    if len(json.dumps(request)) > batch_limits.MAX_SUBMIT_JOB_PAYLOAD_BYTES:
        raise refuse(f"SubmitJob payload must be at most {batch_limits.MAX_SUBMIT_JOB_PAYLOAD_BYTES // 1024} KiB.")


def _merged(base: list[dict[str, str]], override: list[dict[str, str]], key: str) -> list[dict[str, str]]:
    """The entries of both, the override's in place of the base's of the same key."""
    return list({entry[key]: entry for entry in [*base, *override]}.values())


def _filled(word: str, parameters: Mapping[str, str]) -> str:
    """`Ref::name` replaced by its parameter; one without a value stays as it is."""
    return _PLACEHOLDER.sub(lambda match: parameters.get(match[1], match[0]), word)


def _retry(strategy: Mapping[str, Any]) -> RetryStrategy:
    rules = tuple(
        ExitRule(
            retry=rule["action"].upper() == "RETRY",
            on_exit_code=rule.get("onExitCode"),
            on_reason=rule.get("onReason"),
            on_status_reason=rule.get("onStatusReason"),
        )
        for rule in strategy.get("evaluateOnExit", [])
    )
    return RetryStrategy(attempts=strategy.get("attempts") or 1, rules=rules)


def _shown_retry(strategy: Mapping[str, Any]) -> dict[str, Any]:
    """As DescribeJobs shows it: attempts always, actions in one spelling."""
    rules = [{**rule, "action": rule["action"].upper()} for rule in strategy.get("evaluateOnExit", [])]
    return {"attempts": strategy.get("attempts") or 1, "evaluateOnExit": rules}


def unknown_job(job_id: str) -> ApiError:
    """The refusal of a call about a job that is not there."""
    return refuse(f"Job {job_id} does not exist.")
