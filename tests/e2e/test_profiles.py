"""Profiles, deployed, changed and taken down by the real cdk command, each beside the default deployment."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import deployment_outputs
from runner import deployment
from runner.aws import AwsClients, connect
from runner.target import Target
from tests.e2e.conftest import Shell
from tests.e2e.test_job_events import cdk
from tests.infra.synthesised import RICH, app_with

NAME = "Trial"
STACKS = ("Network", "Storage", "Batch")
SECONDS = 60

STAYS = {
    "AWS::Batch::ComputeEnvironment",
    "AWS::Batch::JobQueue",
    "AWS::EC2::VPC",
    "AWS::ECR::Repository",
    "AWS::EFS::FileSystem",
    "AWS::FSx::FileSystem",
    "AWS::KMS::Key",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::SecretsManager::Secret",
}
"""What holds work, or what jobs wait for: an update of settings keeps each as it is."""

CHANGE = "job_timeout_seconds=1234, fargate_max_vcpus=64, ec2_max_vcpus=64, job_log_retention_days=60, images_kept=3"


def synthesised(shell: Shell, folder: Path, settings: str) -> str:
    """The folder of an assembly with these settings."""
    folder.mkdir()
    script = folder / "profile_app.py"
    script.write_text(app_with(settings), encoding="utf-8")
    assembly = str(folder / "cdk.out")
    app = f"{sys.executable} {script}"
    cdk(shell, "synth", "--quiet", "--output", assembly, "--app", app, "--context", f"deployment={NAME}")
    return assembly


def resources(clients: AwsClients) -> dict[str, tuple[str, str]]:
    """Type and physical id of everything in the deployment's stacks, by stack and logical id."""
    found = {}
    for stack in STACKS:
        described: Any = clients.cloudformation
        for resource in described.describe_stack_resources(StackName=f"{NAME}-{stack}")["StackResources"]:
            key = f"{stack}/{resource['LogicalResourceId']}"
            found[key] = (resource["ResourceType"], resource["PhysicalResourceId"])
    return found


def retained(assembly: str) -> set[str]:
    """Stack and logical id of what the templates keep."""
    return {
        f"{stack}/{name}"
        for stack in STACKS
        for name, body in _resources_of(Path(assembly) / f"{NAME}-{stack}.template.json").items()
        if body.get("DeletionPolicy") in {"Retain", "RetainExceptOnCreate"}
    }


def _resources_of(template: Path) -> Mapping[str, Mapping[str, Any]]:
    document: dict[str, dict[str, dict[str, Any]]] = json.loads(template.read_text(encoding="utf-8"))
    return document["Resources"]


def run_a_job(clients: AwsClients, where: deployment.Deployment) -> None:
    """A job of the deployment succeeds."""
    job = clients.batch.submit_job(
        jobName="trial", jobQueue=where.job_queue("high"), jobDefinition=where.job_definition("barrier")
    )
    deadline = time.monotonic() + SECONDS
    while (status := clients.batch.describe_jobs(jobs=[job["jobId"]])["jobs"][0]["status"]) != "SUCCEEDED":
        assert status != "FAILED"
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ("Settings()", {"AWS::S3::Bucket"}),
        ("PRIVATE", {"AWS::S3::Bucket"}),
        (
            "PRODUCTION",
            {
                "AWS::S3::Bucket",
                "AWS::EFS::FileSystem",
                "AWS::ECR::Repository",
                "AWS::KMS::Key",
                "AWS::Logs::LogGroup",
            },
        ),
        (RICH, {"AWS::S3::Bucket", "AWS::EFS::FileSystem", "AWS::KMS::Key"}),
    ],
    ids=["default", "private", "production", "rich"],
)
def test_a_profile_is_deployed_changed_and_taken_down(
    shell: Shell, tmp_path: Path, settings: str, kept: set[str]
) -> None:
    """Jobs run; new settings replace nothing that holds work; what is left in the end is what the settings retain.

    The default deployment in the same account and region is as it was.
    """
    first = synthesised(shell, tmp_path / "first", settings)
    cdk(shell, "deploy", "--all", "--app", first, "--require-approval", "never")
    clients = connect(Target(local=True), shell.home / "local")
    other = deployment.read(clients.cloudformation, deployment_outputs.DEFAULT_DEPLOYMENT, is_local=True)
    where = deployment.read(clients.cloudformation, NAME, is_local=True)
    assert set(where.job_queues.values()).isdisjoint(other.job_queues.values())
    run_a_job(clients, where)
    before = resources(clients)

    second = synthesised(shell, tmp_path / "second", f"dataclasses.replace({settings}, {CHANGE})")
    cdk(shell, "deploy", "--all", "--app", second, "--require-approval", "never")
    after = resources(clients)
    assert {key: found for key, found in after.items() if found[0] in STAYS} == {
        key: found for key, found in before.items() if found[0] in STAYS
    }
    (definition,) = clients.batch.describe_job_definitions(
        jobDefinitions=[deployment.read(clients.cloudformation, NAME, is_local=True).job_definition("dopi")]
    )["jobDefinitions"]
    assert (definition["revision"], definition["timeout"]) == (2, {"attemptDurationSeconds": 1234})
    run_a_job(clients, where)

    stays = retained(second)
    assert {after[key][0] for key in stays} == kept
    cdk(shell, "destroy", "--all", "--force", "--app", second)
    names = {stack["StackName"] for stack in _all_stacks(clients)}
    assert not [name for name in names if name.startswith(f"{NAME}-")]
    buckets = {bucket["Name"] for bucket in _s3(clients).list_buckets()["Buckets"]}
    mine = {physical for kind, physical in after.values() if kind == "AWS::S3::Bucket"}
    assert mine <= buckets
    assert deployment.read(clients.cloudformation, deployment_outputs.DEFAULT_DEPLOYMENT, is_local=True) == other
    run_a_job(clients, other)


def _all_stacks(clients: AwsClients) -> list[dict[str, Any]]:
    cloudformation: Any = clients.cloudformation
    stacks: list[dict[str, Any]] = cloudformation.describe_stacks()["Stacks"]
    return stacks


def _s3(clients: AwsClients) -> Any:
    return clients.s3
