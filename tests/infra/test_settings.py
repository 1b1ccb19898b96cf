"""The settings that a profile may have."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest

from setting_groups.network import ExistingVpc
from setting_groups.storage import LOG_RETENTION_DAYS, PrefixGrant
from settings import PROFILES, Settings, SettingsError, checked_deployment, checked_settings, settings_for
from tests.infra.synthesised import CHECKOUT

TAG = "0123456789abcdef"
RULE = (
    "burstable types and no m7i-flex "
    "(https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/placement-strategies.html), got "
)
ONE_ENTRY = (
    "share_weights: a group has one entry, its own or one with a * that stands for it (API_ShareAttributes), got "
)
DIGEST = "sha256:" + "ab" * 32


def test_the_default_profile_is_the_defaults() -> None:
    """What the docstrings say about defaults is what the default profile deploys."""
    assert settings_for("default") == Settings()


def test_nothing_can_change_a_profile() -> None:
    """Neither a setting nor the table of profiles can be written to."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings_for("default").job_attempts = 4  # type: ignore[misc]
    with pytest.raises(TypeError):
        PROFILES["default"] = Settings(job_attempts=4)  # type: ignore[index]


def test_an_unknown_profile_names_the_known_ones() -> None:
    """The error says where the name came from, what it was and what can be used."""
    with pytest.raises(
        SettingsError,
        match=r"^-c profile: names a profile of settings\.py, got 'prod'; use one of: default, private, production$",
    ):
        settings_for("prod")


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_every_profile_can_be_deployed(profile: str) -> None:
    """No profile of the table has a finding."""
    assert checked_settings(PROFILES[profile]) is PROFILES[profile]


