"""Jobs as DescribeJobs tells them, with types; absent fields are None or empty."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

TERMINAL: Final = frozenset({"SUCCEEDED", "FAILED"})
DEFAULT_LOG_GROUP: Final = "/aws/batch/job"
"""Of job definitions that name none. https://docs.aws.amazon.com/batch/latest/userguide/using_awslogs.html"""

DEPENDENCY_FAILED: Final = "Dependent Job failed"
"""Batch's statusReason of a job that was never started because one that it depends on failed."""

TIMED_OUT: Final = "Job attempt duration exceeded timeout"

RECLAIMED: Final = ("Host EC2", "Your Spot Task was interrupted")
"""How the statusReason of an attempt begins whose host was reclaimed or lost: on EC2, on Fargate.

https://docs.aws.amazon.com/batch/latest/userguide/spot_best_practices.html
"""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One try of a job; times are milliseconds since the epoch."""

    started_at: int | None
    """None where the container never ran."""
    stopped_at: int | None
    exit_code: int | None
    reason: str
    """Of the container."""
    status_reason: str
    log_stream: str | None


@dataclass(frozen=True, kw_only=True)
class Nodes:
    """What a multi-node job as a whole is made of. Its nodes are jobs of their own: `ID#0`, `ID#1`, ..."""

    count: int
    main: int | None
    """The index of the main node; None where ListJobs told of the job, which does not say it."""


@dataclass(frozen=True, kw_only=True)
class Array:
    """What an array is made of. Its children are jobs of their own: `ID:0`, `ID:1`, ..."""

    size: int
    counts: Mapping[str, int]
    """Children by status, those without any left out."""


@dataclass(frozen=True, kw_only=True)
class DescribedJob:
    """A job at one moment; times are milliseconds since the epoch.

    Of a multi-node job as a whole exit code, reason and attempts are the main node's. A node, and a child of an array,
    is a job too, whose id ends with `#index` or `:index`.
    """

    job_id: str
    name: str
    status: str
    status_reason: str
    created_at: int | None
    started_at: int | None
    stopped_at: int | None
    attempts: tuple[Attempt, ...]
    """Those that have ended."""
    max_attempts: int
    exit_code: int | None
    reason: str
    log_group: str
    log_stream: str | None
    """Of the latest attempt, once it runs; of a multi-node job as a whole, whose nodes have one each, once it ended."""
    vcpus: float | None
    """Of all nodes of a multi-node job together, as is the memory."""
    memory_mib: int | None
    is_stopped_by_user: bool
    """CancelJob or TerminateJob was accepted for it."""
    queue: str
    """The queue's name."""
    nodes: Nodes | None = None
    """Of a multi-node job as a whole."""
    array: Array | None = None
    """Of an array as a whole."""
    is_main_node: bool = False
    """Whether it is that node of a multi-node job."""

    @property
    def is_terminal(self) -> bool:
        """Whether nothing more will happen."""
        return self.status in TERMINAL

    @property
    def attempt(self) -> int:
        """The number of the latest attempt, from 1; 0 before the first."""
        is_running = self.status in {"STARTING", "RUNNING"}
        # Of a multi-node job the attempt is told when its main node has ended, while others are being stopped.
        last = self.attempts[-1] if self.status == "RUNNING" and self.attempts else None
        is_told = last is not None and last.started_at is not None and last.started_at == self.started_at
        return len(self.attempts) + (1 if is_running and not is_told else 0)

    @property
    def lost_ms(self) -> int:
        """How long those attempts ran whose host was reclaimed or lost: time that was paid for nothing."""
        return sum(
            attempt.stopped_at - attempt.started_at
            for attempt in self.attempts
            if attempt.started_at and attempt.stopped_at and attempt.status_reason.startswith(RECLAIMED)
        )

    @property
    def was_never_placed(self) -> bool:
        """Whether it failed before any host had it, and nobody stopped it."""
        return self.status == "FAILED" and not self.attempts and self.started_at is None and not self.is_stopped_by_user

    def log_stream_of(self, attempt: int) -> str | None:
        """The log stream of an attempt, from 1; None where it has none, or none yet."""
        if 1 <= attempt <= len(self.attempts):
            return self.attempts[attempt - 1].log_stream
        return self.log_stream if attempt == len(self.attempts) + 1 and not self.is_terminal else None


