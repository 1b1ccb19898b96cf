"""Bills of instances, of what keeps instances running, and of their disks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from runner.assembly.bill import Basis, Bill, Billed
from runner.assembly.price_table import UnpricedError, plain

_GP3_FREE_IOPS: Final = 3000
_GP3_FREE_MIB_PER_SECOND: Final = 125
"""Source: https://aws.amazon.com/ebs/pricing/"""

_VCPUS_OF_SIZE: Final = {"large": 2, "xlarge": 4}
_SIZE: Final = re.compile(r"(\d+)xlarge")


def instance(billed: Billed) -> Bill:
    """An EC2 instance: its time and address while it runs; stopped, nothing but its volumes."""
    kind = billed.at("InstanceType")
    if not isinstance(kind, str):
        raise UnpricedError("an instance whose type is not in its own properties")
    volumes, told = _volumes(billed)
    running = billed.monthly(f"ec2-{kind}")
    note = f"{kind}, {billed.prices[f'ec2-{kind}']} while it runs"
    if _has_public_address(billed):
        running += billed.monthly("public-ipv4")
        note += f", its public address {billed.prices['public-ipv4']}"
    return Bill(
        basis=Basis.TIME,
        monthly_usd=running + volumes,
        stopped_monthly_usd=volumes,
        note=f"{note}; stopped, {told}",
    )


def volume(billed: Billed) -> Bill:
    """An EBS volume of its own."""
    amount = _volume_usd(billed, billed.resource.properties)
    return Bill(basis=Basis.TIME, monthly_usd=amount, note=_volume_text(billed.resource.properties))


def compute_environment(billed: Billed) -> Bill:
    """Nothing while no job runs, unless a minimum of vCPUs keeps instances running."""
    least = billed.at("ComputeResources", "MinvCpus") or 0
    if not isinstance(least, int):
        raise UnpricedError("MinvCpus that is not a number")
    if least == 0:
        return Bill(basis=Basis.USE, note="its machines, while jobs run; minimum 0 vCPUs")
    kinds = billed.at("ComputeResources", "InstanceTypes") or []
    per_vcpu = [billed.monthly(f"ec2-{kind}") / _vcpus(kind) for kind in kinds]
    if not per_vcpu:
        raise UnpricedError("instances that a minimum of vCPUs keeps running, without named types")
    note = f"minimum {least} vCPUs of the cheapest type named, on demand"
    return Bill(basis=Basis.TIME, monthly_usd=least * min(per_vcpu), note=note)


def _vcpus(kind: str) -> int:
    size = kind.partition(".")[2]
    found = _SIZE.fullmatch(size)
    count = 4 * int(found[1]) if found else _VCPUS_OF_SIZE.get(size)
    if count is None:
        raise UnpricedError(f"the vCPUs of {kind} are not known here")
    return count


def _volumes(billed: Billed) -> tuple[Decimal, str]:
    disks = [entry["Ebs"] for entry in billed.resource.mappings("BlockDeviceMappings") if "Ebs" in entry]
    if not disks:
        raise UnpricedError("an instance whose volume has the size of its image, which no template says")
    amount = sum((_volume_usd(billed, _as_volume(disk)) for disk in disks), Decimal(0))
    return amount, f"{' and '.join(_volume_text(_as_volume(disk)) for disk in disks)} for {plain(amount)} a month"


def _as_volume(disk: Mapping[str, Any]) -> dict[str, Any]:
    """A disk of an instance with the names that AWS::EC2::Volume has for the same things."""
    return {**disk, "Size": disk.get("VolumeSize")}


def _volume_text(volume: Mapping[str, Any]) -> str:
    return f"{volume.get('Size')} GiB of {volume.get('VolumeType', 'gp2')}"


def _volume_usd(billed: Billed, volume: Mapping[str, Any]) -> Decimal:
    kind, size = volume.get("VolumeType", "gp2"), volume.get("Size")
    if not isinstance(size, int):
        raise UnpricedError("a volume whose size is not in the template")
    amount = size * billed.prices[f"ebs-{kind}"].usd
    if kind == "gp3":
        iops = max(int(volume.get("Iops") or 0) - _GP3_FREE_IOPS, 0)
        speed = max(int(volume.get("Throughput") or 0) - _GP3_FREE_MIB_PER_SECOND, 0)
        amount += iops * billed.prices["ebs-gp3-iops"].usd + speed * billed.prices["ebs-gp3-throughput"].usd
    return amount


def _has_public_address(billed: Billed) -> bool:
    """By its own word, else by that of its subnet."""
    said = [entry.get("AssociatePublicIpAddress") for entry in billed.resource.mappings("NetworkInterfaces")]
    if any(word is not None for word in said):
        return any(word in {True, "true"} for word in said)
    subnets = billed.assembly.referenced(billed.resource, "SubnetId")
    subnets += list(billed.assembly.references(billed.at("NetworkInterfaces"), billed.resource.stack))
    return any(subnet.type == "AWS::EC2::Subnet" and subnet.at("MapPublicIpOnLaunch") is True for subnet in subnets)