def test_all_findings_come_at_once() -> None:
    """A line for each, with the setting's name, the rule, the value and what to do."""
    wrong = Settings(network_mode="vpn", spot_share=2, job_memory_mib=5, mpi_zone=7, images_kept=0, tags={"aws:x": "y"})
    with pytest.raises(SettingsError) as caught:
        checked_settings(wrong)
    lines = str(caught.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "network_mode",
        "spot_share",
        "job_vcpus and job_memory_mib",
        "mpi_zone",
        "images_kept",
        "tags",
    ]
    assert all(", got " in line and "; " in line for line in lines)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"network_mode": "nat", "nat_gateways": 3}, "nat_gateways: private subnets have a NAT gateway at least"),
        ({"vpc_cidr": "10.0.0.1/16"}, "vpc_cidr: a VPC's IPv4 range"),
        ({"zones": 5}, "zones: a network spans 1 to 4 zones, got 5"),
        (
            {
                "existing_vpc": ExistingVpc(
                    vpc_id="mine", availability_zones=("a", "b"), subnet_ids=("subnet-0a1b2c3d",)
                )
            },
            "existing_vpc.vpc_id: an id as EC2 gives it",
        ),
        ({"ec2_max_vcpus": 3}, "ec2_max_vcpus: the vCPUs of one instance at least (c6i.large has 2), in each of its"),
        ({"ec2_instance_types": ("c6i.large", "c7g.large")}, "ec2_instance_types: all instances of an environment"),
        ({"gpu_instance_types": ("g5.xlarge",), "gpu_max_vcpus": 2}, "gpu_max_vcpus: the vCPUs of one instance"),
        (
            {"gpu_instance_types": ("g5.xlarge", "c6i.large")},
            "gpu_instance_types: every type has GPUs of NVIDIA, which",
        ),
        ({"gpu_instance_types": ("g4ad.xlarge",)}, "gpu_instance_types: every type has GPUs of NVIDIA, which"),
        ({"gpu_instance_types": ("g5g.xlarge",)}, "gpu_instance_types: Batch's machine image for GPUs is for x86"),
        ({"gpu_instance_types": ("p3.2xlarge",)}, "gpu_instance_types: Batch's machine image for GPUs is for x86"),
        ({"gpu_instance_types": ("g3s.xlarge",)}, "gpu_instance_types: Batch's machine image for GPUs is for x86"),
        *(
            (
                {"mpi_instance_types": (name,)},
                f"mpi_instance_types: a cluster placement group takes no {RULE}'{name}'; ",
            )
            for name in ("t2.large", "t3.large", "t3a.large", "m7i-flex.large")
        ),
        ({"share_weights": {"a*": 1.0, "ab": 2.0}}, f"{ONE_ENTRY}'a* and ab'; leave one of the two out"),
        ({"share_weights": {"ab*": 1.0, "a*": 2.0}}, f"{ONE_ENTRY}'a* and ab*'; leave one of the two out"),
        ({"share_weights": {"a b": 1.0}}, "share_weights: a group is 1 to 255 letters and digits"),
        ({"share_weights": {"lab": 0.0}}, "share_weights: a weight is 0.0001 to 999.9999"),
        ({"capacity_limit_seconds": 60}, "capacity_limit_seconds: Batch acts after 600 to 86400 seconds"),
        ({"job_scratch_gib": 20}, "job_scratch_gib: Fargate gives 21 to 200 GiB"),
        ({"mpi_use_efa": True}, "mpi_instance_types: with mpi_use_efa, every type has an Elastic Fabric Adapter"),
        ({"mpi_node_vcpus": 4.0}, "mpi_node_vcpus: a node is one instance"),
        ({"mpi_node_memory_mib": 4096}, "mpi_node_memory_mib: a node is one instance"),
        ({"lustre_gib": 1000}, "lustre_gib: 1200 GiB or a multiple of 2400"),
        ({"runs_prefix": "results/runs/"}, "runs_prefix: it lies beside results_prefix"),
        ({"prefix_grants": {"dopi": PrefixGrant(read=("runs/",))}}, "prefix_grants of dopi: programs, ledgers"),
        ({"prefix_grants": {"dopi": PrefixGrant(read=("builds/",))}}, "prefix_grants of dopi: programs, ledgers"),
        ({"builds_prefix": "programs/"}, "builds_prefix: it lies beside programs_prefix"),
        ({"build_source_days": 0}, "build_source_days: an object expires after 1 day or more"),
        ({"cpu_architecture": "ARM64"}, "cpu_architecture: is one of x86_64, arm64 "),
        ({"mpi_instance_types": ("c7g.large",)}, "mpi_instance_types: instances run the same images"),
        (
            {"cpu_architecture": "arm64", "mpi_instance_types": ("c7g.large",)},
            "ec2_instance_types: instances run the same images as Fargate, which are for arm64, got 'c6i.large",
        ),
        ({"image_build_minutes": 4}, "image_build_minutes: a build may take 5 to 480 minutes "),
        ({"image_build_minutes": 481}, "image_build_minutes: a build may take 5 to 480 minutes "),
        ({"image_build_log_retention_days": 6}, "image_build_log_retention_days: CloudWatch Logs keeps events"),
        ({"image_digests": {"dopi": DIGEST}}, "image_digests['dopi']: a pin is a tag of 16 hexadecimal digits, "),
        ({"image_digests": {"dopi": f"{TAG}@sha256:ab"}}, "image_digests['dopi']: a pin is a tag of "),
        ({"image_digests": {"elsewhere": f"{TAG}@{DIGEST}"}}, "image_digests: names folders of images: barrier, dopi"),
        ({"prefix_grants": {"none": PrefixGrant()}}, "prefix_grants: names job definitions"),
        ({"job_log_retention_days": 31}, "job_log_retention_days: CloudWatch Logs keeps events"),
        ({"permissions_boundary_arn": "Bound"}, "permissions_boundary_arn: the ARN of a managed policy"),
    ],
)
def test_a_setting_keeps_its_rule(changed: dict[str, Any], said: str) -> None:
    """One finding, which begins with the setting and its rule."""
    with pytest.raises(SettingsError) as caught:
        checked_settings(Settings(**changed))
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize("name", ["g4dn.xlarge", "g5.xlarge", "g6.xlarge", "gr6.4xlarge", "g6e.xlarge", "p4d.24xlarge"])
def test_types_with_gpus_are_known_by_their_names(name: str) -> None:
    """Also those that are newer than any table."""
    checked_settings(Settings(gpu_instance_types=(name,), gpu_max_vcpus=96))


def test_groups_that_only_begin_alike_have_entries_of_their_own() -> None:
    """Without a star a name stands for itself."""
    checked_settings(Settings(share_weights={"lab": 1.0, "lab7": 2.0, "other*": 0.5}))


