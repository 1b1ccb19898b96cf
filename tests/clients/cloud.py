"""A local cloud with what a workflow engine expects to find on AWS, and a user's shell in front of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from image_tags import image_tag
from local_batch import control
from runner.engine_settings.place import Place
from tests.clients.virtual_environment import HERE, VirtualEnvironment, requirements
from tests.contract.service import clients, order

BUCKET = "work"
COMMAND_TIMEOUT_SECONDS = 600
PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class Cloud:
    """Two queues, a bucket, a job role; `images` is the folder of image folders of the server."""

    endpoint: control.Endpoint
    images: Path
    batch: Any
    s3: Any
    role: str

    def place(self, image: str) -> Place:
        """What `hpc config` tells of a deployment, of this one."""
        return Place(
            region=self.endpoint.region,
            queue="ec2",
            is_fargate=False,
            job_role=self.role,
            execution_role=None,
            image=image,
            log_group="/aws/batch/job",
            share=None,
            bucket=BUCKET,
            folder="engines/",
            endpoint_url=self.endpoint.endpoint,
        )

    def put(self, key: str, text: str) -> None:
        """An object of the bucket."""
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=text.encode())

    def text(self, key: str) -> str:
        """An object's content."""
        content: bytes = self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return content.decode()

    def keys(self, prefix: str) -> set[str]:
        """The names of the objects under a prefix, without it."""
        listed = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", ())
        return {entry["Key"].removeprefix(prefix) for entry in listed}

    def jobs(self, queue: str, name: str) -> list[dict[str, Any]]:
        """The jobs of a queue whose name begins so, in full, oldest first; an array is one."""
        named = {"name": "JOB_NAME", "values": [f"{name}*"]}
        listed = self.batch.list_jobs(jobQueue=queue, filters=[named])["jobSummaryList"]
        if not listed:
            return []
        described: list[dict[str, Any]] = self.batch.describe_jobs(jobs=[job["jobId"] for job in listed])["jobs"]
        return sorted(described, key=lambda job: job["createdAt"])

    def wait_for(self, queue: str, name: str, status: str) -> dict[str, Any]:
        """The one job whose name begins so, once it is in this state."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (jobs := self.jobs(queue, name)) or jobs[0]["status"] != status:
            assert time.monotonic() < deadline, f"still {jobs}"
            time.sleep(0.1)
        (job,) = jobs
        return job

    def engine_image(self, engine: str, commands: Mapping[str, VirtualEnvironment]) -> str:
        """The reference of `images/<engine>`, with these commands out of virtual environments.

        The process executor does not execute RUN: commands that stand in for what it would have installed are put
        beside the Dockerfile, in a copy of the folder.
        """
        folder = self.images / engine
        shutil.copytree(HERE / "images" / engine, folder, dirs_exist_ok=True)
        shutil.copy(requirements(engine), folder / "requirements.txt")
        (folder / "bin").mkdir(exist_ok=True)
        for name, environment in commands.items():
            command = folder / "bin" / name
            command.write_text(f'#!/bin/sh\nexec "{environment.programs / name}" "$@"\n', encoding="utf-8")
            command.chmod(0o755)
        return f"{engine}:{image_tag(folder)}"


@dataclass(frozen=True)
class Shell:
    """A user's shell: one client's commands, a directory, and of AWS only what `hpc local env` prints."""

    cloud: Cloud
    client: VirtualEnvironment
    directory: Path
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """All that its commands see."""
        return {
            "PATH": f"{self.client.programs}{os.pathsep}{os.defpath}",
            "HOME": str(self.directory),
            "USER": "someone",
            "LANG": "C.UTF-8",
            **control.environment(self.cloud.endpoint),
            **self.extra,
        }

    def run(self, *command: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """The command's output; it must end with this exit code."""
        done = subprocess.run(
            [str(self.client.programs / command[0]), *command[1:]],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_SECONDS,
            check=False,
        )
        assert done.returncode == code, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def start(self, *command: str) -> subprocess.Popen[str]:
        """The command in the background; its output is read when it is awaited."""
        return subprocess.Popen(
            [str(self.client.programs / command[0]), *command[1:]],
            cwd=self.directory,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


def deploy(endpoint: control.Endpoint, images: Path) -> Cloud:
    """A bucket, a role for jobs, a Fargate queue `fargate` and an EC2 queue `ec2`."""
    batch, s3, iam = clients(endpoint, "batch", "s3", "iam")
    s3.create_bucket(Bucket=BUCKET)
    trust = {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName="job", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))["Role"]["Arn"]
    network = {"subnets": ["subnet-1"], "securityGroupIds": ["sg-1"], "maxvCpus": 16}
    machines = {"instanceTypes": ["m6i.xlarge"], "instanceRole": f"{role}/nodes", "minvCpus": 0}
    for name, more in (("fargate", {"type": "FARGATE"}), ("ec2", {"type": "EC2", **machines})):
        batch.create_compute_environment(
            computeEnvironmentName=name, type="MANAGED", computeResources={**network, **more}
        )
        batch.create_job_queue(jobQueueName=name, priority=1, computeEnvironmentOrder=order([name]))
    return Cloud(endpoint, images, batch, s3, role)
