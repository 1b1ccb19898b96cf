"""Images: what builds them and with which rights, which of them definitions name, and for which processors."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest
import yaml

import deployment_outputs
from image_tags import image_tag
from tests.infra.synthesised import CHECKOUT, Synthesise, Template, app_with, flat, listed, read_templates

DIGEST = "sha256:" + "ab" * 32
TAG = image_tag(CHECKOUT / "containers" / "dopi")
MPI_TAG = image_tag(CHECKOUT / "containers" / "mpi")

GRAVITON = {"cpu_architecture": "arm64", "ec2_instance_types": ("c7g.large",), "mpi_instance_types": ("c7g.large",)}

Profile = Callable[..., tuple[int, str, dict[str, Template]]]


@pytest.fixture(scope="module")
def profile(synthesise: Synthesise, tmp_path_factory: pytest.TempPathFactory) -> Profile:
    """Synthesise a profile of the settings given; exit code, what was said, templates."""

    def run(**settings: object) -> tuple[int, str, dict[str, Template]]:
        outdir = tmp_path_factory.mktemp("profile")
        script = outdir / "profile_app.py"
        script.write_text(app_with(f"Settings(**{settings!r})"), encoding="utf-8")
        completed = synthesise(outdir, command=[sys.executable, str(script)])
        templates = {name: Template(text) for name, text in read_templates(outdir).items()}
        return completed.returncode, completed.stderr, templates

    return run


@pytest.fixture(scope="module")
def other(profile: Profile) -> dict[str, Template]:
    """Templates of a profile with pins, for Graviton, and with no builder."""
    pins = {"dopi": f"{TAG}@{DIGEST}", "mpi": f"{MPI_TAG}@{DIGEST}"}
    code, said, templates = profile(image_digests=pins, has_image_builder=False, **GRAVITON)
    assert (code, said) == (0, "")
    return templates


def project(batch: Template) -> dict[str, Any]:
    """The properties of the CodeBuild project."""
    return batch.properties("AWS::CodeBuild::Project")


def test_the_builder_is_where_the_output_says(batch: Template) -> None:
    """With the prefix of what is sent to it, and what it builds for."""
    (name,) = batch.resources("AWS::CodeBuild::Project")
    outputs = batch.document["Outputs"]
    assert outputs["ImageBuildProject"]["Value"] == {"Ref": name}
    assert outputs["BuildsPrefix"]["Value"] == "builds/"
    assert outputs["CpuArchitecture"]["Value"] == "x86_64"


def test_a_build_does_what_the_file_says(batch: Template) -> None:
    """The build specification is that of the repository, and there is no source until a build names one."""
    written = yaml.safe_load((CHECKOUT / "containers/builder/buildspec.yml").read_text(encoding="utf-8"))
    source = project(batch)["Source"]
    assert (source["Type"], json.loads(source["BuildSpec"])) == ("NO_SOURCE", written)


def test_a_build_is_bounded_logged_and_out_of_the_network(batch: Template) -> None:
    """An hour, one at a time, docker's privilege on x86, a log that expires, no VPC."""
    made = project(batch)
    assert (made["TimeoutInMinutes"], made["QueuedTimeoutInMinutes"], made["ConcurrentBuildLimit"]) == (60, 60, 1)
    assert made["EncryptionKey"] == "alias/aws/s3"
    environment = made["Environment"]
    assert (environment["Type"], environment["PrivilegedMode"]) == ("LINUX_CONTAINER", True)
    assert environment["EnvironmentVariables"] == [{"Name": "PLATFORM", "Type": "PLAINTEXT", "Value": "linux/amd64"}]
    assert "VpcConfig" not in made
    group = made["LogsConfig"]["CloudWatchLogs"]["GroupName"]["Ref"]
    assert batch.resources("AWS::Logs::LogGroup")[group]["Properties"]["RetentionInDays"] == 30


def test_a_build_may_push_to_our_repositories_and_read_what_it_was_sent(batch: Template, storage: Template) -> None:
    """By managed policies, for builds of this account; no other object, repository or log is in reach."""
    role = batch.properties("AWS::IAM::Role", "Images/Builder/Role")
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "codebuild.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    assert "BuildsPolicy" in flat(role["ManagedPolicyArns"])
    assert len(role["ManagedPolicyArns"]) == 2
    policy = batch.properties("AWS::IAM::ManagedPolicy", "Images/Builder/Policy")["PolicyDocument"]["Statement"]
    pushing, login, log = policy
    assert {action.partition(":")[0] for action in pushing["Action"]} == {"ecr"}
    assert "ecr:PutImage" in pushing["Action"]
    assert len(pushing["Resource"]) == len(storage.resources("AWS::ECR::Repository"))
    assert (login["Action"], login["Resource"]) == ("ecr:GetAuthorizationToken", "*")
    assert "ImagesBuilderLogGroup" in flat(log["Resource"])
    reading = storage.properties("AWS::IAM::ManagedPolicy", "Results/BuildsPolicy")["PolicyDocument"]["Statement"]
    assert [listed(one["Action"]) for one in reading] == [
        ["s3:GetObject", "s3:GetObjectVersion"],
        ["s3:GetBucketAcl", "s3:GetBucketLocation"],
    ]
    assert flat(reading[0]["Resource"]).endswith('"/builds/*"]]}')


