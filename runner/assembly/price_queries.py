"""What to ask the AWS Price List API for, and how to read its answers. Pure: requests and documents.

An answer holds every product that passes the filters; the one meant is told by its usage type, which carries a prefix
such as `USE1-` with some services and none with others, though the region is the same. Sources:
https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_pricing_GetProducts.html
https://docs.aws.amazon.com/vpc/latest/userguide/vpc-billing-usage-reports.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_billing.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any, Final

from runner.assembly.price_table import REGION, UnpricedError

_PAGE: Final = 100
"""Most products of one answer."""

_PREFIX: Final = r"(?:[A-Z]{2,4}\d?-|us-east-1-)?"
_ANY_REGION: Final = ""


@dataclass(frozen=True, kw_only=True)
class PriceQuery:
    """One price on AWS's list."""

    service: str
    usage_type: str
    """Regular expression for the usage type, without the region's prefix."""
    unit: str
    """Of the list: `Hrs`, `GB-Mo`, …"""
    attributes: tuple[tuple[str, str], ...] = ()
    """Further attributes that the product must have, sent as filters."""
    region: str = REGION
    """Region code of the product; empty for what has one price everywhere."""
    units: int = 1
    """How many of the list's units are one of our table's: a million requests."""

    def request(self, token: str | None = None) -> dict[str, Any]:
        """The call of GetProducts, or for its next page."""
        wanted = [*self.attributes, *([("regionCode", self.region)] if self.region else [])]
        request: dict[str, Any] = {
            "ServiceCode": self.service,
            "FormatVersion": "aws_v1",
            "MaxResults": _PAGE,
            "Filters": [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in wanted],
        }
        return request if token is None else {**request, "NextToken": token}

    def usd(self, products: Iterable[str]) -> Decimal:
        """The price in the JSON texts of an answer; UnpricedError where none, or more than one, is meant."""
        amounts = {amount for text in products for amount in self._amounts(json.loads(text))}
        if len(amounts) != 1:
            found = ", ".join(sorted(map(str, amounts))) or "none"
            raise UnpricedError(
                f"one price of {self.service} {self.usage_type} in {self.unit} was expected, got {found}"
            )
        return amounts.pop() * self.units

    def _amounts(self, product: Mapping[str, Any]) -> Iterator[Decimal]:
        usage_type = product["product"]["attributes"].get("usagetype", "")
        if re.fullmatch(_PREFIX + self.usage_type, usage_type) is None:
            return
        for offer in product.get("terms", {}).get("OnDemand", {}).values():
            dimensions = [entry for entry in offer["priceDimensions"].values() if _is_unit(entry["unit"], self.unit)]
            priced = [(Decimal(entry.get("beginRange", "0")), _usd(entry)) for entry in dimensions]
            # Tiers begin with the free one, where there is one; the first that costs something is the list price.
            costly = sorted(entry for entry in priced if entry[1] > 0)
            if costly:
                yield costly[0][1]


def _is_unit(unit: str, wanted: str) -> bool:
    return unit.casefold() == wanted.casefold()


def _usd(dimension: Mapping[str, Any]) -> Decimal:
    try:
        return Decimal(dimension["pricePerUnit"]["USD"])
    except (KeyError, InvalidOperation) as error:
        raise UnpricedError(f"a price in USD was expected, got {dimension.get('pricePerUnit')!r}") from error


def _ec2(instance_type: str) -> PriceQuery:
    """Linux, on demand, shared hardware, nothing installed: one product for each type."""
    return PriceQuery(
        service="AmazonEC2",
        usage_type=re.escape(f"BoxUsage:{instance_type}"),
        unit="Hrs",
        attributes=(
            ("instanceType", instance_type),
            ("operatingSystem", "Linux"),
            ("preInstalledSw", "NA"),
            ("tenancy", "Shared"),
            ("capacitystatus", "Used"),
        ),
    )


def _lustre(name: str) -> PriceQuery:
    """By the parts of the price's name: deployment, storage and, of persistent ones, MB/s per TiB."""
    deployment, storage, *speed = name.split("-")
    attributes = [("fileSystemType", "Lustre"), ("storageType", storage.upper()), ("deploymentOption", "Single-AZ")]
    if speed:
        attributes.append(("throughputCapacity", speed[0]))
    return PriceQuery(
        service="AmazonFSx",
        usage_type=rf"Storage.*{deployment.partition('_')[0].capitalize()}.*",
        unit="GB-Mo",
        attributes=tuple(attributes),
    )


def _of(service: str, usage_type: str, unit: str, *attributes: tuple[str, str], units: int = 1) -> PriceQuery:
    return PriceQuery(service=service, usage_type=usage_type, unit=unit, attributes=attributes, units=units)


_MILLION: Final = 1_000_000

