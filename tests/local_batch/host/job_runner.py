"""Jobs for tests: one environment and queue, one definition a job."""

from __future__ import annotations

import time
import uuid
from typing import Any

from tests.local_batch.host.conftest import Client


class JobRunner:
    """Runs Python programs as jobs of the image `run`."""

    def __init__(self, client: Client, image: str) -> None:
        self._client = client
        self._batch = client("batch")
        self._image = image
        self.name = f"j-{uuid.uuid4().hex[:8]}"
        environment = self._batch.create_compute_environment(
            computeEnvironmentName=self.name,
            type="MANAGED",
            computeResources={
                "type": "FARGATE",
                "maxvCpus": 4,
                "subnets": ["subnet-0123456789abcdef0"],
                "securityGroupIds": ["sg-0123456789abcdef0"],
            },
        )
        order = [{"order": 1, "computeEnvironment": environment["computeEnvironmentArn"]}]
        self.queue: str = self._batch.create_job_queue(
            jobQueueName=self.name, priority=1, computeEnvironmentOrder=order
        )["jobQueueArn"]

    def submit(self, program: str, *, array_size: int | None = None, **container: Any) -> str:
        """The id of a job, or of an array of them, that runs the program."""
        definition = self._batch.register_job_definition(
            jobDefinitionName=self.name,
            type="container",
            platformCapabilities=["FARGATE"],
            containerProperties={
                "image": self._image,
                "command": [program],
                "executionRoleArn": "arn:aws:iam::123456789012:role/execution",
                "resourceRequirements": [{"type": "VCPU", "value": "0.25"}, {"type": "MEMORY", "value": "512"}],
                **container,
            },
        )["jobDefinitionArn"]
        array = {} if array_size is None else {"arrayProperties": {"size": array_size}}
        job_id: str = self._batch.submit_job(jobName="j", jobQueue=self.queue, jobDefinition=definition, **array)[
            "jobId"
        ]
        return job_id

    def terminate(self, job_id: str) -> None:
        """End it."""
        self._batch.terminate_job(jobId=job_id, reason="seen enough")

    def finished(self, job_id: str) -> dict[str, Any]:
        """The job's description at its end."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            job = self.describe(job_id)
            if job["status"] in ("SUCCEEDED", "FAILED"):
                return job
            time.sleep(0.02)
        raise TimeoutError(f"job {job_id} is still {job['status']}: {job.get('statusReason')}")

    def describe(self, job_id: str) -> dict[str, Any]:
        """The job as it is."""
        (job,) = self._batch.describe_jobs(jobs=[job_id])["jobs"]
        return dict(job)

    def lines(self, job: dict[str, Any]) -> list[str]:
        """What the job's last attempt wrote."""
        events = self._client("logs").get_log_events(
            logGroupName="/aws/batch/job", logStreamName=job["container"]["logStreamName"], startFromHead=True
        )["events"]
        return [event["message"] for event in events]
