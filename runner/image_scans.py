"""What ECR's scans found in images: how many by severity, and the worst with package, version and fix."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from botocore.exceptions import ClientError

from runner.aws_clients import Answer, EcrClient
from runner.running_images import RunningImage

SEVERITIES: Final = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL", "UNTRIAGED", "UNDEFINED")
"""Worst first. UNTRIAGED is enhanced scanning's word, UNDEFINED basic scanning's, for a severity not known yet."""

MAX_FINDINGS_PER_CALL: Final = 1000
"""Source: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_DescribeImageScanFindings.html"""

_DONE: Final = frozenset({"COMPLETE", "ACTIVE"})
"""ACTIVE is enhanced scanning's: the image is scanned, and again whenever something becomes known."""

_STATES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "IN_PROGRESS": "the scan still runs",
        "PENDING": "the scan has not begun",
        "FAILED": "the scan failed",
        "UNSUPPORTED_IMAGE": "ECR cannot scan such an image",
        "SCAN_ELIGIBILITY_EXPIRED": "the image is too old to be scanned again",
        "FINDINGS_UNAVAILABLE": "findings are not available",
        "LIMIT_EXCEEDED": "the limit of scans is reached",
        "IMAGE_ARCHIVED": "the image is archived",
    }
)
"""ScanStatus of those that tell no findings."""

_ABSENT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ScanNotFoundException": "not scanned",
        "ImageNotFoundException": "not pushed",
        "AccessDeniedException": "not allowed to see (ecr:DescribeImageScanFindings)",
    }
)
"""Error codes of DescribeImageScanFindings that are answers."""


@dataclass(frozen=True, kw_only=True)
class ScanFinding:
    """One weakness of one package."""

    severity: str
    name: str
    """Its CVE, as a rule."""
    package: str
    version: str
    fixed_in: str
    """The version that has it no more; empty where the scan tells none: basic scanning never does."""
    uri: str

    def document(self) -> dict[str, str]:
        """For --json."""
        return {
            "severity": self.severity,
            "name": self.name,
            "package": self.package,
            "version": self.version,
            "fixedIn": self.fixed_in,
            "uri": self.uri,
        }


@dataclass(frozen=True, kw_only=True)
class ImageScan:
    """What is known of one image."""

    is_done: bool
    state: str
    """In words, where it is not done."""
    counts: Mapping[str, int]
    """By severity, worst first; without zeros."""
    findings: tuple[ScanFinding, ...] = ()
    """Worst first."""

    def summary(self) -> str:
        """`2 critical, 5 high`, `no findings`, or why nothing is known."""
        if not self.is_done:
            return self.state
        return ", ".join(f"{count} {severity.lower()}" for severity, count in self.counts.items()) or "no findings"

    def reaches(self, severity: str) -> bool:
        """Whether something is as bad or worse, or nothing is known: what is not known may be the worst."""
        bad = SEVERITIES[: SEVERITIES.index(severity) + 1]
        return not self.is_done or any(name in bad for name in self.counts)


def scan_summary(ecr: EcrClient, image: RunningImage) -> ImageScan:
    """Counts alone: one call."""
    return _scan(ecr, image, with_findings=False)


def image_scan(ecr: EcrClient, image: RunningImage) -> ImageScan:
    """Counts and every finding, however many pages they fill."""
    return _scan(ecr, image, with_findings=True)


def _scan(ecr: EcrClient, image: RunningImage, *, with_findings: bool) -> ImageScan:
    request: dict[str, Any] = {
        "repositoryName": image.repository,
        "imageId": image.image_id(),
        "maxResults": MAX_FINDINGS_PER_CALL if with_findings else 1,
    }
    findings: list[ScanFinding] = []
    try:
        while True:
            answer = ecr.describe_image_scan_findings(**request)
            status = answer.get("imageScanStatus", {}).get("status", "")
            if status not in _DONE:
                return _unknown(_with_description(answer, _STATES.get(status, status or "not scanned")))
            page: Mapping[str, Any] = answer.get("imageScanFindings", {})
            findings += map(_basic, page.get("findings", ()))
            findings += map(_enhanced, page.get("enhancedFindings", ()))
            counts = page.get("findingSeverityCounts", {})
            # Counts are of the whole scan, on every page.
            if not answer.get("nextToken") or (counts and not with_findings):
                break
            request["nextToken"] = answer["nextToken"]
    except ClientError as error:
        said = _ABSENT.get(error.response["Error"]["Code"])
        if said is None:
            raise
        return _unknown(said)
    if not counts:
        counts = Counter(finding.severity for finding in findings)
    return ImageScan(
        is_done=True,
        state="",
        counts={name: int(counts[name]) for name in sorted(counts, key=_rank) if counts[name]},
        findings=tuple(sorted(findings, key=lambda one: (_rank(one.severity), one.name, one.package))),
    )


def _unknown(state: str) -> ImageScan:
    return ImageScan(is_done=False, state=state, counts={})


def _with_description(answer: Answer, state: str) -> str:
    said = answer["imageScanStatus"].get("description", "") if "imageScanStatus" in answer else ""
    return f"{state}: {said}" if said else state


def _rank(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)


def _basic(finding: Answer) -> ScanFinding:
    attributes = {one["key"]: one.get("value", "") for one in finding.get("attributes", ())}
    return ScanFinding(
        severity=finding.get("severity", "UNDEFINED"),
        name=finding.get("name", ""),
        package=attributes.get("package_name", ""),
        version=attributes.get("package_version", ""),
        fixed_in="",
        uri=finding.get("uri", ""),
    )


def _enhanced(finding: Answer) -> ScanFinding:
    details: Mapping[str, Any] = finding.get("packageVulnerabilityDetails", {})
    packages: Sequence[Mapping[str, Any]] = details.get("vulnerablePackages") or ({},)
    return ScanFinding(
        severity=finding.get("severity", "UNTRIAGED"),
        name=details.get("vulnerabilityId") or finding.get("title", ""),
        package=", ".join(dict.fromkeys(package.get("name", "") for package in packages)),
        version=", ".join(dict.fromkeys(package.get("version", "") for package in packages)),
        fixed_in=", ".join(dict.fromkeys(filter(None, (package.get("fixedInVersion") for package in packages)))),
        uri=details.get("sourceUrl", ""),
    )
