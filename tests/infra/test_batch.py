"""Compute environments, queues and job definitions: what runs where, in which order, how often and for how long."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import deployment_outputs
from batch_limits import MAX_EVALUATE_ON_EXIT, MIN_TIMEOUT_SECONDS, explain_fargate_size
from image_tags import image_tag
from tests.infra.synthesised import CHECKOUT, Template, flat

SIZES = {
    "dopi": ("1", "2048", 600),
    "dopisecond": ("1", "2048", 600),
    "fieldstats": ("1", "2048", 600),
    "standin": ("0.25", "512", 600),
    "barrier": ("0.25", "512", 60),
}
"""vCPUs, MiB and the longest run in seconds of every job of one container."""

JOBS = tuple(SIZES)
PROGRAMS = tuple(job for job in JOBS if job != "barrier")


def queue(batch: Template, name: str) -> dict[str, Any]:
    """The queue that users call `name`."""
    properties: dict[str, Any] = batch.properties("AWS::Batch::JobQueue", f"Queue{name.capitalize()}/Queue")
    return properties


def definition(batch: Template, name: str) -> dict[str, Any]:
    """The job definition that users call `name`."""
    properties: dict[str, Any] = batch.properties("AWS::Batch::JobDefinition", f"Job{name.capitalize()}/Definition")
    return properties


def environments(batch: Template, name: str) -> list[str]:
    """Logical ids of a queue's compute environments, first choice first."""
    ordered = sorted(queue(batch, name)["ComputeEnvironmentOrder"], key=lambda entry: entry["Order"])
    return [entry["ComputeEnvironment"]["Fn::GetAtt"][0] for entry in ordered]


def environment_type(batch: Template, logical_id: str) -> str:
    """FARGATE or EC2."""
    kind: str = batch.resources("AWS::Batch::ComputeEnvironment")[logical_id]["Properties"]["ComputeResources"]["Type"]
    return kind


def test_high_wins_over_normal_on_the_environment_they_share(batch: Template) -> None:
    """Both wait for the same Fargate environment, so that their priorities decide between them."""
    assert environments(batch, "high") == environments(batch, "normal")
    assert [environment_type(batch, logical_id) for logical_id in environments(batch, "high")] == ["FARGATE"]
    assert queue(batch, "high")["Priority"] > queue(batch, "normal")["Priority"]


def test_ec2_has_an_environment_for_itself(batch: Template) -> None:
    """A queue cannot mix Fargate and EC2, so EC2 has its own."""
    assert [environment_type(batch, logical_id) for logical_id in environments(batch, "ec2")] == ["EC2"]


def test_every_queue_and_environment_is_open_for_work(batch: Template) -> None:
    """There are four queues over three environments, all enabled, each environment managed by Batch."""
    queues = [body["Properties"] for body in batch.resources("AWS::Batch::JobQueue").values()]
    computes = [body["Properties"] for body in batch.resources("AWS::Batch::ComputeEnvironment").values()]
    assert [entry["State"] for entry in queues] == ["ENABLED"] * 4
    assert [(entry["State"], entry["Type"].upper()) for entry in computes] == [("ENABLED", "MANAGED")] * 3


def test_jobs_run_in_the_subnets_behind_the_closed_security_group(batch: Template) -> None:
    """Environments but MPI's use the network stack's two public subnets and its one security group."""
    for path in ("Fargate/Environment", "Ec2/Environment"):
        compute = batch.properties("AWS::Batch::ComputeEnvironment", path)["ComputeResources"]
        assert len(compute["Subnets"]) == 2
        assert all("PublicSubnet" in flat(subnet) for subnet in compute["Subnets"])
        (group,) = compute["SecurityGroupIds"]
        assert "JobSecurityGroup" in flat(group)


def test_ec2_starts_small_named_instances_and_none_while_idle(batch: Template) -> None:
    """No family and no "optimal": only types of the settings, from 0 vCPUs, on Amazon Linux 2023."""
    compute = batch.properties("AWS::Batch::ComputeEnvironment", "Ec2/Environment")["ComputeResources"]
    assert compute["MinvCpus"] == 0
    assert "DesiredvCpus" not in compute
    assert compute["AllocationStrategy"] == "BEST_FIT_PROGRESSIVE"
    assert compute["Ec2Configuration"] == [{"ImageType": "ECS_AL2023"}]
    assert compute["InstanceTypes"]
    assert all(re.fullmatch(r"(c6i|m6i)\.(4x|2x|x|)large", name) for name in compute["InstanceTypes"])


