"""A local cloud with a queue and a job definition for MPI, as the stacks declare them, and jobs to measure on it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from image_tags import image_tag
from local_batch import control
from tests.contract.service import clients

CHECKOUT = Path(__file__).resolve().parents[1]
IMAGE = f"mpi:{image_tag(CHECKOUT / 'containers' / 'mpi')}"
BUCKET = "programs"
SECRET = "bring-up"
MAX_NODES = 16
MEMORY_MIB = 512
_TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)


@dataclass(frozen=True)
class MpiCloud:
    """Submits jobs of several nodes and waits for them."""

    endpoint: control.Endpoint

    def run(self, nodes: int, command: Sequence[str]) -> tuple[float, str]:
        """Seconds from SubmitJob to the job's end as DescribeJobs tells it, and what the main node printed."""
        batch, logs = clients(self.endpoint, "batch", "logs")
        began_ms = time.time() * 1000
        job = batch.submit_job(
            jobName="mpi",
            jobQueue="mpi",
            jobDefinition="mpi",
            nodeOverrides={
                "numNodes": nodes,
                "nodePropertyOverrides": [
                    {"targetNodes": "0:", "containerOverrides": {"command": ["--label", "none", *command]}}
                ],
            },
        )["jobId"]
        while (detail := batch.describe_jobs(jobs=[job])["jobs"][0])["status"] not in {"SUCCEEDED", "FAILED"}:
            time.sleep(0.02)
        stream = detail["attempts"][-1]["container"]["logStreamName"]
        output = self._log(logs, stream)
        if detail["status"] != "SUCCEEDED":
            raise AssertionError(f"jobs of benchmarks succeed, got {detail['statusReason']}\n{output}")
        return (detail["stoppedAt"] - began_ms) / 1000, output

    def send(self, source: Path) -> str:
        """The place of a bundle of one source file."""
        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder) / "bundle.tar.gz"
            with tarfile.open(archive, "w:gz") as made:
                made.add(source, arcname=source.name)
            content = archive.read_bytes()
        key = f"{hashlib.sha256(content).hexdigest()}.tar.gz"
        (s3,) = clients(self.endpoint, "s3")
        s3.put_object(Bucket=BUCKET, Key=key, Body=content)
        return f"s3://{BUCKET}/{key}"

    def _log(self, logs: Any, stream: str) -> str:
        events = logs.get_log_events(logGroupName="/aws/batch/job", logStreamName=stream, startFromHead=True)["events"]
        return "\n".join(event["message"] for event in events)


@contextmanager
def mpi_cloud() -> Iterator[MpiCloud]:
    """One that has room for every job here; gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        endpoint = control.start(state, images=[CHECKOUT / "containers"], vcpus=2 * MAX_NODES, memory_mib=1 << 20)
        try:
            _deploy(endpoint)
            yield MpiCloud(endpoint)
        finally:
            control.stop(state)


def compiled(source: Path, folder: Path) -> Path:
    """The program of a source file."""
    made = folder / source.stem
    subprocess.run(["mpicc", "-O2", str(source), "-lm", "-o", str(made)], check=True)
    return made


def _deploy(endpoint: control.Endpoint) -> None:
    batch, iam, s3, secrets = clients(endpoint, "batch", "iam", "s3", "secretsmanager")
    s3.create_bucket(Bucket=BUCKET)
    roles = [
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=_TRUST)["Role"]["Arn"] for name in ("job", "execution")
    ]
    secret = secrets.create_secret(Name=SECRET, SecretString="0123456789" * 6)["ARN"]
    batch.create_compute_environment(
        computeEnvironmentName="mpi",
        type="MANAGED",
        computeResources={
            "type": "EC2",
            "minvCpus": 0,
            "maxvCpus": 2 * MAX_NODES,
            "instanceTypes": ["c6i.large"],
            "subnets": ["subnet-1"],
            "securityGroupIds": ["sg-1"],
            "instanceRole": "arn:aws:iam::123456789012:instance-profile/ecs",
        },
    )
    batch.create_job_queue(
        jobQueueName="mpi", priority=1, computeEnvironmentOrder=[{"order": 1, "computeEnvironment": "mpi"}]
    )
    container = {
        "image": IMAGE,
        "jobRoleArn": roles[0],
        "executionRoleArn": roles[1],
        "secrets": [{"name": "MPI_BRINGUP_SECRET", "valueFrom": secret}],
        "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": str(MEMORY_MIB)}],
    }
    batch.register_job_definition(
        jobDefinitionName="mpi",
        type="multinode",
        nodeProperties={
            "numNodes": 2,
            "mainNode": 0,
            "nodeRangeProperties": [{"targetNodes": "0:", "container": container}],
        },
    )
