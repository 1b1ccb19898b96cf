"""Share identifiers: what a submission must say on a queue with a fair-share policy, and must not say on another.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_SubmitJob.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import batch_limits
from local_batch.api.refusals import refuse
from local_batch.engine.resources import JobDefinition, JobQueue

_SHARE_IDENTIFIER: Final = re.compile(batch_limits.SHARE_IDENTIFIER_PATTERN)


def check_share(request: Mapping[str, Any], queue: JobQueue, definition: JobDefinition) -> None:
    """Raise ApiError where shareIdentifier or the scheduling priority do not go with the queue."""
    share = request.get("shareIdentifier")
    if queue.policy_arn is None:
        if share:
            raise refuse(
                f"shareIdentifier must not be specified: JobQueue {queue.name} has no fair-share scheduling policy."
            )
        return
    if not share:
        raise refuse("shareIdentifier must be specified.")
    if not _SHARE_IDENTIFIER.fullmatch(share):
        raise refuse("ShareIdentifier name should match a valid pattern.")
    if scheduling_priority(request, definition) is None:
        raise refuse("Either schedulingPriority in job definition or schedulingPriorityOverride should be specified.")


def check_active_shares(share: str, active: set[str], queue: JobQueue) -> None:
    """Raise ApiError for a share identifier that would be one too many beside the `active` ones of the queue.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/service_limits.html
    """
    if share not in active and len(active) >= batch_limits.MAX_ACTIVE_SHARES:
        raise refuse(
            f"JobQueue {queue.name} has {batch_limits.MAX_ACTIVE_SHARES} active share identifiers, "
            f"and cannot have another, got {share}."
        )


def scheduling_priority(request: Mapping[str, Any], definition: JobDefinition) -> int | None:
    """The submission's, or else its definition's."""
    override: int | None = request.get("schedulingPriorityOverride")
    return definition.detail.get("schedulingPriority") if override is None else override
