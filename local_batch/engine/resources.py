"""What jobs are submitted against: compute environments, job queues, job definitions, scheduling policies.

The typed fields are what scheduling reads. `detail` is the rest, in the API's own shape and spelling, kept
for Describe calls and never interpreted by the engine.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any

Json = Any
"""A JSON value in the API's own shape: its keys are checked where it enters, at the API."""


class Platform(enum.StrEnum):
    """Where containers of a compute environment run."""

    EC2 = "EC2"
    FARGATE = "FARGATE"


@dataclass(frozen=True, slots=True)
class InstanceSize:
    """An EC2 instance type that a compute environment may launch."""

    name: str
    vcpus: int
    memory_mib: int
    gpus: int = 0
    architecture: str = "x86_64"


@dataclass(frozen=True, slots=True)
class ComputeEnvironment:
    """Where Batch may launch capacity. `instance_sizes` is empty on Fargate."""

    arn: str
    name: str
    platform: Platform
    max_vcpus: int
    enabled: bool = True
    is_spot: bool = False
    instance_sizes: tuple[InstanceSize, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)
    detail: dict[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """A job that heads its queue for `max_seconds`, RUNNABLE and blocked for `reason`, is cancelled.

    `reason` is the beginning of the blocked job's statusReason, such as
    `MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT`.
    Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_JobStateTimeLimitAction.html
    """

    reason: str
    max_seconds: int


@dataclass(frozen=True, slots=True)
class JobQueue:
    """An ordered list of compute environments (ARNs) with a priority; higher priorities are served first.

    A queue with a scheduling policy shares out by share identifiers, one without is first in, first out; it stays what
    it was made as.
    """

    arn: str
    name: str
    priority: int
    compute_environments: tuple[str, ...]
    enabled: bool = True
    policy_arn: str | None = None
    time_limits: tuple[TimeLimit, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)
    detail: dict[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JobDefinition:
    """One revision of a job definition; a deregistered one is INACTIVE and refused at submission."""

    arn: str
    name: str
    revision: int
    active: bool = True
    tags: dict[str, str] = field(default_factory=dict)
    detail: dict[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SchedulingPolicy:
    """A fair-share policy.

    Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_FairsharePolicy.html
    """

    arn: str
    name: str
    decay_seconds: int = 0
    """How long past use counts, ever less; 0 stands for the service's minimum window of 600."""

    reservation_percent: int = 0
    """Kept free for shares that are not active: (this / 100) to the power of the number of active shares."""

    weights: tuple[tuple[str, float], ...] = ()
    """Share identifier or, ending in `*`, the beginning of several; weight factor. A lower one gets more."""

    tags: dict[str, str] = field(default_factory=dict)
    detail: dict[str, Json] = field(default_factory=dict)
