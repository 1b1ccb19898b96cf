"""What a change of settings replaces: nothing that holds work, but for the changes that are named here, with why.

By the create-only properties of the resource types' schemas, as cfn-lint ships them. A replaced environment ends its
jobs, a replaced file system loses its files, and what another stack imports cannot be replaced at all.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from runner.deploy_order import FIXED
from tests.infra.synthesised import VARIANTS, Synthesise, app_with, read_templates

HARMLESS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "every number and name": (
            "default",
            """
            tags={"cost-centre": "7"},
            permissions_boundary_arn="arn:aws:iam::123456789012:policy/Bound",
            results_prefix="out/", programs_prefix="code/", runs_prefix="ledgers/", builds_prefix="sources/",
            fargate_max_vcpus=64, ec2_max_vcpus=128, mpi_max_vcpus=128, spot_share=0.25,
            ec2_instance_types=("c6i.xlarge",), mpi_instance_types=("c6i.xlarge",), ec2_root_volume_gib=100,
            high_priority=90, normal_priority=20, low_priority=2, ec2_priority=20, spot_priority=2, mpi_priority=20,
            misfit_limit_seconds=900, capacity_limit_seconds=None,
            job_vcpus=2.0, job_memory_mib=4096, job_attempts=5, job_timeout_seconds=900, job_scratch_gib=50,
            standin_vcpus=0.5, standin_memory_mib=1024,
            barrier_vcpus=0.5, barrier_memory_mib=1024, barrier_timeout_seconds=120,
            mpi_node_vcpus=4.0, mpi_node_memory_mib=4096, mpi_shared_memory_mib=1024, mpi_zone=1,
            mpi_join_seconds=900, mpi_timeout_seconds=7200,
            job_log_retention_days=90, flow_log_retention_days=90, image_build_log_retention_days=90,
            access_log_days=30, noncurrent_version_days=60, program_days=60, build_source_days=14,
            images_kept=20, image_build_minutes=90,
            retain_results=False, retain_images=True, retain_logs=True,
            own_key=True,
            """,
        ),
        "another processor and adapter": (
            "default",
            """
            cpu_architecture="arm64", ec2_instance_types=("c7g.large",),
            mpi_use_efa=True, mpi_instance_types=("c7g.16xlarge",), mpi_max_vcpus=128, mpi_node_vcpus=64.0,
            """,
        ),
        "everything that can be added": (
            "default",
            """
            push_job_events=True, alarm_email="lab@example.org", counts_ended_jobs=True, queue_metrics_minutes=5,
            stuck_alarm_minutes=30, failure_rate_alarm=0.2, monthly_budget_usd=50, has_dashboard=True,
            container_insights=True, has_shared_file_system=True, lustre_gib=1200, gpu_instance_types=("g5.xlarge",),
            head_node_instance_type="t4g.small", prefix_grants={"dopi": PrefixGrant(write=("results/",))},
            """,
        ),
        "whom and when to alarm": (
            "observing",
            """
            alarm_email="others@example.org", ended_job_log_days=60, queue_metrics_minutes=10, stuck_alarm_minutes=60,
            failure_rate_alarm=0.5, failure_rate_jobs=10, monthly_budget_usd=100, own_key=True,
            """,
        ),
        "how the head node is used": (
            "head-node",
            'head_node_idle_minutes=90, head_node_instance_type="t4g.medium", tags={"a": "b"}, builds_prefix="src/"',
        ),
    }
)
"""Base of VARIANTS, and its changes, by what they are about. All of a line at once: the failure says what it hit."""

REPLACING: Final[Mapping[str, tuple[str, str, Mapping[str, str]]]] = MappingProxyType(
    {
        "who shares, and whether Spot is used": (
            "default",
            'share_weights={"optics": 1.0}, spot_share=0',
            {
                "AWS::Batch::JobQueue": "a queue that has had no scheduling policy takes none",
                "AWS::Batch::ComputeEnvironment": "without Spot capacity there is no environment of it",
            },
        ),
        "where the network lies": (
            "default",
            'vpc_cidr="10.80.0.0/16", zones=3',
            {
                "AWS::EC2::VPC": "a network has its addresses from the start",
                "AWS::EC2::Subnet": "its addresses are of the network's",
            },
        ),
        "what disks are encrypted by and how large they are": (
            "head-node",
            "own_key=True, head_node_root_volume_gib=40",
            {
                "AWS::EFS::FileSystem": "a file system is encrypted by one key from the start",
                "AWS::EC2::Instance": "CloudFormation grows no volume of an instance",
            },
        ),
    }
)
"""Base, changes, and which types they replace, with why that cannot be otherwise."""

HOLDING: Final = frozenset(
    {
        "AWS::Batch::ComputeEnvironment",
        "AWS::Batch::JobQueue",
        "AWS::EC2::Instance",
        "AWS::ECR::Repository",
        "AWS::EFS::FileSystem",
        "AWS::FSx::FileSystem",
        "AWS::IAM::ManagedPolicy",
        "AWS::Logs::LogGroup",
        "AWS::S3::Bucket",
        "AWS::SecretsManager::Secret",
    }
)
"""What loses something where its logical id goes: jobs, data, or whom the account's owner attached it to."""

