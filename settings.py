"""What a deployment is made of, one frozen instance per profile: `cdk deploy -c profile=NAME`.

Only the composition root reads a Settings; stacks and constructs are handed single values. Every default is a
decision with its cost: prices are on-demand us-east-1 list prices in USD of 2026, as an order of magnitude. The
default profile costs nothing per hour while idle: what remains is stored bytes. Imports nothing of ours.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

DEFAULT_PROFILE: Final = "default"

_DEPLOYMENT_PATTERN: Final = r"[A-Za-z][A-Za-z0-9-]{0,99}"
"""A stack name's characters, with room for the suffix that tells a deployment's stacks apart.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html
"""


class SettingsError(ValueError):
    """A profile or deployment that cannot be used, in words for the person who named it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """One profile. A value that AWS would refuse is refused at synth, by the construct that knows the rule."""

    vpc_cidr: str = "10.64.0.0/16"
    """IPv4 range of the VPC. 65,536 addresses cost nothing; change it where the VPC will be peered."""

    flow_log_retention_days: int = 30
    """How long the VPC's flow logs are kept: 0.50 per GB taken in, 0.03 per GB-month; no traffic, no bytes."""

    fargate_max_vcpus: int = 32
    """Upper bound of the Fargate environment: at most 1.6 per hour with 2 GB a vCPU, 0 while no job runs.

    A new account's own quota is often 6 vCPUs; jobs beyond it wait in RUNNABLE.
    """

    ec2_max_vcpus: int = 32
    """Upper bound of the EC2 environment: about 1.5 per hour when full, 0 while no job runs (minimum vCPUs is 0)."""

    ec2_instance_types: tuple[str, ...] = (
        "c6i.large",
        "m6i.large",
        "c6i.xlarge",
        "m6i.xlarge",
        "c6i.2xlarge",
        "m6i.2xlarge",
        "c6i.4xlarge",
        "m6i.4xlarge",
    )
    """x86 types that Batch may choose from, 0.085 to 0.77 per hour each; a job is billed for its instance's time.

    Named types rather than whole families: no job can start a machine that is not on this list.
    """

    ec2_root_volume_gib: int = 50
    """Encrypted gp3 root volume of an instance, image layers and scratch: 0.08 per GiB-month while it runs."""

    retain_results: bool = True
    """Whether `cdk destroy` leaves the bucket of results behind (0.023 per GB-month): work is not lost by a command."""

    noncurrent_version_days: int = 30
    """How long an overwritten or deleted object can still be brought back; its bytes cost until then."""

    access_log_days: int = 90
    """How long the log of requests to the bucket is kept; a few hundred bytes per request."""

    results_prefix: str = "results/"
    """Key prefix that job roles may read and write; nothing else in the bucket is theirs. Ends with a slash."""

    images_kept: int = 10
    """Newest images kept per repository (0.10 per GB-month). A job definition that names an older one cannot start."""

    job_log_retention_days: int = 30
    """How long the output of jobs is kept: 0.50 per GB taken in, 0.03 per GB-month."""

    high_priority: int = 100
    """Priority of queue `high`; Batch places jobs of the higher one first on the environment that queues share."""

    normal_priority: int = 10
    """Priority of queue `normal`."""

    ec2_priority: int = 10
    """Priority of queue `ec2`, which has its environment for itself."""

    job_vcpus: float = 1.0
    """vCPUs of a dopi job: with 2,048 MiB, 0.049 per hour of run time and 0.005 for its address, a minute at least."""

    job_memory_mib: int = 2048
    """Memory of a dopi job; Fargate runs fixed pairs with the vCPUs."""

    job_attempts: int = 3
    """Attempts when AWS, not the program, failed: a lost host, an interruption, an image that could not be pulled."""

    job_timeout_seconds: int = 600
    """Longest run of one attempt: bounds the cost of a program that hangs at about 0.008."""


PROFILES: Final[Mapping[str, Settings]] = MappingProxyType({DEFAULT_PROFILE: Settings()})


def settings_for(profile: str) -> Settings:
    """The settings of a profile; SettingsError with the profiles there are for another name."""
    try:
        return PROFILES[profile]
    except KeyError:
        known = ", ".join(PROFILES)
        message = f"-c profile: names a profile of settings.py, got {profile!r}; use one of: {known}"
        raise SettingsError(message) from None


def checked_deployment(deployment: str) -> str:
    """The deployment's name, fit to begin the names of its stacks; SettingsError for any other."""
    if re.fullmatch(_DEPLOYMENT_PATTERN, deployment):
        return deployment
    message = (
        "-c deployment: begins the names of CloudFormation stacks, so a letter, then at most 99 letters, digits "
        f"or hyphens, got {deployment!r}; choose such a name"
    )
    raise SettingsError(message)
