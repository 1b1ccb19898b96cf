"""GPUs of this machine as jobs get them: as many as the server was told, each to one job at a time."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

from local_batch import control
from tests.local_batch.host.conftest import client_for


def submit(batch: Any, image: str, *, gpus: int, program: str) -> str:
    """A job on the GPU queue that runs a Python program."""
    requirements = [
        {"type": kind, "value": str(value)} for kind, value in (("VCPU", 1), ("MEMORY", 256), ("GPU", gpus))
    ]
    properties = {"image": image, "command": [program], "resourceRequirements": requirements}
    batch.register_job_definition(jobDefinitionName="gpu", type="container", containerProperties=properties)
    return str(batch.submit_job(jobName="g", jobQueue="gpu", jobDefinition="gpu")["jobId"])


def wait(batch: Any, job_id: str, *statuses: str) -> dict[str, Any]:
    """The job once it is in one of these states."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        (job,) = batch.describe_jobs(jobs=[job_id])["jobs"]
        if job["status"] in statuses:
            return dict(job)
        time.sleep(0.02)
    raise TimeoutError(f"job {job_id} is still {job['status']}")


def test_jobs_share_the_gpus_that_there_are(state: Path, test_images: Path, run_image: str) -> None:
    """With two, a job with both keeps back the next; one that wants three can never run, and says so."""
    client = partial(client_for, control.start(state, images=[test_images], vcpus=4, gpus=2))
    batch = client("batch")
    batch.create_compute_environment(
        computeEnvironmentName="gpu",
        type="MANAGED",
        computeResources={
            "type": "EC2",
            "maxvCpus": 64,
            "minvCpus": 0,
            "instanceTypes": ["g5"],
            "instanceRole": "arn:aws:iam::123456789012:instance-profile/nodes",
            "subnets": ["subnet-1"],
            "securityGroupIds": ["sg-1"],
        },
    )
    order = [{"order": 1, "computeEnvironment": "gpu"}]
    batch.create_job_queue(jobQueueName="gpu", priority=1, computeEnvironmentOrder=order)
    both = submit(batch, run_image, gpus=2, program="import time; time.sleep(600)")
    wait(batch, both, "RUNNING")
    one = submit(batch, run_image, gpus=1, program="print()")
    assert wait(batch, one, "RUNNABLE", "STARTING", "RUNNING")["status"] == "RUNNABLE"
    batch.terminate_job(jobId=both, reason="make room")
    assert wait(batch, one, "SUCCEEDED", "FAILED")["status"] == "SUCCEEDED"
    three = submit(batch, run_image, gpus=3, program="print()")
    blocked = wait(batch, three, "RUNNABLE", "STARTING", "RUNNING")
    assert blocked["status"] == "RUNNABLE"
    assert blocked["statusReason"].startswith("MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT")
