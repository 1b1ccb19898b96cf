"""The real cdk command deploys the real stacks to the local cloud."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import deployment_outputs
from local_batch import control
from local_batch.host.state_directory import Endpoint
from tests.local_batch.host.conftest import IMAGES, client_for

ROOT = IMAGES.parent
BOOTSTRAP = ("bootstrap", "aws://123456789012/us-east-1")

pytestmark = pytest.mark.xdist_group("cdk")


@dataclass
class Deployment:
    """A local cloud and the assemblies to deploy to it."""

    state: Path
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
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A bootstrapped local cloud; the app as assembly `first`, and `second` with other settings in its templates."""
    folder = tmp_path_factory.mktemp("cdk")
    made = Deployment(folder / "state", control.start(folder / "state", images=[IMAGES]), folder)
    made.cdk(*BOOTSTRAP)
    made.cdk("synth", "--quiet", "--output", str(folder / "first"), where=ROOT)
    yield made
    control.stop(made.state)


def test_bootstrapping_again_changes_nothing_even_after_a_kill(deployment: Deployment) -> None:
    """The toolkit stack, its bucket, roles and parameter are all still there."""
    os.kill(deployment.endpoint.pid, signal.SIGKILL)
    os.waitpid(deployment.endpoint.pid, 0)
    deployment.endpoint = control.start(deployment.state, images=[IMAGES])
    assert "no changes" in deployment.cdk(*BOOTSTRAP)


def test_deploy_update_and_destroy(deployment: Deployment) -> None:
    """All outputs are there, an update changes what the template changed, and nothing is left in the end."""
    outputs = deployment.deploy("first")
    assert outputs.keys() == deployment_outputs.all_keys()
    batch = client_for(deployment.endpoint, "batch")
    queues = [outputs[key] for key in deployment_outputs.JOB_QUEUES.values()]
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