FREE_TO_GO: Final = frozenset({"AWS::SNS::Subscription"})
"""A subscription is its address."""

CHANGED_IN_PLACE: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "AWS::EC2::Instance": ("/properties/UserData", "/properties/InstanceType"),
    }
)
"""What schemas call create-only on conditions that do not hold here.

An instance whose root volume is of EBS is stopped for these and started again.
Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-ec2-instance.html
"""

Resources = dict[str, dict[str, Any]]


def resources_of(texts: Mapping[str, str]) -> Resources:
    """All resources of a deployment, by stack and logical id."""
    return {
        f"{stack} {name}": body for stack, text in texts.items() for name, body in json.loads(text)["Resources"].items()
    }


def values_at(properties: object, pointer: str) -> list[Any]:
    """What a schema's pointer names of the properties: nothing, one value, or one of each item of a list."""
    found: list[Any] = [properties]
    for step in pointer.split("/")[2:]:
        found = [
            value
            for one in found
            for value in (one if step == "*" and isinstance(one, list) else [one[step]] if step in (one or ()) else [])
        ]
    return found


def create_only(kind: str, properties: Mapping[str, Any]) -> Iterator[str]:
    """Pointers to the properties of a type that cannot be changed, on the conditions that hold here."""
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    yield from schema.get("createOnlyProperties", ())
    # An environment says itself whether these are updated or make another.
    if kind != "AWS::Batch::ComputeEnvironment" or properties.get("ReplaceComputeEnvironment", True):
        for pointer in schema.get("conditionalCreateOnlyProperties", ()):
            if pointer not in CHANGED_IN_PLACE.get(kind, ()):
                yield pointer


def with_versions(value: object, stack: str, resources: Resources) -> object:
    """A value with the content of launch templates in the place of their latest versions, which it decides."""
    if isinstance(value, list):
        return [with_versions(one, stack, resources) for one in value]
    if not isinstance(value, dict):
        return value
    name, _, attribute = ".".join(map(str, value.get("Fn::GetAtt", ()))).partition(".")
    if attribute == "LatestVersionNumber":
        return resources[f"{stack} {name}"]["Properties"]["LaunchTemplateData"]
    return {key: with_versions(one, stack, resources) for key, one in value.items()}


def replaced(before: Resources, after: Resources) -> dict[str, str]:
    """Resource -> why CloudFormation makes another of it, or none."""
    found = {}
    for name, old in before.items():
        kind, stack = old["Type"], name.split()[0]
        if name not in after:
            if kind in HOLDING:
                found[name] = f"{kind} is gone"
            continue
        were, are = (one.get("Properties", {}) for one in (old, after[name]))
        for pointer in create_only(kind, are):
            was = with_versions(values_at(were, pointer), stack, before)
            becomes = with_versions(values_at(are, pointer), stack, after)
            if was != becomes and kind not in FREE_TO_GO:
                found[name] = f"{kind} {pointer}: {was} -> {becomes}"
    return found


@pytest.fixture
def change(assemblies: Mapping[str, Path], synthesise: Synthesise, tmp_path: Path) -> Any:
    """`change(base, changes)`: what is replaced when the settings of a variant are changed."""

    def replaced_by(base: str, changes: str) -> dict[str, str]:
        script = tmp_path / "changed_app.py"
        script.write_text(app_with(f"dataclasses.replace({VARIANTS[base]}, {changes.strip()})"), encoding="utf-8")
        done = synthesise(tmp_path / "out", command=[sys.executable, str(script)])
        assert (done.returncode, done.stderr) == (0, "")
        return replaced(resources_of(read_templates(assemblies[base])), resources_of(read_templates(tmp_path / "out")))

    return replaced_by


@pytest.mark.parametrize("about", HARMLESS)
def test_settings_change_in_place(change: Any, about: str) -> None:
    """Environments keep their jobs, queues, buckets, file systems, logs and policies are the ones that they were."""
    base, changes = HARMLESS[about]
    assert change(base, changes) == {}


@pytest.mark.parametrize("about", REPLACING)
def test_what_has_to_be_replaced_is_known(change: Any, about: str) -> None:
    """No more types than those that cannot be changed, and no fewer: the reasons still hold."""
    base, changes, types = REPLACING[about]
    assert {reason.split()[0] for reason in change(base, changes).values()} == types.keys()


def test_create_only_tags_are_seen(assemblies: Mapping[str, Path]) -> None:
    """Another tag of an environment is another environment: the reading of the schemas finds that."""
    before, after = (resources_of(read_templates(assemblies["default"])) for _ in range(2))
    (name,) = (name for name in after if name.endswith("CapacityEc2Environment4F002E6B"))
    after[name]["Properties"]["Tags"]["cost-centre"] = "7"
    after[name]["Properties"]["ComputeResources"]["MaxvCpus"] = 1
    assert [why.partition(": ")[0] for why in replaced(before, after).values()] == [
        "AWS::Batch::ComputeEnvironment /properties/Tags"
    ]


@pytest.mark.parametrize("kind", FIXED)
def test_what_a_deploy_refuses_to_change_is_what_would_be_replaced(kind: str) -> None:
    """Each property that it looks at is create-only; one that can grow in place would be refused for nothing."""
    assert {f"/properties/{name}" for name in FIXED[kind]} <= set(create_only(kind, {}))
