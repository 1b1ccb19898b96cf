"""AWS Batch's limits as numbers and tables: checked at synth, by the runner and by the local cloud alike.

Imports nothing of ours, so that all three sides can share one copy. Sources:
https://docs.aws.amazon.com/batch/latest/userguide/service_limits.html and the API reference named beside each.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

MAX_COMPUTE_ENVIRONMENTS_PER_QUEUE: Final = 3
MAX_DEPENDENCIES_PER_JOB: Final = 20
MAX_JOBS_PER_DESCRIBE: Final = 100
MAX_JOBS_PER_TERMINATE: Final = 50
"""https://docs.aws.amazon.com/batch/latest/APIReference/API_TerminateJobs.html"""

MAX_SUBMIT_JOB_PER_SECOND: Final = 50
"""Of an account in a region."""

MAX_SUBMIT_JOB_PAYLOAD_BYTES: Final = 30 * 1024
MAX_JOB_DEFINITION_BYTES: Final = 24 * 1024
MAX_CONTAINER_OVERRIDES_CHARACTERS: Final = 8192
"""Of compact JSON; ECS RunTask refuses more, after SubmitJob has accepted it."""

MIN_ARRAY_SIZE: Final = 2
MAX_ARRAY_SIZE: Final = 10_000
MAX_NODES: Final = 1000
"""Of a multi-node parallel job. https://docs.aws.amazon.com/batch/latest/userguide/multi-node-parallel-jobs.html"""

MAX_NODE_RANGES: Final = 5
"""Node groups, as the user guide says, of a multi-node parallel job. Same page."""

MAX_SCHEDULING_PRIORITY: Final = 9999
MAX_ACTIVE_SHARES: Final = 500
"""Share identifiers of one job queue that have jobs, or had some a short while ago."""

MAX_ATTEMPTS: Final = 10
MAX_EVALUATE_ON_EXIT: Final = 5
MIN_TIMEOUT_SECONDS: Final = 60
MAX_TIMEOUT_SECONDS: Final = 2**31 - 1
"""Of a 32-bit integer, which attemptDurationSeconds is (API_JobTimeout)."""

MAX_REASON_CHARACTERS: Final = 1024
MAX_TAGS: Final = 50

SHARE_IDENTIFIER_PATTERN: Final = r"^[A-Za-z0-9]{1,255}\*?$"
"""Of a policy, where a star stands for all that begin so, and of a submission.

https://docs.aws.amazon.com/batch/latest/APIReference/API_ShareAttributes.html
"""

JOB_NAME_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$"
RESOURCE_NAME_PATTERN: Final = r"^[A-Za-z0-9_-]{1,128}$"

USABLE_MEMORY: Final = 0.95
"""Share of an instance's nominal memory that jobs can have: kernel and ECS agent keep the rest.

An estimate on the side of what starts. Source:
https://docs.aws.amazon.com/batch/latest/userguide/memory-management.html
"""

FARGATE_MEMORY_MIB: Final[Mapping[float, tuple[int, ...]]] = MappingProxyType(
    {
        0.25: (512, 1024, 2048),
        0.5: tuple(range(1024, 4096 + 1, 1024)),
        1.0: tuple(range(2048, 8192 + 1, 1024)),
        2.0: tuple(range(4096, 16384 + 1, 1024)),
        4.0: tuple(range(8192, 30720 + 1, 1024)),
        8.0: tuple(range(16384, 61440 + 1, 4096)),
        16.0: tuple(range(32768, 122880 + 1, 8192)),
        32.0: (61440, 122880, 249856),
    }
)
"""vCPUs -> memory sizes (MiB) that Fargate runs.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_ResourceRequirement.html
"""


def explain_fargate_size(vcpus: float, memory_mib: int) -> str | None:
    """Why Fargate would refuse this size, with the nearest legal one; None where it is legal."""
    sizes = FARGATE_MEMORY_MIB.get(vcpus)
    if sizes is None:
        legal = ", ".join(f"{choice:g}" for choice in FARGATE_MEMORY_MIB)
        return f"Fargate runs {legal} vCPUs, got {vcpus:g}; choose one of these"
    if memory_mib in sizes:
        return None
    nearest = next((size for size in sizes if size >= memory_mib), sizes[-1])
    return (
        f"Fargate with {vcpus:g} vCPUs runs {sizes[0]} to {sizes[-1]} MiB in its own steps, got {memory_mib} MiB; "
        f"use {nearest} MiB, or other vCPUs"
    )
