"""Jobs of a local cloud whose executor is `container`: as its users see them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from image_tags import image_tag
from local_batch import control
from local_batch.executors.marker import directory_token
from local_batch.host.state_directory import Endpoint
from tests.container_engine import TestEngine, needs_engine
from tests.local_batch.host.conftest import client_for
from tests.local_batch.host.job_runner import JobRunner
from tests.local_batch.host.test_persistence import TRUST

IMAGES = {
    "run": 'ENTRYPOINT ["python", "-c"]\n',
    "broken": "RUN echo nothing to do >&2 && exit 4\n",
}

PRINT_SURROUNDINGS = """
import json, os, urllib.request
with open("/proc/1/comm") as first:
    print(first.read().strip(), os.getpid())
print(os.environ["AWS_BATCH_JOB_ID"], os.environ["AWS_BATCH_JOB_ATTEMPT"])
with urllib.request.urlopen(os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"]) as answer:
    print(sorted(json.load(answer)))
"""


@dataclass
class ContainerCloud:
    """A local cloud that runs containers, and the images it knows."""

    state: Path
    images: Path
    engine: TestEngine

    def start(self) -> Endpoint:
        """Start it."""
        return control.start(
            self.state,
            images=[self.images],
            executor="container",
            base_image=self.engine.base_image,
            vcpus=4,
            memory_mib=8192,
        )

    def jobs(self, endpoint: Endpoint, image: str = "run") -> JobRunner:
        """A queue of its own for jobs of this image."""
        return JobRunner(
            partial(client_for, endpoint), f"{self.engine.registry}/{image}:{image_tag(self.images / image)}"
        )

    def killed_in_the_middle(self) -> tuple[JobRunner, str]:
        """Start it, and kill it as soon as a job runs that would take ten minutes; the job."""
        endpoint = self.start()
        jobs = self.jobs(endpoint)
        job_id = jobs.submit("import time; time.sleep(600)")
        while jobs.describe(job_id)["status"] != "RUNNING":
            assert jobs.describe(job_id)["status"] not in {"FAILED", "SUCCEEDED"}
        os.kill(endpoint.pid, signal.SIGKILL)
        os.waitpid(endpoint.pid, 0)
        assert len(self.containers()) == 1
        return jobs, job_id

    def containers(self) -> list[str]:
        """Names of its containers, running or not."""
        label = f"local-batch.state={directory_token(self.state)}"
        query = {"all": "1", "filters": json.dumps({"label": [label]})}
        found = asyncio.run(self.engine.api.call("GET", "/containers/json", query=query))
        return [name for container in found for name in container["Names"]]


@pytest.fixture
def cloud(state: Path, tmp_path: Path, container_engine: TestEngine, monkeypatch: pytest.MonkeyPatch) -> ContainerCloud:
    """One that is not started yet."""
    for name, instructions in IMAGES.items():
        folder = tmp_path / "images" / name
        folder.mkdir(parents=True)
        (folder / "Dockerfile").write_text(f"ARG BASE_IMAGE=python\nFROM ${{BASE_IMAGE}}\n{instructions}")
    monkeypatch.setenv("DOCKER_HOST", container_engine.environment["DOCKER_HOST"])
    return ContainerCloud(state, tmp_path / "images", container_engine)


@needs_engine
def test_jobs_run_in_containers_and_reach_what_the_platform_gives_them(cloud: ContainerCloud) -> None:
    """Variables, credentials, logs; and nothing is left in the engine."""
    endpoint = cloud.start()
    jobs = cloud.jobs(endpoint)
    role = client_for(endpoint, "iam").create_role(RoleName="job", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    job = jobs.finished(jobs.submit(PRINT_SURROUNDINGS, jobRoleArn=role))
    lines = jobs.lines(job)
    assert job["status"] == "SUCCEEDED", lines
    assert lines == [
        "python 1",
        f"{job['jobId']} 1",
        "['AccessKeyId', 'Expiration', 'RoleArn', 'SecretAccessKey', 'Token']",
    ]
    assert cloud.containers() == []


@needs_engine
def test_an_image_that_cannot_be_built_fails_the_job_with_the_end_of_the_build(cloud: ContainerCloud) -> None:
    """As a container that cannot be started does on AWS."""
    jobs = cloud.jobs(cloud.start(), "broken")
    job = jobs.finished(jobs.submit("pass"))
    assert (job["status"], job["statusReason"]) == ("FAILED", "Task failed to start")
    reason = job["container"]["reason"]
    assert reason.startswith("CannotCreateContainerError: ")
    assert "nothing to do" in reason


@needs_engine
def test_a_job_ends_as_lost_with_the_server_that_was_killed(cloud: ContainerCloud) -> None:
    """Its container is ended before the next server answers."""
    jobs, job_id = cloud.killed_in_the_middle()
    cloud.start()
    assert cloud.containers() == []
    job = jobs.finished(job_id)
    assert (job["status"], job["statusReason"][:8]) == ("FAILED", "Host EC2")


@needs_engine
def test_deleting_the_state_of_a_killed_server_ends_its_containers(cloud: ContainerCloud) -> None:
    """Nobody could find them any more."""
    cloud.killed_in_the_middle()
    assert control.delete(cloud.state) is True
    assert cloud.containers() == []
    assert not cloud.state.exists()


def test_without_an_engine_the_server_does_not_start(tmp_path: Path) -> None:
    """Exit code 2 and one sentence."""
    done = subprocess.run(
        [sys.executable, "-m", "local_batch", "serve", "--state", str(tmp_path / "state"), "--executor", "container"],
        env={**os.environ, "DOCKER_HOST": "unix:///absent/socket"},
        cwd=Path(__file__).resolve().parents[3],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == (
        "error: DOCKER_HOST: an engine answers there, got nothing at 'unix:///absent/socket'; start it or unset it\n"
    )
