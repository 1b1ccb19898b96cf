"""What a job of one container is given."""

from __future__ import annotations

import dataclasses

import aws_cdk as cdk


@dataclasses.dataclass(frozen=True, kw_only=True)
class JobSize:
    """vCPUs and memory, a pair that Fargate runs, and the longest run of one attempt."""

    vcpus: float
    memory: cdk.Size
    timeout: cdk.Duration