_QUERIES: Final[Mapping[str, PriceQuery]] = MappingProxyType(
    {
        "nat-gateway": _of("AmazonEC2", "NatGateway-Hours", "Hrs", ("productFamily", "NAT Gateway")),
        "nat-gateway-data": _of("AmazonEC2", "NatGateway-Bytes", "GB", ("productFamily", "NAT Gateway")),
        "public-ipv4": _of("AmazonVPC", "PublicIPv4:InUseAddress", "Hrs", ("group", "VPCPublicIPv4Address")),
        "interface-endpoint": _of("AmazonVPC", "VpcEndpoint-Hours", "Hrs", ("productFamily", "VpcEndpoint")),
        "interface-endpoint-data": _of("AmazonVPC", "VpcEndpoint-Bytes", "GB", ("productFamily", "VpcEndpoint")),
        "kms-key": _of("awskms", "KMS-Keys", "Keys"),
        "secret": _of("AWSSecretsManager", "AWSSecretsManager-Secrets", "Secrets", ("productFamily", "Secret")),
        "alarm": _of("AmazonCloudWatch", "CW:AlarmMonitorUsage", "Alarms", ("productFamily", "Alarm")),
        "alarm-high-resolution": _of(
            "AmazonCloudWatch", "CW:HighResAlarmMonitorUsage", "Alarms", ("productFamily", "Alarm")
        ),
        "alarm-composite": _of(
            "AmazonCloudWatch", "CW:CompositeAlarmMonitorUsage", "Alarms", ("productFamily", "Alarm")
        ),
        "dashboard": PriceQuery(
            service="AmazonCloudWatch",
            usage_type="DashboardsUsageHour",
            unit="Dashboards",
            attributes=(("productFamily", "Dashboard"),),
            region=_ANY_REGION,
        ),
        "custom-metric": _of("AmazonCloudWatch", "CW:MetricMonitorUsage", "Metrics", ("productFamily", "Metric")),
        "logs-stored": _of("AmazonCloudWatch", "TimedStorage-ByteHrs", "GB-Mo", ("productFamily", "Storage Snapshot")),
        "logs-taken-in": _of("AmazonCloudWatch", "DataProcessing-Bytes", "GB", ("productFamily", "Data Payload")),
        "s3-stored": _of("AmazonS3", "TimedStorage-ByteHrs", "GB-Mo", ("volumeType", "Standard")),
        "ecr-stored": _of("AmazonECR", "TimedStorage-ByteHrs", "GB-Mo"),
        "efs-stored": _of("AmazonEFS", "TimedStorage-ByteHrs", "GB-Mo", ("storageClass", "General Purpose")),
        "ebs-gp3": _of("AmazonEC2", r"EBS:VolumeUsage\.gp3", "GB-Mo", ("volumeApiName", "gp3")),
        "ebs-gp3-iops": _of("AmazonEC2", r"EBS:VolumeP-IOPS\.gp3", "IOPS-Mo", ("volumeApiName", "gp3")),
        "ebs-gp3-throughput": _of("AmazonEC2", r"EBS:VolumeP-Throughput\.gp3", "GiBps-mo", ("volumeApiName", "gp3")),
        "ebs-gp2": _of("AmazonEC2", r"EBS:VolumeUsage\.gp2", "GB-Mo", ("volumeApiName", "gp2")),
        "lambda-requests": _of("AWSLambda", "Request", "Requests", ("group", "AWS-Lambda-Requests"), units=_MILLION),
        "lambda-time": _of("AWSLambda", "Lambda-GB-Second", "Lambda-GB-Second", ("group", "AWS-Lambda-Duration")),
        "scheduler": _of("AWSEvents", "ScheduledInvocation", "Invocations", units=_MILLION),
        "sqs-requests": _of("AWSQueueService", "Requests-Tier1", "Requests", ("queueType", "Standard"), units=_MILLION),
        "sns-requests": _of("AmazonSNS", "Requests-Tier1", "Requests", units=_MILLION),
        "codebuild-small": _of("CodeBuild", "Build-Min:Linux:g1.small", "minutes"),
        "budget-action": PriceQuery(
            service="AWSBudgets", usage_type="ActionEnabledBudgetsUsage", unit="BudgetDays", region=_ANY_REGION
        ),
    }
)


def query_for(name: str) -> PriceQuery:
    """What to ask for the price of this name in the table; UnpricedError where nobody knows."""
    family, _, rest = name.partition("-")
    if family == "ec2":
        return _ec2(rest)
    if name.startswith("fsx-lustre-"):
        return _lustre(name.removeprefix("fsx-lustre-"))
    try:
        return _QUERIES[name]
    except KeyError:
        raise UnpricedError(f"no filters are known for {name}") from None
