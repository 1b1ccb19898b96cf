"""What a submission has in common with others: its definition and overrides merged, all but command and environment.

Theory of operation. Submissions come in thousands that differ in their names, commands and environments alone. What a
queue, a definition and the other overrides make together is checked and built once, under a key that is cheap to
tell, and named by a hash of its content, so that it is the same after a restart.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, Final

from local_batch.api.container_overrides import (
    COMMAND_AND_ENVIRONMENT,
    filled_command,
    merged_environment,
    overridden_container,
)
from local_batch.api.job_definitions import platform_of, shown_retry_strategy
from local_batch.api.log_configuration import log_destination
from local_batch.api.node_overrides import container_overrides_of, overridden_ranges
from local_batch.api.node_properties import check_instance_types
from local_batch.api.node_ranges import NodeRange
from local_batch.api.resource_requirements import demand_of
from local_batch.api.shares import scheduling_priority
from local_batch.engine.core import Engine
from local_batch.engine.jobs import Container, ExitRule, Profile, RetryStrategy
from local_batch.engine.resources import JobDefinition, JobQueue, Platform
from local_batch.recent import Recent

_SHAPING: Final = ("retryStrategy", "timeout", "shareIdentifier", "schedulingPriorityOverride", "propagateTags")
_RECENT_PROFILES: Final = 1000


class Profiles:
    """Gives the profile of a submission. One object for each content, where the engine has it the engine's own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._recent: Recent[tuple[str, str, str], Profile] = Recent(_RECENT_PROFILES)

    def single(self, request: Mapping[str, Any], queue: JobQueue, definition: JobDefinition) -> Profile:
        """Of a job with one container, or of an array of them; raises ApiError for overrides that are refused."""
        overrides = request.get("containerOverrides") or {}
        rest = {name: value for name, value in overrides.items() if name not in COMMAND_AND_ENVIRONMENT}
        shaping = [request.get(name) for name in _SHAPING]

        def make() -> Profile:
            platform = platform_of(definition)
            detail = overridden_container(rest, definition.detail["containerProperties"], platform)
            container = _container(detail, definition, platform)
            return self._named(replace(_common(request, queue, definition), containers=(container,)))

        return self._recent.get((queue.arn, definition.arn, repr((shaping, rest))), make)

    def multinode(
        self, request: Mapping[str, Any], queue: JobQueue, definition: JobDefinition, parameters: Mapping[str, str]
    ) -> Profile:
        """Of a multi-node parallel job whose overrides were checked; `parameters` fill the commands' placeholders."""
        properties, overrides = definition.detail["nodeProperties"], request.get("nodeOverrides") or {}
        num_nodes, ranges = overridden_ranges(overrides, properties)
        shown = []
        for item in properties["nodeRangeProperties"]:
            own = container_overrides_of(overrides, item["targetNodes"])
            detail = overridden_container(own, item["container"], platform_of(definition), is_node=True)
            detail["command"] = list(filled_command(own, item["container"], parameters))
            environment = merged_environment(own, item["container"])
            detail["environment"] = [{"name": name, "value": value} for name, value in environment]
            shown.append({"targetNodes": item["targetNodes"], "container": detail})
        check_instance_types(item["container"] for item in shown)
        common = _common(request, queue, definition)
        shown_properties = {**properties, "numNodes": num_nodes, "nodeRangeProperties": shown}
        return self._named(
            replace(
                common,
                containers=_by_width(shown, ranges, definition),
                num_nodes=num_nodes,
                main_node=properties["mainNode"],
                detail={**common.detail, "nodeProperties": shown_properties},
            )
        )

    def _named(self, profile: Profile) -> Profile:
        content = json.dumps(asdict(profile), sort_keys=True).encode()
        key = hashlib.blake2b(content, digest_size=16).hexdigest()
        return self._engine.profiles.get(key) or replace(profile, key=key)


def propagates(request: Mapping[str, Any], definition: JobDefinition) -> bool | None:
    """Whether tags go on to the ECS task: the submission's word, or else the definition's; None where nobody says."""
    asked: bool | None = request.get("propagateTags")
    return definition.detail.get("propagateTags") if asked is None else asked


def _common(request: Mapping[str, Any], queue: JobQueue, definition: JobDefinition) -> Profile:
    """All but what its containers are."""
    # Both replace what the definition says as a whole; nothing of the two is merged.
    retry = request.get("retryStrategy") or definition.detail.get("retryStrategy") or {}
    timeout = request.get("timeout") or definition.detail.get("timeout") or {}
    propagate = propagates(request, definition)
    return Profile(
        key="",
        queue_arn=queue.arn,
        definition_arn=definition.arn,
        platform=platform_of(definition),
        containers=(),
        retry=_retry(retry),
        timeout_seconds=timeout.get("attemptDurationSeconds"),
        share_identifier=request.get("shareIdentifier") or None,
        scheduling_priority=scheduling_priority(request, definition) or 0,
        detail={
            **({} if propagate is None else {"propagateTags": propagate}),
            **({"retryStrategy": shown_retry_strategy(retry)} if retry else {}),
            **({"timeout": timeout} if timeout else {}),
            "platformCapabilities": definition.detail.get("platformCapabilities", []),
        },
    )


def _container(
    detail: dict[str, Any], definition: JobDefinition, platform: Platform, nodes: NodeRange | None = None
) -> Container:
    group, prefix = log_destination(detail, definition.name)
    return Container(
        demand=demand_of(detail, platform),
        log_group=group,
        log_stream_prefix=prefix,
        detail=detail,
        first_node=0 if nodes is None else nodes.first,
        last_node=0 if nodes is None else nodes.last,
        instance_type=detail.get("instanceType"),
    )


def _by_width(shown: list[dict[str, Any]], ranges: list[NodeRange], definition: JobDefinition) -> tuple[Container, ...]:
    """The containers of the ranges, a nested one before that which it is nested in.

    Fewer nodes than in the definition can make the two equally wide; the nested one still has precedence.
    """
    _, in_definition = overridden_ranges({}, definition.detail["nodeProperties"])
    order = sorted(range(len(ranges)), key=lambda at: in_definition[at].last - in_definition[at].first)
    platform = platform_of(definition)
    return tuple(_container(shown[at]["container"], definition, platform, ranges[at]) for at in order)


def _retry(strategy: Mapping[str, Any]) -> RetryStrategy:
    rules = tuple(
        ExitRule(
            retry=rule["action"].upper() == "RETRY",
            on_exit_code=rule.get("onExitCode") or None,
            on_reason=rule.get("onReason") or None,
            on_status_reason=rule.get("onStatusReason") or None,
        )
        for rule in strategy.get("evaluateOnExit") or ()
    )
    return RetryStrategy(attempts=strategy.get("attempts") or 1, rules=rules)
