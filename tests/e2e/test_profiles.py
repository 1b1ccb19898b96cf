"""Profiles, deployed, changed and taken down by the real cdk command, each beside the default deployment."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

import deployment_outputs
from local_batch import control
from runner import deployment
from runner.aws import AwsClients, connect
from runner.cdk_app import CdkApp, CdkError
from runner.deploying import deploy_in_order
from runner.stack_remains import stack_remains
from runner.target import Target
from tests.e2e.conftest import Shell
from tests.e2e.test_job_events import cdk
from tests.infra.synthesised import BORROWED, RICH, app_with

NAME = "Trial"
STACKS = ("Network", "Storage", "Batch")
SECONDS = 60

SHARED = """\
name: shared
defaults: {job_definition: barrier}
tasks:
  first: {queue: normal}
  second: {queue: high, needs: [first]}
"""

STAYS = {
    "AWS::Batch::ComputeEnvironment",
    "AWS::Batch::JobQueue",
    "AWS::EC2::Instance",
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

CHANGE = (
    "job_timeout_seconds=1234, fargate_max_vcpus=64, ec2_max_vcpus=64, job_log_retention_days=60, images_kept=3, "
    "head_node_idle_minutes=90"
)


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
        for resource in clients.cloudformation.describe_stack_resources(StackName=f"{NAME}-{stack}")["StackResources"]:
            key = f"{stack}/{resource['LogicalResourceId']}"
            found[key] = (resource["ResourceType"], resource["PhysicalResourceId"])
    return found


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


def run_for_a_group(shell: Shell, folder: Path) -> None:
    """On a queue that shares fairly, a run names its group, and none goes without."""
    workflow = folder / "shared.yaml"
    workflow.write_text(SHARED, encoding="utf-8")
    options = (str(workflow), "--local", "--deployment", NAME)
    refused = shell.hpc("run", *options, code=2)
    assert refused.stderr.startswith("hpc: --share: names the group that jobs count for on queue 'normal', which ")
    run = shell.json("run", *options, "--share", "optics")
    assert {task["status"] for task in run["tasks"]} == {"SUCCEEDED"}


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
    assert (where.head_node is not None) == ("head_node_instance_type" in settings)
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
    if "share_weights" in settings:
        run_for_a_group(shell, tmp_path)

    told = stack_remains(clients.cloudformation, [f"{NAME}-{stack}" for stack in STACKS]).kept
    assert {resource.kind for resource in told} == kept
    assert {(resource.kind, resource.name) for resource in told} <= set(after.values())
    cdk(shell, "destroy", "--all", "--force", "--app", second)
    names = {stack["StackName"] for stack in clients.cloudformation.describe_stacks()["Stacks"]}
    assert not [name for name in names if name.startswith(f"{NAME}-")]
    buckets = {bucket["Name"] for bucket in clients.s3.list_buckets()["Buckets"]}
    assert {resource.name for resource in told if resource.kind == "AWS::S3::Bucket"} <= buckets
    assert stack_remains(clients.cloudformation, [f"{NAME}-{stack}" for stack in STACKS]).kept == ()
    assert deployment.read(clients.cloudformation, deployment_outputs.DEFAULT_DEPLOYMENT, is_local=True) == other
    run_a_job(clients, other)


ALL_ON = (
    "Settings(own_key=True, lustre_gib=1200, has_shared_file_system=True, head_node_instance_type='t3.small', "
    "prefix_grants={'dopi': PrefixGrant(read=('reference/',))}, push_job_events=True, alarm_email='lab@example.org', "
    "retain_results=False, zones=3)"
)
ALL_OFF = "Settings(has_image_builder=False, retain_results=False)"


def test_settings_can_be_turned_on_and_off(shell: Shell, tmp_path: Path) -> None:
    """What is taken away goes from the stack that uses it first, which cdk does not do by itself; then back again."""
    clients = connect(Target(local=True), shell.home / "local")
    running = control.status(shell.home / "local")
    assert running is not None
    with_all, without = (
        CdkApp(
            assembly=Path(synthesised(shell, tmp_path / name, settings)),
            environment=control.client_environment(running),
            context={},
            log=tmp_path / "cdk.log",
        )
        for name, settings in (("on", ALL_ON), ("off", ALL_OFF))
    )
    told: list[str] = []
    deploy_in_order(with_all, clients.cloudformation, told.append, confirm=False)
    assert [name.partition("-")[2] for name in told] == list(STACKS)
    run_a_job(clients, deployment.read(clients.cloudformation, NAME, is_local=True))
    with pytest.raises(CdkError, match="cannot be deleted as it is in use by"):
        without.deploy(lambda _: None, confirm=False)
    told.clear()
    deploy_in_order(without, clients.cloudformation, told.append, confirm=False)
    assert told[0] == f"{NAME}-Batch"
    where = deployment.read(clients.cloudformation, NAME, is_local=True)
    assert (where.head_node, where.job_events_queue_url, where.image_build_project) == (None, None, None)
    kinds = {kind for kind, _ in resources(clients).values()}
    assert kinds.isdisjoint({"AWS::EFS::FileSystem", "AWS::FSx::FileSystem", "AWS::KMS::Key", "AWS::EC2::Instance"})
    run_a_job(clients, where)
    deploy_in_order(with_all, clients.cloudformation, told.append, confirm=False)
    where = deployment.read(clients.cloudformation, NAME, is_local=True)
    run_a_job(clients, where)

    clients.s3.put_object(Bucket=where.bucket, Key="results/kept", Body=b"one")
    clients.s3.put_object(Bucket=where.bucket, Key="results/kept", Body=b"two")
    done = shell.json("destroy", "--local", "--deployment", NAME)
    assert [stack.partition("-")[2] for stack in done["stacks"]] == ["Batch", "Storage", "Network"]
    assert "AWS::S3::Bucket" not in {resource["kind"] for resource in done["kept"]}
    assert where.bucket not in {bucket["Name"] for bucket in clients.s3.list_buckets()["Buckets"]}


def test_a_change_that_cannot_be_made_is_refused_before_anything_is(shell: Shell) -> None:
    """Of a network that jobs are in; the deployment is as it was."""
    clients = connect(Target(local=True), shell.home / "local")
    options = ("--local", "--deployment", NAME)
    shell.hpc("deploy", *options)
    before = resources(clients)
    refused = shell.hpc("deploy", *options, "--settings", "private", code=2)
    assert f"\nhpc: {NAME}-Batch: can be changed in one go where it only gets what is new, " in refused.stderr
    assert "PublicSubnet1" in refused.stderr
    assert resources(clients) == before
    shell.hpc("destroy", *options)


def test_a_network_that_was_there_is_used_and_left_as_it_was(shell: Shell, tmp_path: Path) -> None:
    """Jobs run in its subnets, which have only a security group more while the deployment is there."""
    clients = connect(Target(local=True), shell.home / "local")
    vpc = clients.ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    zones = [zone["ZoneName"] for zone in clients.ec2.describe_availability_zones()["AvailabilityZones"]][:2]
    subnets = [
        clients.ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{number}.0/24", AvailabilityZone=zone)["Subnet"][
            "SubnetId"
        ]
        for number, zone in enumerate(zones)
    ]
    there = f"ExistingVpc(vpc_id={vpc!r}, availability_zones={tuple(zones)!r}, subnet_ids={tuple(subnets)!r})"
    assembly = synthesised(shell, tmp_path / "borrowed", f"dataclasses.replace({BORROWED}, existing_vpc={there})")
    cdk(shell, "deploy", "--all", "--app", assembly, "--require-approval", "never")
    where = deployment.read(clients.cloudformation, NAME, is_local=True)
    run_a_job(clients, where)
    environments = clients.batch.describe_compute_environments()["computeEnvironments"]
    used = {tuple(one["computeResources"]["subnets"]) for one in environments}
    assert tuple(subnets) in used
    assert groups(clients, vpc) > {"default"}
    cdk(shell, "destroy", "--all", "--force", "--app", assembly)
    assert groups(clients, vpc) == {"default"}
    assert clients.ec2.describe_subnets(SubnetIds=subnets)["Subnets"]


def groups(clients: AwsClients, vpc: str) -> set[str]:
    """Names of the VPC's security groups."""
    found = clients.ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["SecurityGroups"]
    return {group["GroupName"] for group in found}


