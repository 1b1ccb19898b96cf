"""What a deployment is made of, one frozen instance per profile: `cdk deploy -c profile=NAME`.

Only the composition root reads a Settings; stacks and constructs are handed single values. The settings themselves,
each with its cost, are in `setting_groups`, one module a subject. The default profile costs nothing per hour while
idle: what remains is stored bytes, and 0.40 USD a month for the secret that nodes of MPI jobs know each other by.

To add a profile, add an entry to PROFILES: `Settings` with what differs from the defaults, or
`dataclasses.replace(PRODUCTION, …)` with what differs from another profile.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from deployment_outputs import DEFAULT_PROFILE, IMAGE_URIS
from setting_groups.compute import ComputeSettings, compute_findings
from setting_groups.finding import Finding
from setting_groups.head_node import HeadNodeSettings, head_node_findings
from setting_groups.images import ImageSettings, architecture_findings, image_findings
from setting_groups.jobs import JobSettings, job_findings
from setting_groups.mpi import MpiSettings, mpi_findings
from setting_groups.network import ENDPOINTS, NAT, NetworkSettings, network_findings
from setting_groups.observation import ObservationSettings, observation_findings
from setting_groups.security import SecuritySettings, security_findings
from setting_groups.storage import StorageSettings, log_day_findings, storage_findings
from setting_groups.value_types import value_findings

_DEPLOYMENT_PATTERN: Final = r"[A-Za-z][A-Za-z0-9-]{0,99}"
"""A stack name's characters, with room for the suffix that tells a deployment's stacks apart.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html
"""


class SettingsError(ValueError):
    """A profile or deployment that cannot be used, in words for the person who named it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(
    NetworkSettings,
    ComputeSettings,
    JobSettings,
    MpiSettings,
    HeadNodeSettings,
    StorageSettings,
    ImageSettings,
    ObservationSettings,
    SecuritySettings,
):
    """One profile."""


DEFAULT: Final = Settings()
"""Free while idle: for a first try, and for a group whose jobs may have public addresses that answer nobody."""

PRIVATE: Final = Settings(network_mode=ENDPOINTS)
"""No address that the Internet knows, and no way to it: jobs reach AWS alone, through interface endpoints."""

PRODUCTION: Final = Settings(
    network_mode=NAT,
    nat_gateways=2,
    fargate_max_vcpus=256,
    ec2_max_vcpus=512,
    mpi_max_vcpus=512,
    retain_images=True,
    retain_logs=True,
    job_log_retention_days=365,
    flow_log_retention_days=365,
    access_log_days=365,
    own_key=True,
    has_shared_file_system=True,
    push_job_events=True,
    counts_ended_jobs=True,
    queue_metrics_minutes=5,
    has_dashboard=True,
    container_insights=True,
)
"""For a group that depends on it: private, watched, with a key of its own, and what was made outlives the stacks.

Whom to tell, and what it may cost a month, it cannot know: add alarm_email, with it stuck_alarm_minutes,
failure_rate_alarm and monthly_budget_usd.
"""

PROFILES: Final[Mapping[str, Settings]] = MappingProxyType(
    {DEFAULT_PROFILE: DEFAULT, "private": PRIVATE, "production": PRODUCTION}
)


def settings_for(profile: str) -> Settings:
    """The settings of a profile; SettingsError with the profiles there are for another name."""
    try:
        return PROFILES[profile]
    except KeyError:
        known = ", ".join(PROFILES)
        message = f"-c profile: names a profile of settings.py, got {profile!r}; use one of: {known}"
        raise SettingsError(message) from None


def checked_settings(settings: Settings) -> Settings:
    """The settings, fit to be deployed; SettingsError with every finding, one a line, where some are not.

    Rules take values for what they are declared as, and hold some against others: they are asked when all are.
    """
    findings = list(value_findings(settings)) or list(_findings(settings))
    if findings:
        raise SettingsError("\n".join(str(finding) for finding in findings))
    return settings


def _findings(settings: Settings) -> Iterator[Finding]:
    yield from network_findings(settings)
    if settings.existing_vpc is None:
        yield from log_day_findings("flow_log_retention_days", settings.flow_log_retention_days)
    yield from compute_findings(settings)
    yield from job_findings(settings)
    zones = settings.zones if settings.existing_vpc is None else len(settings.existing_vpc.subnet_ids)
    yield from mpi_findings(settings, zones)
    yield from head_node_findings(settings)
    yield from storage_findings(settings, frozenset(IMAGE_URIS))
    yield from image_findings(settings, frozenset(IMAGE_URIS))
    names = ("ec2_instance_types", "gpu_instance_types", "mpi_instance_types")
    yield from architecture_findings(settings, {name: getattr(settings, name) for name in names})
    yield from observation_findings(settings)
    yield from security_findings(settings)


def checked_deployment(deployment: str) -> str:
    """The deployment's name, fit to begin the names of its stacks; SettingsError for any other."""
    if re.fullmatch(_DEPLOYMENT_PATTERN, deployment):
        return deployment
    message = (
        "-c deployment: begins the names of CloudFormation stacks, so a letter, then at most 99 letters, digits "
        f"or hyphens, got {deployment!r}; choose such a name"
    )
    raise SettingsError(message)
