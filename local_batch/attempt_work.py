"""From a job's record to the work of one attempt: what the container sees.

Source of the variables: https://docs.aws.amazon.com/batch/latest/userguide/job_env_vars.html
"""

from __future__ import annotations

from collections.abc import Mapping

from local_batch.engine.core import Engine
from local_batch.engine.jobs import Job
from local_batch.executors.work import AttemptWork


def attempt_work(job: Job, engine: Engine, platform_environment: Mapping[str, str]) -> AttemptWork:
    """The latest attempt of `job` as work; the job's own variables win over the platform's, Batch's over both."""
    container = job.spec.container
    attempt = job.attempt
    own = {entry["name"]: entry.get("value", "") for entry in container.get("environment", ())}
    batch = {
        "AWS_BATCH_JOB_ID": job.spec.job_id,
        "AWS_BATCH_JOB_ATTEMPT": str(attempt.number),
        "AWS_BATCH_JQ_NAME": engine.queues[job.spec.queue_arn].name,
        "AWS_BATCH_CE_NAME": engine.environments[attempt.compute_environment_arn].name,
    }
    return AttemptWork(
        job_id=job.spec.job_id,
        attempt=attempt.number,
        image=container["image"],
        command=tuple(container.get("command", ())),
        environment={**platform_environment, **own, **batch},
        vcpus=job.spec.demand.vcpus,
        memory_mib=job.spec.demand.memory_mib,
    )
