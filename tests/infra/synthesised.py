"""A synthesised template, with the questions that tests ask of it."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Protocol

CHECKOUT = Path(__file__).resolve().parents[2]
STACKS = ("CloudHpc-Network", "CloudHpc-Storage", "CloudHpc-Batch")


def app_with(settings: str) -> str:
    """Source of an app like that of the checkout, whose every profile is this expression of `Settings`."""
    return f"""
import dataclasses
import sys
sys.path.insert(0, {str(CHECKOUT)!r})
import app
from setting_groups.network import ExistingVpc
from setting_groups.storage import PrefixGrant
from settings import PRIVATE, PRODUCTION, Settings

app.settings_for = lambda profile: {settings}
sys.exit(app.main())
"""


PUSHING_APP = app_with("Settings(push_job_events=True)")
"""With a profile that pushes changes of jobs' states."""

OBSERVING = """Settings(
    alarm_email="lab@example.org",
    counts_ended_jobs=True,
    queue_metrics_minutes=5,
    stuck_alarm_minutes=30,
    failure_rate_alarm=0.2,
    monthly_budget_usd=50,
    has_dashboard=True,
)"""
OBSERVING_APP = app_with(OBSERVING)
"""With a profile that tells everything that the local cloud can."""

RICH = """Settings(
    network_mode="endpoints",
    zones=3,
    gpu_instance_types=("g5.xlarge",),
    own_key=True,
    has_shared_file_system=True,
    lustre_gib=1200,
    head_node_instance_type="t4g.small",
    job_scratch_gib=100,
    share_weights={"optics": 1.0, "plasma*": 0.5},
    prefix_grants={"dopi": PrefixGrant(write=("results/",), read=("reference/",)), "mpi": PrefixGrant(write=("big/",))},
    tags={"cost-centre": "7"},
    permissions_boundary_arn="arn:aws:iam::123456789012:policy/Bound",
)"""
"""Settings with what no profile of the table asks for."""

WITH_HEAD_NODE = """Settings(
    head_node_instance_type="t4g.small",
    head_node_idle_minutes=45,
    has_shared_file_system=True,
)"""
"""Settings with a head node where its way out is a public address."""

BORROWED = """Settings(
    existing_vpc=ExistingVpc(
        vpc_id="vpc-0a1b2c3d",
        availability_zones=("eu-central-1a", "eu-central-1b"),
        subnet_ids=("subnet-0a1b2c3d", "subnet-0a1b2c3e"),
    ),
    network_mode="nat",
    spot_share=0,
    cpu_architecture="arm64",
    ec2_instance_types=("c7g.large", "m7g.xlarge"),
    mpi_instance_types=("c7g.large",),
    has_image_builder=False,
)"""
"""Settings for a VPC that is there already, without Spot, on Graviton, with images that are built elsewhere."""


VARIANTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "default": "Settings()",
        "private": "PRIVATE",
        "production": "PRODUCTION",
        "observing": OBSERVING,
        "rich": RICH,
        "borrowed": BORROWED,
        "head-node": WITH_HEAD_NODE,
    }
)
"""The profiles and what else settings can make, which together synthesise every resource that there can be."""


class Synthesise(Protocol):
    """Synthesise into a folder, in a process of its own with nothing of AWS in its environment but `extra`."""

    def __call__(
        self, outdir: Path, command: Sequence[str] = ..., extra: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """The finished process, with its output."""
        ...


@dataclasses.dataclass(frozen=True)
class Template:
    """One stack's template."""

    text: str

    @property
    def document(self) -> dict[str, Any]:
        """The whole of it."""
        document: dict[str, Any] = json.loads(self.text)
        return document

    def resources(self, kind: str) -> dict[str, dict[str, Any]]:
        """Logical id -> resource, of one CloudFormation type."""
        return {name: body for name, body in self.document["Resources"].items() if body["Type"] == kind}

    def properties(self, kind: str, path: str = "") -> dict[str, Any]:
        """The properties of the one resource of that type whose construct path ends with `path`."""
        found = [
            body["Properties"]
            for body in self.resources(kind).values()
            if body["Metadata"]["aws:cdk:path"].endswith(f"{path}/Resource")
        ]
        assert len(found) == 1, f"{kind} at {path}: {len(found)} found"
        properties: dict[str, Any] = found[0]
        return properties

    def policy_statements(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each statement of each IAM policy, with the logical id of its resource."""
        for kind in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
            for name, body in self.resources(kind).items():
                for statement in body["Properties"]["PolicyDocument"]["Statement"]:
                    yield name, statement


def read_templates(assembly: Path) -> dict[str, str]:
    """Stack name -> text of its template, as the assembly in `assembly` holds them."""
    return {
        path.name.removesuffix(".template.json"): path.read_text(encoding="utf-8")
        for path in sorted(assembly.glob("*.template.json"))
    }


def listed(value: Any) -> list[Any]:
    """A policy's action or resource as a list, however few there are."""
    return value if isinstance(value, list) else [value]


def flat(value: Any) -> str:
    """A value with its intrinsic functions as text, to look for parts of ARNs in."""
    return json.dumps(value, sort_keys=True)


def without_hashes(text: str) -> str:
    """A template's text without the content hashes of assets and images, which change with every edit of them."""
    text = re.sub(r"[0-9a-f]{64}", "ASSET-HASH", text)
    return re.sub(r'":[0-9a-f]{16}"', '":IMAGE-TAG"', text)