def test_a_profile_is_chosen_by_name(shell: Shell) -> None:
    """`hpc deploy --settings` deploys it, `hpc destroy` says what it kept, and a wrong name is one clear error."""
    refused = shell.hpc("deploy", "--local", "--settings", "prod", code=2)
    assert refused.stderr == (
        "hpc: --settings: names a profile of settings.py, got 'prod'; use one of: default, private, production\n"
    )
    options = ("--local", "--deployment", NAME)
    assert "settings of profile production" in shell.hpc("deploy", *options, "--settings", "production").stderr
    again = shell.hpc("deploy", *options)
    assert "settings of profile production" in again.stderr
    credentials = shell.hpc("deploy", *options, "--profile", "production", code=2).stderr
    assert "leave it out, settings are chosen with --settings NAME" in credentials
    done = shell.json("destroy", *options)
    assert [stack.partition("-")[2] for stack in done["stacks"]] == ["Batch", "Storage", "Network"]
    gone = shell.hpc("destroy", *options, code=2).stderr
    assert gone.startswith(f"hpc: --deployment {NAME}: names a deployment that is there, got none of its stacks (")
    kinds = [resource["kind"] for resource in done["kept"]]
    assert kinds.count("AWS::ECR::Repository") == len(deployment_outputs.IMAGE_URIS)
    assert {"AWS::EFS::FileSystem", "AWS::KMS::Key", "AWS::Logs::LogGroup", "AWS::S3::Bucket"} <= set(kinds)