def test_an_update_waits_for_jobs_and_takes_the_new_launch_template(batch: Template) -> None:
    """Instances are replaced when their jobs have ended, in place, and from the version that was just deployed."""
    environment = batch.properties("AWS::Batch::ComputeEnvironment", "Ec2/Environment")
    assert environment["ReplaceComputeEnvironment"] is False
    assert environment["UpdatePolicy"] == {"JobExecutionTimeoutMinutes": 360, "TerminateJobsOnUpdate": False}
    template = environment["ComputeResources"]["LaunchTemplate"]
    assert template["Version"] == {"Fn::GetAtt": [template["LaunchTemplateId"]["Ref"], "LatestVersionNumber"]}


def test_an_instance_is_encrypted_and_keeps_its_credentials_to_itself(batch: Template) -> None:
    """IMDSv2 only, out of a container's reach; the root volume is encrypted gp3 and goes with the instance."""
    data = batch.properties("AWS::EC2::LaunchTemplate", "Ec2/LaunchTemplate")["LaunchTemplateData"]
    assert data["MetadataOptions"] == {"HttpPutResponseHopLimit": 1, "HttpTokens": "required"}
    (volume,) = data["BlockDeviceMappings"]
    assert volume["Ebs"] == {"DeleteOnTermination": True, "Encrypted": True, "VolumeSize": 50, "VolumeType": "gp3"}


@pytest.mark.parametrize("job", JOBS)
def test_a_definition_asks_fargate_for_a_size_that_it_runs(batch: Template, job: str) -> None:
    """Its own, a legal pair, on x86 Linux, with the public address that is its way out."""
    properties = definition(batch, job)
    needs = {need["Type"]: need["Value"] for need in properties["ContainerProperties"]["ResourceRequirements"]}
    vcpus, memory_mib, _ = SIZES[job]
    assert needs == {"VCPU": vcpus, "MEMORY": memory_mib}
    assert explain_fargate_size(float(vcpus), int(memory_mib)) is None
    assert properties["PlatformCapabilities"] == ["FARGATE"]
    assert properties["ContainerProperties"]["NetworkConfiguration"] == {"AssignPublicIp": "ENABLED"}
    assert properties["ContainerProperties"]["RuntimePlatform"] == {
        "CpuArchitecture": "X86_64",
        "OperatingSystemFamily": "LINUX",
    }


@pytest.mark.parametrize("job", JOBS)
def test_faults_of_the_cloud_are_retried_and_failures_of_the_program_are_not(batch: Template, job: str) -> None:
    """Three attempts; rules in order, the last one ending what no other retries; every pattern is one Batch takes."""
    strategy = definition(batch, job)["RetryStrategy"]
    assert strategy["Attempts"] == 3
    rules = strategy["EvaluateOnExit"]
    assert [rule["Action"] for rule in rules] == ["RETRY", "RETRY", "RETRY", "RETRY", "EXIT"]
    assert rules[-1] == {"Action": "EXIT", "OnReason": "*"}
    assert len(rules) <= MAX_EVALUATE_ON_EXIT
    for rule in rules:
        for pattern in (rule.get("OnStatusReason"), rule.get("OnReason")):
            assert pattern is None or re.fullmatch(r"[A-Za-z0-9.:\s]*\*?", pattern)


@pytest.mark.parametrize(
    ("reason", "field", "action"),
    [
        ("Host EC2 (instance i-0abc) terminated.", "OnStatusReason", "RETRY"),
        ("Your Spot Task was interrupted.", "OnStatusReason", "RETRY"),
        ("Task failed to start", "OnStatusReason", "RETRY"),
        ("CannotPullContainerError: pull access denied", "OnReason", "RETRY"),
        ("OutOfMemoryError: Container killed due to memory usage", "OnReason", "EXIT"),
        ("", "OnReason", "EXIT"),
    ],
)
def test_the_first_rule_that_matches_decides(batch: Template, reason: str, field: str, action: str) -> None:
    """AWS's own texts meet the rule that is meant for them."""
    for rule in definition(batch, "dopi")["RetryStrategy"]["EvaluateOnExit"]:
        if field in rule and re.fullmatch(re.escape(rule[field]).replace(r"\*", ".*"), reason):
            assert rule["Action"] == action
            return
    pytest.fail(f"no rule matches {reason!r}, so Batch would retry it")


