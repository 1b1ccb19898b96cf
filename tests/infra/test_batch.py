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
    properties: dict[str, Any] = batch.properties(
        "AWS::Batch::JobDefinition", f"Job{name[0].upper()}{name[1:]}/Definition"
    )
    return properties


def environments(batch: Template, name: str) -> list[str]:
    """Logical ids of a queue's compute environments, first choice first."""
    ordered = sorted(queue(batch, name)["ComputeEnvironmentOrder"], key=lambda entry: entry["Order"])
    return [entry["ComputeEnvironment"]["Fn::GetAtt"][0] for entry in ordered]


def environment_types(batch: Template, name: str) -> list[str]:
    """FARGATE, FARGATE_SPOT, EC2 or SPOT, of a queue's environments in order."""
    return [environment_type(batch, logical_id) for logical_id in environments(batch, name)]


def environment_type(batch: Template, logical_id: str) -> str:
    """FARGATE, FARGATE_SPOT, EC2 or SPOT."""
    kind: str = batch.resources("AWS::Batch::ComputeEnvironment")[logical_id]["Properties"]["ComputeResources"]["Type"]
    return kind


def test_high_wins_over_normal_on_the_environment_they_share(batch: Template) -> None:
    """All three wait for the same Fargate environment, so that their priorities decide between them."""
    (fargate,) = environments(batch, "high")
    assert fargate in environments(batch, "normal")
    assert fargate in environments(batch, "low")
    priorities = [queue(batch, name)["Priority"] for name in ("high", "normal", "low")]
    assert priorities == sorted(set(priorities), reverse=True)


def test_queues_fall_back_in_order(batch: Template) -> None:
    """What is cheap and interrupted comes first in `low` and `spot`, last in `normal`, not in others."""
    assert {name: environment_types(batch, name) for name in ("high", "normal", "low", "ec2", "spot")} == {
        "high": ["FARGATE"],
        "normal": ["FARGATE", "FARGATE_SPOT"],
        "low": ["FARGATE_SPOT", "FARGATE"],
        "ec2": ["EC2"],
        "spot": ["SPOT", "EC2"],
    }


def test_spot_is_half_of_what_may_run(batch: Template) -> None:
    """The bounds of the settings hold for on-demand and Spot capacity together."""
    bounds = {
        body["Properties"]["ComputeResources"]["Type"]: body["Properties"]["ComputeResources"]["MaxvCpus"]
        for body in batch.resources("AWS::Batch::ComputeEnvironment").values()
        if "Mpi" not in body["Metadata"]["aws:cdk:path"]
    }
    assert bounds == {"FARGATE": 16, "FARGATE_SPOT": 16, "EC2": 16, "SPOT": 16}


def test_spot_instances_are_those_least_interrupted(batch: Template) -> None:
    """Of the same types as on demand, by capacity and price, at any price up to that on demand."""
    spot = batch.properties("AWS::Batch::ComputeEnvironment", "Ec2Spot/Environment")["ComputeResources"]
    assert spot["AllocationStrategy"] == "SPOT_PRICE_CAPACITY_OPTIMIZED"
    on_demand = batch.properties("AWS::Batch::ComputeEnvironment", "Capacity/Ec2/Environment")["ComputeResources"]
    assert spot["InstanceTypes"] == on_demand["InstanceTypes"]
    assert "BidPercentage" not in spot
    assert spot["MinvCpus"] == 0


def test_a_job_that_is_stuck_ends_with_a_reason(batch: Template) -> None:
    """Every queue cancels what can never start after ten minutes, and what AWS has no room for after a day.

    That instances cannot start as they are described is a reason on EC2 alone.
    """
    unsupported = {"MISCONFIGURATION:EC2_INSTANCE_CONFIGURATION_UNSUPPORTED": 600}
    for body in batch.resources("AWS::Batch::JobQueue").values():
        name = body["Metadata"]["aws:cdk:path"].split("/")[2]
        limits = {limit["Reason"]: limit for limit in body["Properties"]["JobStateTimeLimitActions"]}
        assert {reason: limit["MaxTimeSeconds"] for reason, limit in limits.items()} == {
            "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE": 600,
            "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT": 600,
            "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY": 86400,
            **({} if name in {"QueueHigh", "QueueNormal", "QueueLow"} else unsupported),
        }
        assert {(limit["State"], limit["Action"]) for limit in limits.values()} == {("RUNNABLE", "CANCEL")}


