"""Array jobs: children, and what is known of them as a whole.

Source: https://docs.aws.amazon.com/batch/latest/userguide/array_jobs.html
"""

from __future__ import annotations

from local_batch.engine.jobs import Job
from local_batch.engine.states import JobStatus


def spawn(array: Job, now_ms: int) -> dict[int, Job]:
    """The children, by index. They are created now, not when their parent was submitted."""
    return {
        index: Job(
            spec=array.spec, profile=array.profile, created_at=now_ms, parent=array, index=index, tags=array.tags
        )
        for index in range(array.spec.array_size or 0)
    }


def statuses_of_none() -> dict[JobStatus, int]:
    """No child in any state."""
    return dict.fromkeys(JobStatus, 0)


def has_all_ended(array: Job) -> bool:
    """Whether no child goes on."""
    assert array.summary is not None
    return array.summary[JobStatus.SUCCEEDED] + array.summary[JobStatus.FAILED] == array.spec.array_size


def partner_state(array: Job, index: int) -> JobStatus:
    """The state of the child with this index; that of the array where it has ended without children."""
    if array.children is None:
        return array.status if array.status.is_terminal else JobStatus.PENDING
    return array.children[index].status
