"""The table of EC2 instance types, for compute environments and for DescribeInstanceTypes."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from local_batch.host.instance_types import INSTANCE_TYPES, UnknownInstanceTypeError, instance_sizes
from tests.local_batch.host.conftest import Client


@pytest.mark.parametrize(
    ("name", "vcpus", "memory_mib", "architecture"),
    [
        ("c5.18xlarge", 72, 147456, "x86_64"),
        ("c5n.18xlarge", 72, 196608, "x86_64"),
        ("m5.large", 2, 8192, "x86_64"),
        ("c6i.32xlarge", 128, 262144, "x86_64"),
        ("m6i.4xlarge", 16, 65536, "x86_64"),
        ("r6i.xlarge", 4, 32768, "x86_64"),
        ("c7i.48xlarge", 192, 393216, "x86_64"),
        ("m7g.medium", 1, 4096, "arm64"),
        ("c7g.16xlarge", 64, 131072, "arm64"),
        ("hpc6a.48xlarge", 96, 393216, "x86_64"),
        ("hpc7g.4xlarge", 16, 131072, "arm64"),
    ],
)
def test_known_types(name: str, vcpus: int, memory_mib: int, architecture: str) -> None:
    """Numbers of EC2's own pages, one of each family's kind."""
    size = INSTANCE_TYPES[name]
    assert (size.vcpus, size.memory_mib, size.architecture) == (vcpus, memory_mib, architecture)


@pytest.mark.parametrize(
    ("name", "vcpus", "memory_mib", "gpus"),
    [
        ("g4dn.12xlarge", 48, 196608, 4),
        ("g5.xlarge", 4, 16384, 1),
        ("g6.48xlarge", 192, 786432, 8),
        ("p3.2xlarge", 8, 62464, 1),
        ("p4d.24xlarge", 96, 1179648, 8),
    ],
)
def test_types_with_gpus(name: str, vcpus: int, memory_mib: int, gpus: int) -> None:
    """How many bounds what one job may ask for."""
    size = INSTANCE_TYPES[name]
    assert (size.vcpus, size.memory_mib, size.gpus) == (vcpus, memory_mib, gpus)


def test_families_and_shorthands_stand_for_their_types() -> None:
    """`optimal` is m6i, c6i, r6i and c7i; bare metal is in no family."""
    family = {size.name for size in instance_sizes(["m6i"])}
    assert {"m6i.large", "m6i.32xlarge"} <= family
    assert "m6i.metal" not in family
    optimal = {size.name.split(".")[0] for size in instance_sizes(["optimal"])}
    assert optimal == {"m6i", "c6i", "r6i", "c7i"}
    assert {size.architecture for size in instance_sizes(["default_arm64"])} == {"arm64"}


def test_types_are_named_once_in_the_order_asked() -> None:
    """An allocation strategy may read the order."""
    names = [size.name for size in instance_sizes(["m6i.xlarge", "c6i.large", "m6i.xlarge"])]
    assert names == ["m6i.xlarge", "c6i.large"]


def test_unknown_type_is_refused_by_name() -> None:
    """With the families there are."""
    with pytest.raises(UnknownInstanceTypeError, match=r"got 'x9\.huge'; use one of: c5, .*m6i"):
        instance_sizes(["m6i.large", "x9.huge"])


def test_describe_instance_types_tells_the_table(client: Client) -> None:
    """By name and by filter."""
    ec2 = client("ec2")
    (found,) = ec2.describe_instance_types(InstanceTypes=["c7g.2xlarge"])["InstanceTypes"]
    assert found["VCpuInfo"]["DefaultVCpus"] == 8
    assert found["MemoryInfo"]["SizeInMiB"] == 16384
    assert found["ProcessorInfo"]["SupportedArchitectures"] == ["arm64"]
    assert "GpuInfo" not in found
    (found,) = ec2.describe_instance_types(InstanceTypes=["g5.12xlarge"])["InstanceTypes"]
    assert [gpu["Count"] for gpu in found["GpuInfo"]["Gpus"]] == [4]
    arm = ec2.describe_instance_types(Filters=[{"Name": "processor-info.supported-architecture", "Values": ["arm64"]}])[
        "InstanceTypes"
    ]
    assert {one["InstanceType"] for one in arm} == {
        size.name for size in INSTANCE_TYPES.values() if size.architecture == "arm64"
    }


def test_describe_unknown_instance_type_is_an_error(client: Client) -> None:
    """In EC2's words."""
    with pytest.raises(ClientError, match=r"InvalidInstanceType.*do not exist: \[m6i\.huge\]"):
        client("ec2").describe_instance_types(InstanceTypes=["m6i.large", "m6i.huge"])


def test_filter_that_is_not_known_is_refused(client: Client) -> None:
    """Ignoring it would give a wrong answer."""
    with pytest.raises(ClientError, match="hypervisor"):
        client("ec2").describe_instance_types(Filters=[{"Name": "hypervisor", "Values": ["nitro"]}])