def test_values_of_a_wrong_type_are_told_all_at_once() -> None:
    """What is text for a person is no number to a rule; parts of a value are looked at too."""
    wrong: dict[str, Any] = {
        "existing_vpc": ExistingVpc(vpc_id=5, availability_zones=("a",), subnet_ids="subnet-0a1b2c3d"),  # type: ignore[arg-type]
        "fargate_max_vcpus": 3.5,
        "ec2_instance_types": "c6i.large",
        "gpu_instance_types": (7,),
        "share_weights": {"lab": "1"},
        "lustre_gib": 6.5,
        "job_vcpus": 1,
        "job_attempts": "3",
        "mpi_use_efa": "no",
        "mpi_zone": True,
        "prefix_grants": {"dopi": "runs/"},
        "own_key": None,
        "tags": ("a", "b"),
    }
    with pytest.raises(SettingsError) as caught:
        checked_settings(Settings(**wrong))
    assert sorted(str(caught.value).splitlines()) == [
        'ec2_instance_types: is a tuple, got \'c6i.large\'; write ("…", "…"), and with one entry ("…",)',
        'existing_vpc.subnet_ids: is a tuple, got \'subnet-0a1b2c3d\'; write ("…", "…"), and with one entry ("…",)',
        'existing_vpc.vpc_id: is text, got 5; put it in quotes: "…"',
        "fargate_max_vcpus: is a whole number, got 3.5; write it without quotes or fraction",
        'gpu_instance_types[0]: is text, got 7; put it in quotes: "…"',
        "job_attempts: is a whole number, got '3'; write it without quotes or fraction",
        "lustre_gib: is a whole number, or None, got 6.5; write it without quotes or fraction, or write None",
        "mpi_use_efa: is True or False, got 'no'; write one of the two, without quotes",
        "mpi_zone: is a whole number, got True; write it without quotes or fraction",
        "own_key: is True or False, got None; write one of the two, without quotes",
        "prefix_grants['dopi']: is a PrefixGrant, got 'runs/'; write PrefixGrant(…)",
        "share_weights['lab']: is a number, got '1'; write it without quotes",
        "tags: is a mapping, got ('a', 'b'); write {\"…\": …}",
    ]


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Settings)])
def test_no_setting_of_a_wrong_type_ends_in_a_traceback(field: str) -> None:
    """Whatever it is declared as: an object of no known type is told."""
    with pytest.raises(SettingsError, match=f"^{field}: is "):
        checked_settings(dataclasses.replace(Settings(), **dict[str, Any]({field: object()})))


def test_settings_and_constructs_know_the_same_retentions() -> None:
    """What a setting may say is what a log group can be given."""
    source = (CHECKOUT / "constructs_lib" / "log_retention.py").read_text(encoding="utf-8")
    assert tuple(int(days) for days in re.findall(r"^        (\d+): logs", source, re.MULTILINE)) == LOG_RETENTION_DAYS


@pytest.mark.parametrize("name", ["CloudHpc", "a", "lab-7", "X" * 100])
def test_a_deployment_is_named_like_a_stack(name: str) -> None:
    """Letters, digits and hyphens after a first letter are taken as they are."""
    assert checked_deployment(name) == name


@pytest.mark.parametrize("name", ["", "7lab", "-lab", "lab_7", "lab 7", "lab\n", "é", "X" * 101])
def test_a_bad_deployment_is_refused(name: str) -> None:
    """Anything else is refused before a stack is made, with the rule and the name."""
    with pytest.raises(SettingsError, match=r"^-c deployment: .*at most 99 letters, digits or hyphens, got "):
        checked_deployment(name)


def test_a_jobs_own_tag_has_room_beside_those_of_the_settings() -> None:
    """Tags of a job definition and of its job are added up, and a job with more than 50 fails."""
    most = {f"key-{number}": "x" for number in range(48)}
    assert checked_settings(Settings(tags=most)).tags == most
    with pytest.raises(SettingsError, match=r"^tags: .*at most 50 tags, 2 of which are ours, got 49; drop some$"):
        checked_settings(Settings(tags={**most, "one-more": "x"}))


def test_every_setting_is_named_where_deploying_is_told() -> None:
    """Who looks for one finds it without reading the sources."""
    pages = ("deploying", "observation", "images", "head-node")
    told = "".join((CHECKOUT / "docs" / f"{page}.md").read_text(encoding="utf-8") for page in pages)
    assert [field.name for field in dataclasses.fields(Settings) if f"`{field.name}`" not in told] == []