def test_tasks_carry_the_tags_that_the_budget_looks_for(batch: Template) -> None:
    """Each definition has the deployment's tag and hands it on: Fargate bills tasks, not jobs."""
    definitions = [body["Properties"] for body in batch.resources("AWS::Batch::JobDefinition").values()]
    assert len(definitions) == 10
    assert all(one["Tags"] == {"cloud-hpc:deployment": "CloudHpc"} for one in definitions)
    assert all(one["PropagateTags"] is True for one in definitions)


def test_every_queue_and_environment_is_open_for_work(batch: Template) -> None:
    """There are six queues over five environments, all enabled, each environment managed by Batch."""
    queues = [body["Properties"] for body in batch.resources("AWS::Batch::JobQueue").values()]
    computes = [body["Properties"] for body in batch.resources("AWS::Batch::ComputeEnvironment").values()]
    assert [entry["State"] for entry in queues] == ["ENABLED"] * 6
    assert [(entry["State"], entry["Type"].upper()) for entry in computes] == [("ENABLED", "MANAGED")] * 5


def test_jobs_run_in_the_subnets_behind_the_closed_security_group(batch: Template) -> None:
    """Environments but MPI's use the network stack's two public subnets and its one security group."""
    for path in ("Fargate/Environment", "FargateSpot/Environment", "Ec2/Environment", "Ec2Spot/Environment"):
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
    """IMDSv2 only, out of reach behind a bridge; the root volume is encrypted gp3 and goes with the instance."""
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


@pytest.mark.parametrize("job", PROGRAMS)
def test_a_program_has_a_definition_for_ec2_too(batch: Template, job: str) -> None:
    """Of the same image, roles and rules, with whole vCPUs, and told its region, which nothing else does there."""
    fargate, ec2 = definition(batch, job), definition(batch, f"{job}OnEc2")
    assert (fargate["PlatformCapabilities"], ec2["PlatformCapabilities"]) == (["FARGATE"], ["EC2"])
    for name in ("Image", "JobRoleArn", "ExecutionRoleArn"):
        assert ec2["ContainerProperties"][name] == fargate["ContainerProperties"][name]
    assert ec2["RetryStrategy"] == fargate["RetryStrategy"]
    assert ec2["Timeout"] == fargate["Timeout"]
    sizes = {entry["Type"]: entry["Value"] for entry in ec2["ContainerProperties"]["ResourceRequirements"]}
    assert sizes == {"VCPU": "1", "MEMORY": SIZES[job][1]}
    told = {entry["Name"]: entry["Value"] for entry in ec2["ContainerProperties"]["Environment"]}
    assert told["AWS_DEFAULT_REGION"] == {"Ref": "AWS::Region"}


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
    assert outputs[deployment_outputs.JOB_QUEUES["gpu"]]["Value"] == deployment_outputs.NONE
    for name, key in deployment_outputs.JOB_QUEUES.items():
        if name == "gpu":
            continue
        wanted = "MpiQueue" if name == "mpi" else f"Queue{name.capitalize()}Queue"
        assert wanted in flat(outputs[key]["Value"])
    for name, key in deployment_outputs.JOB_DEFINITIONS.items():
        program, _, on_ec2 = name.partition("-")
        construct = f"{program.capitalize()}{'OnEc2' if on_ec2 else ''}"
        (logical_id,) = [
            logical_id
            for logical_id, body in batch.resources("AWS::Batch::JobDefinition").items()
            if body["Metadata"]["aws:cdk:path"].endswith(
                (f"/Job{construct}/Definition/Resource", f"/{construct}/Job/Definition/Resource")
            )
        ]
        assert outputs[key]["Value"] == {"Ref": logical_id}


def test_every_image_has_a_folder() -> None:
    """The images of the outputs are folders with a Dockerfile."""
    folders = {path.parent.name for path in Path(CHECKOUT / "containers").glob("*/Dockerfile")}
    assert set(deployment_outputs.IMAGE_URIS) <= folders