def test_no_job_may_read_what_images_are_built_from(templates: dict[str, Template]) -> None:
    """The policy of builds is on the builder's role alone."""
    holders = {
        body["Metadata"]["aws:cdk:path"]
        for template in templates.values()
        for body in template.resources("AWS::IAM::Role").values()
        if "BuildsPolicy" in flat(body["Properties"].get("ManagedPolicyArns", []))
    }
    assert holders == {"CloudHpc-Batch/Images/Builder/Role/Resource"}


def test_what_was_sent_to_be_built_is_deleted_after_a_while(storage: Template) -> None:
    """Under its own prefix, old versions soon after."""
    rules = storage.properties("AWS::S3::Bucket", "Results/Bucket")["LifecycleConfiguration"]["Rules"]
    (rule,) = [rule for rule in rules if rule.get("Prefix") == "builds/"]
    assert (rule["ExpirationInDays"], rule["NoncurrentVersionExpiration"]) == (7, {"NoncurrentDays": 1})


def test_without_a_builder_there_is_no_project_role_or_right(other: dict[str, Template]) -> None:
    """The output says so in a word; the keys of outputs are the same."""
    for template in other.values():
        assert template.resources("AWS::CodeBuild::Project") == {}
        assert "BuildsPolicy" not in template.text
        assert "codebuild.amazonaws.com" not in template.text
    outputs = other["CloudHpc-Batch"].document["Outputs"]
    assert outputs["ImageBuildProject"]["Value"] == "none"
    assert set(outputs) == deployment_outputs.all_keys()


def image_of(batch: Template, path: str) -> str:
    """The image of a job definition, with its intrinsic functions as text."""
    made = batch.properties("AWS::Batch::JobDefinition", path)
    if "ContainerProperties" in made:
        return flat(made["ContainerProperties"]["Image"])
    return flat(made["NodeProperties"]["NodeRangeProperties"][0]["Container"]["Image"])


def test_a_pinned_definition_names_the_digest_and_the_output_still_the_tag(other: dict[str, Template]) -> None:
    """Of one container on Fargate and EC2, and of many nodes; one without a pin names its tag."""
    batch = other["CloudHpc-Batch"]
    assert f"@{DIGEST}" in image_of(batch, "JobDopi/Definition")
    assert f"@{DIGEST}" in image_of(batch, "JobDopiOnEc2/Definition")
    assert f"@{DIGEST}" in image_of(batch, "Mpi/Job/Definition")
    assert "@" not in image_of(batch, "JobDopisecond/Definition")
    outputs = batch.document["Outputs"]
    assert f":{TAG}" in flat(outputs["ImageDopiUri"]["Value"])
    assert f":{MPI_TAG}" in flat(outputs["ImageMpiUri"]["Value"])
    assert DIGEST not in flat(outputs)


def test_graviton_is_in_every_fargate_definition_and_in_the_output(other: dict[str, Template]) -> None:
    """Jobs ask for ARM64; what builds their images reads it from the output."""
    batch = other["CloudHpc-Batch"]
    platforms = {
        body["Properties"]["ContainerProperties"]["RuntimePlatform"]["CpuArchitecture"]
        for body in batch.resources("AWS::Batch::JobDefinition").values()
        if body["Properties"]["PlatformCapabilities"] == ["FARGATE"]
    }
    assert platforms == {"ARM64"}
    assert batch.document["Outputs"]["CpuArchitecture"]["Value"] == "arm64"


def test_a_pin_of_an_edited_folder_is_refused(profile: Profile) -> None:
    """With the folder's tag, the pin and the way out: it would silently run the old program."""
    pin = f"0123456789abcdef@{DIGEST}"
    code, said, _ = profile(image_digests={"dopi": pin})
    assert code == 2
    assert said == (
        "error: CloudHpc-Batch/JobDopi image_digests: a pin is of the content that the folder has, whose tag is "
        f"{TAG}, got {pin!r}, which would run what the folder was before it was edited; "
        "drop the pin, deploy, push, then pin anew with: hpc images digests\n"
    )
