"""SubmitJob: a queue, a definition and a submission become a profile and a JobSpec.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_SubmitJob.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import batch_limits
from local_batch.api.container_overrides import check_words, filled_command, merged_environment
from local_batch.api.container_properties import UNPLAYED_BY_JOBS
from local_batch.api.job_definitions import platform_of
from local_batch.api.job_dependencies import checked_dependencies
from local_batch.api.node_overrides import check_node_overrides, container_overrides_of
from local_batch.api.overrides_length import (
    TOO_LONG,
    is_too_long,
    variables_of_children,
    variables_of_every_job,
    variables_of_nodes,
)
from local_batch.api.profiles import Profiles, propagates
from local_batch.api.refusals import (
    check_retry_strategy,
    check_scheduling_priority,
    check_size,
    check_tags,
    check_timeout,
    refuse,
    refuse_unplayed,
)
from local_batch.api.shares import check_active_shares, check_share
from local_batch.api.state import State
from local_batch.engine.events import JobSubmitted, ProfileKept
from local_batch.engine.jobs import JobSpec, Profile
from local_batch.engine.resources import JobDefinition, JobQueue, Platform
from local_batch.shared_words import SharedWords

_JOB_NAME: Final = re.compile(batch_limits.JOB_NAME_PATTERN)
_UNPLAYED: Final = ("ecsPropertiesOverride", "eksPropertiesOverride", "consumableResourcePropertiesOverride")

Request = Mapping[str, Any]


class Submission:
    """Takes jobs in."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._profiles = Profiles(state.engine)
        self._shared = SharedWords()

    def submit(self, request: dict[str, Any]) -> dict[str, Any]:
        """SubmitJob. There is no idempotency token: two calls make two jobs, as on AWS."""
        _check(request)
        queue, definition = self._queue(request["jobQueue"]), self._definition(request["jobDefinition"])
        self._check_queue(queue, definition)
        check_share(request, queue, definition)
        parameters = self._parameters(request, definition)
        if definition.detail["type"] == "multinode":
            _check_multinode(request, definition)
            profile = self._profiles.multinode(request, queue, definition, parameters)
        else:
            _check_single(request, definition)
            profile = self._profiles.single(request, queue, definition)
        spec = self._spec(request, profile, definition, parameters)
        self._check_active_shares(profile, queue)
        submitted = JobSubmitted(spec, failure=self._failure(request, spec, profile, queue, definition))
        if profile.key in self._state.engine.profiles:
            self._state.dispatcher.dispatch(submitted)
        else:
            self._state.dispatcher.dispatch(ProfileKept(profile), submitted)
        return {"jobArn": self._state.arn("job", spec.job_id), "jobName": spec.name, "jobId": spec.job_id}

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

    def _check_queue(self, queue: JobQueue, definition: JobDefinition) -> None:
        """Raise ApiError for a queue on which no job of the definition could ever run."""
        platform, is_multinode = platform_of(definition), definition.detail["type"] == "multinode"
        environments = [self._state.engine.environments[arn] for arn in queue.compute_environments]
        if is_multinode and environments[0].platform is Platform.FARGATE:
            raise refuse("Fargate does not support MNP jobs")
        if environments[0].platform is not platform:
            raise refuse(
                f"JobDefinition {definition.name} requires {platform}, which JobQueue {queue.name} does not offer."
            )
        if is_multinode and all(environment.is_spot for environment in environments):
            raise refuse("Multi-node parallel jobs are not supported on compute environments that use Spot Instances.")

    def _parameters(self, request: Request, definition: JobDefinition) -> dict[str, str]:
        given = request.get("parameters")
        default: dict[str, str] = definition.detail.get("parameters") or {}
        return {**default, **given} if given else default

    def _check_active_shares(self, profile: Profile, queue: JobQueue) -> None:
        if queue.policy_arn is not None and profile.share_identifier is not None:
            active = self._state.engine.active_shares(queue.arn, self._state.dispatcher.now_ms())
            check_active_shares(profile.share_identifier, active, queue)

    def _spec(
        self, request: Request, profile: Profile, definition: JobDefinition, parameters: dict[str, str]
    ) -> JobSpec:
        command: tuple[str, ...] = ()
        environment: tuple[tuple[str, str], ...] = ()
        if profile.num_nodes is None:
            overrides, container = request.get("containerOverrides") or {}, definition.detail["containerProperties"]
            command = filled_command(overrides, container, parameters)
            environment = merged_environment(overrides, container)
        array_size = (request.get("arrayProperties") or {}).get("size")
        spec = JobSpec(
            job_id=self._state.new_id(),
            name=request["jobName"],
            profile=profile.key,
            command=command,
            environment=environment,
            depends_on=checked_dependencies(request.get("dependsOn") or (), array_size, self._state.engine),
            array_size=array_size,
            parameters=parameters,
            tags=request.get("tags") or {},
        )
        return self._shared.spec(spec)

    def _failure(
        self, request: Request, spec: JobSpec, profile: Profile, queue: JobQueue, definition: JobDefinition
    ) -> str | None:
        """Why the service fails a job that it has accepted, before it ever runs; None for nearly all."""
        first = self._state.engine.environments[queue.compute_environments[0]].name
        if _asks_too_much(request, spec, profile, variables_of_every_job(spec.job_id, queue.name, first)):
            return TOO_LONG
        tags = {*definition.tags, *spec.tags}
        if len(tags) > batch_limits.MAX_TAGS and propagates(request, definition):
            return f"The job and its job definition together have more than {batch_limits.MAX_TAGS} tags to propagate"
        return None


