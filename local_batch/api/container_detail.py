"""A job's container as ContainerDetail shows it.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_ContainerDetail.html
"""

from __future__ import annotations

from typing import Any

from local_batch.api.attempt_detail import attempt_container
from local_batch.engine.jobs import Job


def container_detail(job: Job) -> dict[str, Any]:
    """What was asked for, and of the latest attempt what is known. The parent of an array never has one."""
    shown = {**_asked_for(job), "networkInterfaces": []}
    return {**shown, **attempt_container(job, job.attempt)} if job.attempts else shown


def _asked_for(job: Job) -> dict[str, Any]:
    if job.is_node:
        return job.container.detail
    environment = [{"name": name, "value": value} for name, value in job.spec.environment]
    return {**job.container.detail, "command": list(job.spec.command), "environment": environment}
