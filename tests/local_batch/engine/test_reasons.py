"""The texts of statusReason that the service gives, letter by letter: clients compare with them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from local_batch.engine import events
from local_batch.engine.resources import ComputeEnvironment, Platform
from tests.local_batch.engine.cloud import EC2, NORMAL, ON_EC2, Cloud, job_spec


def more_vcpus_than_the_environment(cloud: Cloud) -> None:
    """Above maxvCpus."""
    cloud.submit(job_spec("a", vcpus=8))


def more_vcpus_than_any_instance(cloud: Cloud) -> None:
    """Within maxvCpus."""
    cloud.submit(job_spec("a", vcpus=16, queue=ON_EC2))


def no_enabled_environment(cloud: Cloud) -> None:
    """The only one of the queue is disabled."""
    cloud.happen(events.ComputeEnvironmentSaved(ComputeEnvironment(EC2, "e", Platform.EC2, 16, enabled=False)))
    cloud.submit(job_spec("a", queue=ON_EC2))


def failed_dependency(cloud: Cloud) -> None:
    """What the job waits for fails."""
    cloud.submit(job_spec("first"))
    cloud.submit(job_spec("a", depends_on=("first",)))
    cloud.run("first", exit_code=1)


def failed_child(cloud: Cloud) -> None:
    """One of an array fails, the other does not."""
    cloud.submit(job_spec("a", array_size=2))
    cloud.run("a:0", exit_code=1)
    cloud.run("a:1")


def timeout(cloud: Cloud) -> None:
    """The attempt runs too long and is killed."""
    cloud.submit(job_spec("a", timeout_seconds=60))
    cloud.start("a")
    cloud.happen(events.AttemptTimedOut("a", 1))
    cloud.exit("a", 137)


def failed_start(cloud: Cloud) -> None:
    """The container never ran."""
    cloud.submit(job_spec("a"))
    cloud.happen(events.StartFailed("a", 1, "CannotPullContainerError: none"))


def exit_of_its_own(cloud: Cloud) -> None:
    """The container ended by itself."""
    cloud.submit(job_spec("a"))
    cloud.run("a")


def deleted_queue(cloud: Cloud) -> None:
    """The queue goes while the job waits."""
    more_vcpus_than_the_environment(cloud)
    cloud.happen(events.JobQueueDeleted(NORMAL))


@pytest.mark.parametrize(
    ("happens", "text"),
    [
        (
            more_vcpus_than_the_environment,
            (
                "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - "
                "CE(s) associated with the job queue cannot meet the CPU requirement of the job."
            ),
        ),
        (
            more_vcpus_than_any_instance,
            (
                "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - The job resource requirement (vCPU/memory/GPU) is higher "
                "than that can be met by the CE(s) attached to the job queue."
            ),
        ),
        (no_enabled_environment, "ACTION_REQUIRED - CE(s) associated with the job queue are invalid."),
        (failed_dependency, "Dependent Job failed"),
        (failed_child, "Array Child Job failed"),
        (timeout, "Job attempt duration exceeded timeout"),
        (failed_start, "Task failed to start"),
        (exit_of_its_own, "Essential container in task exited"),
        (deleted_queue, "JobQueue deleted"),
    ],
)
def test_a_reason_is_the_services_text(happens: Callable[[Cloud], None], text: str) -> None:
    """The whole of it."""
    cloud = Cloud()
    happens(cloud)
    assert cloud.job("a").status_reason == text