def _check(request: Request) -> None:
    if not _JOB_NAME.fullmatch(request["jobName"]):
        raise refuse("Job name should match valid pattern")
    refuse_unplayed(request, _UNPLAYED, "")
    check_retry_strategy(request.get("retryStrategy") or {})
    check_timeout(request.get("timeout") or {})
    check_scheduling_priority(request.get("schedulingPriorityOverride"))
    check_tags(request.get("tags") or {})
    check_size(request, "Job", batch_limits.MAX_SUBMIT_JOB_PAYLOAD_BYTES)


def _check_single(request: Request, definition: JobDefinition) -> None:
    if request.get("nodeOverrides"):
        raise refuse("nodeOverrides is only applicable to multi-node parallel jobs.")
    container = definition.detail["containerProperties"]
    refuse_unplayed(container, UNPLAYED_BY_JOBS, "containerProperties.")
    check_words(request.get("containerOverrides") or {}, container)
    size = (request.get("arrayProperties") or {}).get("size")
    if size is not None and not batch_limits.MIN_ARRAY_SIZE <= size <= batch_limits.MAX_ARRAY_SIZE:
        raise refuse(
            f"Array size must be between {batch_limits.MIN_ARRAY_SIZE} and {batch_limits.MAX_ARRAY_SIZE}, got {size}."
        )


def _check_multinode(request: Request, definition: JobDefinition) -> None:
    if request.get("containerOverrides"):
        raise refuse("containerOverrides is not applicable to multi-node parallel jobs, use nodeOverrides.")
    if request.get("arrayProperties"):
        raise refuse("A multi-node parallel job cannot be an array job.")
    for item in definition.detail["nodeProperties"]["nodeRangeProperties"]:
        refuse_unplayed(item["container"], UNPLAYED_BY_JOBS, "container.")
    check_node_overrides(request.get("nodeOverrides") or {}, definition.detail["nodeProperties"])


def _asks_too_much(request: Request, spec: JobSpec, profile: Profile, variables: dict[str, str]) -> bool:
    """Whether the overrides of the job, of a child or of any node are longer than ECS takes."""
    if profile.num_nodes is None:
        if spec.array_size is not None:
            variables |= variables_of_children(spec.job_id, spec.array_size)
        return is_too_long(request.get("containerOverrides") or {}, spec.command, variables)
    variables |= variables_of_nodes(spec.job_id, profile.num_nodes, profile.main_node)
    overrides = request.get("nodeOverrides") or {}
    return any(
        is_too_long(container_overrides_of(overrides, item["targetNodes"]), item["container"]["command"], variables)
        for item in profile.detail["nodeProperties"]["nodeRangeProperties"]
    )
