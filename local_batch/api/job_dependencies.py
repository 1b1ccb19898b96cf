"""dependsOn of a submission: whom the new job waits for.

Source: https://docs.aws.amazon.com/batch/latest/userguide/job_dependencies.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import batch_limits
from local_batch.api.refusals import refuse
from local_batch.engine.core import Engine
from local_batch.engine.jobs import Dependency, DependencyType


def checked_dependencies(
    entries: Sequence[Mapping[str, Any]], array_size: int | None, engine: Engine
) -> tuple[Dependency, ...]:
    """Each dependency once, in the order given; raises ApiError for those that nothing could ever satisfy."""
    if not entries:
        return ()
    if len(entries) > batch_limits.MAX_DEPENDENCIES_PER_JOB:
        raise refuse(f"Job cannot have more than {batch_limits.MAX_DEPENDENCIES_PER_JOB} dependencies")
    found: dict[Dependency, None] = {}
    for entry in entries:
        kind = DependencyType(entry["type"]) if entry.get("type") else None
        dependency = Dependency(entry.get("jobId"), kind)
        if kind is not None and array_size is None:
            raise refuse(f"dependsOn type {kind} is only applicable to array jobs.")
        if kind is DependencyType.SEQUENTIAL:
            if dependency.job_id is not None:
                raise refuse(f"dependsOn type {kind} must not have a jobId, got {dependency.job_id}.")
        else:
            _check_job(dependency, array_size, engine)
        found[dependency] = None
    return tuple(found)


def _check_job(dependency: Dependency, array_size: int | None, engine: Engine) -> None:
    job = engine.find(dependency.job_id) if dependency.job_id else None
    if job is None:
        raise refuse(f"dependsOn jobId {dependency.job_id} does not exist.")
    if job.is_node:
        raise refuse(
            f"dependsOn jobId {dependency.job_id} is a node of a multi-node parallel job, which ends with its job; "
            f"depend on {job.spec.job_id}."
        )
    if dependency.type is DependencyType.N_TO_N:
        if not job.is_array:
            raise refuse(f"dependsOn type N_TO_N needs the jobId of an array job, got {dependency.job_id}.")
        if job.spec.array_size != array_size:
            raise refuse(
                f"dependsOn type N_TO_N needs an array job of the same size, {array_size}, "
                f"got {dependency.job_id} of size {job.spec.array_size}."
            )