def from_detail(detail: Mapping[str, Any]) -> DescribedJob:
    """The job that a JobDetail of DescribeJobs, a JobSummary of ListJobs or what `to_keep` kept describes."""
    attempts = tuple(_attempt(attempt) for attempt in detail.get("attempts", ()))
    nodes = _nodes(detail)
    containers = list(node_containers(detail)) if nodes else [detail.get("container", {})]
    main = containers[(nodes.main or 0) if nodes else 0] if containers else {}
    # A multi-node job as a whole has no container: how it ended is in its attempts.
    latest = attempts[-1] if nodes and attempts and detail["status"] in TERMINAL else None
    options = main.get("logConfiguration", {}).get("options", {})
    vcpus, memory = zip(*(_size(container) for container in containers), strict=True) if containers else ((), ())
    return DescribedJob(
        job_id=detail["jobId"],
        name=detail["jobName"],
        status=detail["status"],
        status_reason=detail.get("statusReason", ""),
        created_at=detail.get("createdAt") or None,
        # Batch writes 0 before the start.
        started_at=detail.get("startedAt") or None,
        stopped_at=detail.get("stoppedAt") or None,
        attempts=attempts,
        max_attempts=int(detail.get("retryStrategy", {}).get("attempts", 1) or 1),
        exit_code=latest.exit_code if latest else detail.get("container", {}).get("exitCode"),
        reason=latest.reason if latest else detail.get("container", {}).get("reason", ""),
        log_group=options.get("awslogs-group", DEFAULT_LOG_GROUP),
        log_stream=latest.log_stream if latest else detail.get("container", {}).get("logStreamName"),
        vcpus=_sum(vcpus),
        memory_mib=None if (mib := _sum(memory)) is None else int(mib),
        is_stopped_by_user=bool(detail.get("isCancelled") or detail.get("isTerminated")),
        queue=re.sub(r"^arn:.*job-queue/", "", detail.get("jobQueue", "")),
        nodes=nodes,
        array=_array(detail),
        is_main_node=bool(detail.get("nodeDetails", detail.get("nodeProperties", {})).get("isMainNode")),
    )


def node_containers(detail: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The container of each node of a multi-node job, by index: of the narrowest of the ranges that the node is in.

    Nothing where ListJobs told of the job. Source:
    https://docs.aws.amazon.com/batch/latest/APIReference/API_NodeRangeProperty.html
    """
    properties = detail.get("nodeProperties", {})
    ranges = [
        (*_first_and_last(entry["targetNodes"], properties["numNodes"]), entry.get("container", {}))
        for entry in properties.get("nodeRangeProperties", ())
    ]
    if not ranges:
        return
    for index in range(properties["numNodes"]):
        holding = [(last - first, number) for number, (first, last, _) in enumerate(ranges) if first <= index <= last]
        yield ranges[min(holding)[1]][2] if holding else {}


def _first_and_last(target: str, count: int) -> tuple[int, int]:
    first, colon, last = target.partition(":")
    if not colon:
        return int(first), int(first)
    return int(first or 0), int(last or count - 1)


def _nodes(detail: Mapping[str, Any]) -> Nodes | None:
    properties = detail.get("nodeProperties", {})
    count = properties.get("numNodes")
    return None if count is None else Nodes(count=count, main=properties.get("mainNode"))


def _array(detail: Mapping[str, Any]) -> Array | None:
    properties = detail.get("arrayProperties", {})
    size = properties.get("size")
    if size is None:
        return None
    counts = {status: count for status, count in properties.get("statusSummary", {}).items() if count}
    return Array(size=size, counts=MappingProxyType(counts))


def _size(container: Mapping[str, Any]) -> tuple[float | None, float | None]:
    needs = {entry["type"]: entry["value"] for entry in container.get("resourceRequirements", ())}
    vcpus, memory = needs.get("VCPU", container.get("vcpus")), needs.get("MEMORY", container.get("memory"))
    return None if vcpus is None else float(vcpus), None if memory is None else float(memory)


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _attempt(answer: Mapping[str, Any]) -> Attempt:
    container = answer.get("container", {})
    return Attempt(
        started_at=answer.get("startedAt") or None,
        stopped_at=answer.get("stoppedAt") or None,
        exit_code=container.get("exitCode"),
        reason=container.get("reason", ""),
        status_reason=answer.get("statusReason", ""),
        log_stream=container.get("logStreamName"),
    )


_KEPT: Final = (
    "jobId",
    "jobName",
    "jobQueue",
    "status",
    "statusReason",
    "createdAt",
    "startedAt",
    "stoppedAt",
    "attempts",
    "retryStrategy",
    "arrayProperties",
    "isCancelled",
    "isTerminated",
)
_KEPT_OF_CONTAINER: Final = ("exitCode", "reason", "logStreamName", "resourceRequirements", "logConfiguration")


def to_keep(detail: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a JobDetail that `from_detail` reads: no command, no environment."""
    kept = {key: detail[key] for key in _KEPT if key in detail}
    if "nodeProperties" in detail:
        properties = detail["nodeProperties"]
        ranges = [
            {"targetNodes": entry["targetNodes"], "container": _kept_of_container(entry)}
            for entry in properties.get("nodeRangeProperties", ())
        ]
        return {**kept, "nodeProperties": {**properties, "nodeRangeProperties": ranges}}
    return {**kept, "container": _kept_of_container(detail)}


def _kept_of_container(owner: Mapping[str, Any]) -> dict[str, Any]:
    container = owner.get("container", {})
    return {key: container[key] for key in _KEPT_OF_CONTAINER if key in container}