@pytest.mark.parametrize("job", JOBS)
def test_an_attempt_ends_after_a_while(batch: Template, job: str) -> None:
    """A program that hangs costs ten minutes, a barrier one."""
    assert definition(batch, job)["Timeout"] == {"AttemptDurationSeconds": SIZES[job][2]}
    assert definition(batch, job)["Timeout"]["AttemptDurationSeconds"] >= MIN_TIMEOUT_SECONDS


@pytest.mark.parametrize("job", JOBS)
def test_a_job_logs_to_the_one_group_under_its_own_name(batch: Template, job: str) -> None:
    """Streams are `<name>/default/<task id>` in a log group that expires."""
    log_group = batch.document["Outputs"]["LogGroupName"]["Value"]["Ref"]
    assert batch.resources("AWS::Logs::LogGroup")[log_group]["Properties"]["RetentionInDays"] == 30
    assert definition(batch, job)["ContainerProperties"]["LogConfiguration"] == {
        "LogDriver": "awslogs",
        "Options": {
            "awslogs-group": {"Ref": log_group},
            "awslogs-region": {"Ref": "AWS::Region"},
            "awslogs-stream-prefix": job,
        },
    }


@pytest.mark.parametrize("job", JOBS)
def test_a_definition_names_the_image_made_from_its_folder(batch: Template, job: str) -> None:
    """The tag is the folder's content hash, the repository is the job's own, and the output says the same."""
    image = definition(batch, job)["ContainerProperties"]["Image"]
    tag = image_tag(CHECKOUT / "containers" / job)
    assert f"Image{job.capitalize()}Repository" in flat(image)
    assert image["Fn::Join"][1][-1] == f":{tag}"
    assert batch.document["Outputs"][deployment_outputs.IMAGE_URIS[job]]["Value"] == image


@pytest.mark.parametrize("job", PROGRAMS)
def test_a_job_is_told_where_results_go_and_no_secret(batch: Template, job: str) -> None:
    """The environment holds the bucket, the prefix, that the image has the launcher, and nothing else."""
    environment = {
        entry["Name"]: entry["Value"] for entry in definition(batch, job)["ContainerProperties"]["Environment"]
    }
    assert sorted(environment) == ["HPC_LAUNCHER", "RESULTS_BUCKET", "RESULTS_PREFIX"]
    assert environment["HPC_LAUNCHER"] == "1"
    assert environment["RESULTS_PREFIX"] == "results/"
    assert environment["RESULTS_BUCKET"] == batch.document["Outputs"]["BucketName"]["Value"]


def test_a_barrier_is_told_nothing(batch: Template) -> None:
    """It only waits for others, so that no variable and no command is for it."""
    container = definition(batch, "barrier")["ContainerProperties"]
    assert container.get("Environment", []) == []
    assert "Command" not in container


def test_the_outputs_are_the_interface_and_nothing_else(batch: Template) -> None:
    """What the runner reads and what the entry stack writes are the same set of keys."""
    assert set(batch.document["Outputs"]) == deployment_outputs.all_keys()


def test_outputs_point_at_what_they_name(batch: Template) -> None:
    """Each queue's and definition's key holds the ARN of the resource of that name."""
    outputs = batch.document["Outputs"]
    for name, key in deployment_outputs.JOB_QUEUES.items():
        wanted = "MpiQueue" if name == "mpi" else f"Queue{name.capitalize()}Queue"
        assert wanted in flat(outputs[key]["Value"])
    for name, key in deployment_outputs.JOB_DEFINITIONS.items():
        (logical_id,) = [
            logical_id
            for logical_id, body in batch.resources("AWS::Batch::JobDefinition").items()
            if body["Metadata"]["aws:cdk:path"].endswith(
                (f"/Job{name.capitalize()}/Definition/Resource", f"/{name.capitalize()}/Job/Definition/Resource")
            )
        ]
        assert outputs[key]["Value"] == {"Ref": logical_id}


def test_every_image_has_a_folder() -> None:
    """The images of the outputs are folders with a Dockerfile."""
    folders = {path.parent.name for path in Path(CHECKOUT / "containers").glob("*/Dockerfile")}
    assert set(deployment_outputs.IMAGE_URIS) <= folders
