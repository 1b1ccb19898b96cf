"""Settings of the network that jobs run in."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from collections.abc import Iterator
from typing import Final

from setting_groups.finding import Finding

PUBLIC: Final = "public"
NAT: Final = "nat"
ENDPOINTS: Final = "endpoints"
NETWORK_MODES: Final = (PUBLIC, NAT, ENDPOINTS)

MIN_ZONES: Final = 1
MAX_ZONES: Final = 4
"""What the largest regions have more of; a template that is not bound to a region counts on two."""

LARGEST_VPC_PREFIX: Final = 16
SMALLEST_VPC_PREFIX: Final = 24
"""/28 is AWS's bound; subnets of 123 usable addresses are the least worth having, one address a job."""

VPC_RULE: Final = (
    f"a VPC's IPv4 range has a prefix of /{LARGEST_VPC_PREFIX} to /{SMALLEST_VPC_PREFIX} and no host bits "
    "(https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html)"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExistingVpc:
    """A VPC that is there already, and the subnets in it for jobs: one a zone, in the order of the zones.

    It is used as it stands: no flow log, endpoint, gateway or route is added to it.
    """

    vpc_id: str
    availability_zones: tuple[str, ...]
    """Names such as eu-central-1a."""
    subnet_ids: tuple[str, ...]
    """As many as there are zones. Their kind is what `network_mode` says: public ones give jobs public addresses."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """Where jobs run and how they reach AWS. In every mode, nothing from outside reaches them."""

    network_mode: str = PUBLIC
    """How jobs reach AWS's APIs and image registries; S3 is reached through a gateway endpoint, free, in each.

    `public`: public subnets, no inbound rule. Nothing per hour; 0.005 an hour for the address of a job or instance
    while it runs. `nat`: private subnets behind NAT gateways, with the Internet: 0.045 an hour and gateway, and 0.045
    per GB through it. `endpoints`: private subnets with no way out but interface endpoints for exactly the services
    that jobs need: 0.01 an hour, endpoint and zone, and 0.01 per GB.
    """

    zones: int = 2
    """Availability zones with a subnet each. Costs nothing in itself; in mode `endpoints`, every endpoint is billed a
    zone. More than two need a region that has them. One more or less leaves the other subnets as they are.
    """

    nat_gateways: int = 1
    """Of mode `nat`: 0.045 an hour each. One for all zones is cheapest; one a zone survives the loss of a zone."""

    vpc_cidr: str = "10.64.0.0/16"
    """IPv4 range of the VPC. 65,536 addresses cost nothing; change it where the VPC will be peered."""

    flow_log_retention_days: int = 30
    """How long the VPC's flow logs are kept: 0.50 per GB taken in, 0.03 per GB-month; no traffic, no bytes."""

    existing_vpc: ExistingVpc | None = None
    """A VPC to use in place of a new one; `zones`, `nat_gateways`, `vpc_cidr` and the flow log are then its owner's."""


def network_findings(settings: NetworkSettings) -> Iterator[Finding]:
    """What is wrong with the network."""
    if settings.network_mode not in NETWORK_MODES:
        rule = f"how jobs reach AWS: {', '.join(NETWORK_MODES)}"
        yield Finding("network_mode", rule, settings.network_mode, "use one of these")
    if settings.existing_vpc is not None:
        yield from _existing_vpc_findings(settings.existing_vpc)
        return
    if not MIN_ZONES <= settings.zones <= MAX_ZONES:
        rule = f"a network spans {MIN_ZONES} to {MAX_ZONES} zones"
        yield Finding("zones", rule, settings.zones, "two are what every region has")
    if settings.network_mode == NAT and not 1 <= settings.nat_gateways <= settings.zones:
        rule = f"private subnets have a NAT gateway at least, and one a zone ({settings.zones}) at most"
        yield Finding("nat_gateways", rule, settings.nat_gateways, "1 is cheapest; one a zone survives its loss")
    yield from _cidr_findings(settings.vpc_cidr)


def _cidr_findings(cidr: str) -> Iterator[Finding]:
    try:
        network = ipaddress.IPv4Network(cidr)
    except ValueError as error:
        yield Finding("vpc_cidr", VPC_RULE, cidr, str(error))
        return
    if not LARGEST_VPC_PREFIX <= network.prefixlen <= SMALLEST_VPC_PREFIX:
        yield Finding("vpc_cidr", VPC_RULE, cidr, "use for instance 10.64.0.0/16")


def _existing_vpc_findings(vpc: ExistingVpc) -> Iterator[Finding]:
    for name, prefix, values in (("vpc_id", "vpc", [vpc.vpc_id]), ("subnet_ids", "subnet", list(vpc.subnet_ids))):
        for value in values:
            if not re.fullmatch(rf"{prefix}-[0-9a-f]{{8,17}}", value):
                rule = f"an id as EC2 gives it, {prefix}- and 8 to 17 hexadecimal digits"
                yield Finding(f"existing_vpc.{name}", rule, value, f"copy it from: aws ec2 describe-{prefix}s")
    zones, subnets = len(vpc.availability_zones), len(vpc.subnet_ids)
    if zones != subnets or not subnets or len(set(vpc.subnet_ids)) < subnets:
        rule = f"one subnet a zone, each once ({zones} zones are named)"
        yield Finding(
            "existing_vpc.subnet_ids", rule, vpc.subnet_ids, "name as many as there are zones, in their order"
        )
