"""The real cdk command deploys the real stacks to the local cloud."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import deployment_outputs
from local_batch import control
from local_batch.host.state_directory import Endpoint
from tests.local_batch.host.conftest import IMAGES, client_for

ROOT = IMAGES.parent
JOBS_APP = Path(__file__).parent / "cdk_app" / "app.py"
BOOTSTRAP = ("bootstrap", "aws://123456789012/us-east-1")

pytestmark = pytest.mark.xdist_group("cdk")


@dataclass
class Deployment:
    """A local cloud and the assemblies to deploy to it."""

    state: Path
    images: list[Path]
    endpoint: Endpoint
    folder: Path

    def cdk(self, *arguments: str, where: Path | None = None) -> str:
        """Run cdk against the local cloud; everything it said."""
        environment = {**control.client_environment(self.endpoint), "CI": "true"}
        environment["PATH"] = (
            f"{ROOT / '.venv/bin'}{os.pathsep}{ROOT / 'node_modules/.bin'}{os.pathsep}{os.environ['PATH']}"
        )
        done = subprocess.run(
            ["cdk", *arguments, "--ci"],
            cwd=where or self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def deploy(self, assembly: str) -> dict[str, str]:
        """Deploy all stacks; the outputs of the entry stack."""
        self.cdk("deploy", "--all", "--require-approval", "never", "--app", assembly, "--outputs-file", "outputs.json")
        outputs = json.loads((self.folder / "outputs.json").read_text(encoding="utf-8"))
        return dict(outputs[deployment_outputs.entry_stack_name(deployment_outputs.DEFAULT_DEPLOYMENT)])


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory, test_images: Path) -> Iterator[Deployment]:
    """A bootstrapped local cloud; the app as assembly `first`, and `second` with other settings in its templates."""
    folder, images = tmp_path_factory.mktemp("cdk"), [IMAGES, test_images]
    made = Deployment(folder / "state", images, control.start(folder / "state", images=images), folder)
    made.cdk(*BOOTSTRAP)
    made.cdk("synth", "--quiet", "--output", str(folder / "first"), where=ROOT)
    yield made
    control.stop(made.state)


def test_bootstrapping_again_changes_nothing_even_after_a_kill(deployment: Deployment) -> None:
    """The toolkit stack, its bucket, roles and parameter are all still there."""
    os.kill(deployment.endpoint.pid, signal.SIGKILL)
    os.waitpid(deployment.endpoint.pid, 0)
    deployment.endpoint = control.start(deployment.state, images=deployment.images)
    assert "no changes" in deployment.cdk(*BOOTSTRAP)


def test_deploy_update_and_destroy(deployment: Deployment) -> None:
    """All outputs are there, an update changes what the template changed, and nothing is left in the end."""
    outputs = deployment.deploy("first")
    assert outputs.keys() == deployment_outputs.all_keys()
    batch = client_for(deployment.endpoint, "batch")
    told = [outputs[key] for key in deployment_outputs.JOB_QUEUES.values()]
    queues = [queue for queue in told if queue != deployment_outputs.NONE]
    assert len(queues) == len(told) - 1  # there is no queue for GPUs
    described = batch.describe_job_queues(jobQueues=queues)["jobQueues"]
    assert [(queue["state"], queue["status"]) for queue in described] == [("ENABLED", "VALID")] * len(queues)

    assert "no changes" in deployment.cdk("deploy", "--all", "--require-approval", "never", "--app", "first")

    change_template(deployment.folder / "first", deployment.folder / "second")
    updated = deployment.deploy("second")
    key = deployment_outputs.JOB_DEFINITIONS["dopi"]
    assert updated[key] == outputs[key].removesuffix(":1") + ":2"
    assert {name: value for name, value in updated.items() if name != key} == {
        name: value for name, value in outputs.items() if name != key
    }
    (definition,) = batch.describe_job_definitions(jobDefinitions=[updated[key]])["jobDefinitions"]
    assert definition["timeout"] == {"attemptDurationSeconds": 1234}

    deployment.cdk("destroy", "--all", "--force", "--app", "second")
    assert batch.describe_job_queues()["jobQueues"] == []
    assert batch.describe_compute_environments()["computeEnvironments"] == []
    stacks = client_for(deployment.endpoint, "cloudformation").describe_stacks()["Stacks"]
    assert {stack["StackName"] for stack in stacks} == {"CDKToolkit"}


def test_cdks_constructs_for_batch_deploy_and_their_jobs_run(deployment: Deployment, run_image: str) -> None:
    """A queue with shares and time limits, secrets, devices, a file system, closed node ranges: as the L2s write them.

    An array of jobs and three nodes run, and all of it goes again.
    """
    source = ("--app", f"python {JOBS_APP}", "--context", f"image={run_image}")
    deployment.cdk("synth", "--quiet", "--output", "jobs", *source)
    deployment.cdk("deploy", "--all", "--app", "jobs", "--require-approval", "never", "--outputs-file", "jobs.json")
    outputs = json.loads((deployment.folder / "jobs.json").read_text(encoding="utf-8"))["Jobs"]
    batch, logs = (client_for(deployment.endpoint, service) for service in ("batch", "logs"))

    def run(definition: str, **more: Any) -> str:
        request = {"jobName": "j", "jobQueue": outputs["QueueArn"], "jobDefinition": outputs[definition], **more}
        job_id: str = batch.submit_job(shareIdentifier="team1", **request)["jobId"]
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            (job,) = batch.describe_jobs(jobs=[job_id])["jobs"]
            if job["status"] in ("SUCCEEDED", "FAILED"):
                break
            time.sleep(0.05)
        assert job["status"] == "SUCCEEDED", job
        return job_id

    def lines(job_id: str) -> list[str]:
        (job,) = batch.describe_jobs(jobs=[job_id])["jobs"]
        stream = job["container"]["logStreamName"]
        events = logs.get_log_events(logGroupName="/aws/batch/job", logStreamName=stream)["events"]
        return [event["message"] for event in events]

    array = run("JobArn", arrayProperties={"size": 3})
    assert [lines(f"{array}:{index}") for index in range(3)] == [[f"s3cret high {index}"] for index in range(3)]
    assert lines(f"{run('NodesArn')}#0") == ["0 main"]
    (mounted,) = batch.describe_job_definitions(jobDefinitions=[outputs["MountedArn"]])["jobDefinitions"]
    (device,) = mounted["containerProperties"]["linuxParameters"]["devices"]
    assert device["permissions"] == ["READ", "WRITE"]
    (volume,) = mounted["containerProperties"]["volumes"]
    assert volume["efsVolumeConfiguration"]["fileSystemId"].startswith("fs-")
    (queue,) = batch.describe_job_queues(jobQueues=[outputs["QueueArn"]])["jobQueues"]
    assert [action["maxTimeSeconds"] for action in queue["jobStateTimeLimitActions"]] == [600]
    (policy,) = batch.describe_scheduling_policies(arns=[queue["schedulingPolicyArn"]])["schedulingPolicies"]
    assert policy["fairsharePolicy"]["shareDistribution"] == [{"shareIdentifier": "team*", "weightFactor": 0.5}]

    deployment.cdk("destroy", "--all", "--force", "--app", "jobs")
    assert batch.describe_job_queues(jobQueues=[outputs["QueueArn"]])["jobQueues"] == []


def change_template(source: Path, target: Path) -> None:
    """Copy an assembly, with another timeout of dopi jobs and its template under a hash of its own."""
    target.mkdir()
    name = deployment_outputs.entry_stack_name(deployment_outputs.DEFAULT_DEPLOYMENT)
    template = json.loads((source / f"{name}.template.json").read_text(encoding="utf-8"))
    (definition,) = [
        resource
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Batch::JobDefinition" and logical_id.startswith("JobDopiDefinition")
    ]
    definition["Properties"]["Timeout"]["AttemptDurationSeconds"] = 1234
    assets = json.loads((source / f"{name}.assets.json").read_text(encoding="utf-8"))
    (old_hash,) = [key for key, asset in assets["files"].items() if asset["source"]["path"] == f"{name}.template.json"]
    for path in source.iterdir():
        if path.is_file():
            text = path.read_text(encoding="utf-8").replace(old_hash, "0" * len(old_hash))
            (target / path.name).write_text(text, encoding="utf-8")
    (target / f"{name}.template.json").write_text(json.dumps(template), encoding="utf-8")
