"""What a deployment is made of, one frozen instance per profile: `cdk deploy -c profile=NAME`.

Only the composition root reads a Settings; stacks and constructs are handed single values. Every default is a
decision with its cost: prices are on-demand us-east-1 list prices in USD of 2026, as an order of magnitude. The
default profile costs nothing per hour while idle: what remains is stored bytes, and 0.40 a month for the secret that
nodes of MPI jobs know each other by. Imports nothing of ours but `setting_groups`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from setting_groups.head_node import HeadNodeSettings

DEFAULT_PROFILE: Final = "default"

_DEPLOYMENT_PATTERN: Final = r"[A-Za-z][A-Za-z0-9-]{0,99}"
"""A stack name's characters, with room for the suffix that tells a deployment's stacks apart.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html
"""


class SettingsError(ValueError):
    """A profile or deployment that cannot be used, in words for the person who named it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(HeadNodeSettings):
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

    programs_prefix: str = "programs/"
    """Key prefix of programs, and of what else is sent to jobs, which may read it. Ends with a slash."""

    runs_prefix: str = "runs/"
    """Key prefix of the ledgers of runs, so that a run can be followed from another machine; 0.023 per GB-month.

    No job role may read or write there. Ends with a slash.
    """

    program_days: int = 30
    """How long a program is kept after it was last sent: some kilobytes, at 0.023 per GB-month.

    A job that waits longer than that for its instances does not find its program.
    """

    images_kept: int = 10
    """Newest images kept per repository (0.10 per GB-month). A job definition that names an older one cannot start."""

    job_log_retention_days: int = 30
    """How long the output of jobs is kept: 0.50 per GB taken in, 0.03 per GB-month."""

    push_job_events: bool = False
    """Whether every change of a job's state is put into an SQS queue, for those who follow jobs to wait at.

    Nothing while no job runs: events of AWS services are free, SQS takes 0.40 per million requests. A job has five or
    six changes, each one request to put in and, ten at a time, two to take out: 10,000 jobs for 0.03. Who waits at the
    queue makes 180 requests an hour.
    """

    high_priority: int = 100
    """Priority of queue `high`; Batch places jobs of the higher one first on the environment that queues share."""

    normal_priority: int = 10
    """Priority of queue `normal`."""

    ec2_priority: int = 10
    """Priority of queue `ec2`, which has its environment for itself."""

    job_vcpus: float = 1.0
    """vCPUs of a dopi, dopisecond or fieldstats job: with 2,048 MiB, 0.049 per hour of run time and 0.005 for its
    address, a minute at least.
    """

    job_memory_mib: int = 2048
    """Memory of such a job; Fargate runs fixed pairs with the vCPUs."""

    job_attempts: int = 3
    """Attempts when AWS, not the program, failed: a lost host, an interruption, an image that could not be pulled."""

    job_timeout_seconds: int = 600
    """Longest run of one attempt: bounds the cost of a program that hangs at about 0.008."""

    standin_vcpus: float = 0.25
    """vCPUs of a standin job, which takes a program's place in a trial: with 512 MiB, Fargate's least, 0.012 per hour
    of run time and 0.005 for its address, a minute at least.
    """

    standin_memory_mib: int = 512
    """Memory of a standin job."""

    barrier_vcpus: float = 0.25
    """vCPUs of a barrier, a job that only waits for others and ends: with 512 MiB, 0.0003 each, for its least minute.

    While it waits for them it costs nothing.
    """

    barrier_memory_mib: int = 512
    """Memory of a barrier."""

    barrier_timeout_seconds: int = 60
    """Longest run of a barrier, which has nothing to do: Batch's least."""

    mpi_instance_types: tuple[str, ...] = ("c6i.large",)
    """x86 types of MPI nodes, one instance a node, 0.085 per hour each.

    2 vCPUs are two threads of one core: enough to learn with. For real work name one larger type, so that all nodes
    are alike, and raise `mpi_node_vcpus` and `mpi_node_memory_mib` with it.
    """

    mpi_max_vcpus: int = 64
    """Upper bound of all MPI nodes together: 32 of the default type, 2.7 per hour when full, 0 while no job runs.

    A job that needs more waits for ever. A new account's own quota of on-demand vCPUs is often 5 to 32.
    """

    mpi_zone: int = 0
    """Which of the network's two zones MPI nodes start in: a cluster placement group lies in one. The other where the
    type is not offered or is short in the first. Traffic within a zone costs nothing.
    """

    mpi_use_efa: bool = False
    """Whether nodes talk through an Elastic Fabric Adapter, which costs nothing itself; the types that have one are
    large: hpc6a.48xlarge 2.9 per hour, c6i.32xlarge 5.4.
    """

    mpi_node_vcpus: float = 2.0
    """vCPUs of a node's container. Two containers never share an instance, so ask for all that the type has."""

    mpi_node_memory_mib: int = 2048
    """Memory of a node's container, of the type's 4,096 MiB; a submission can ask for up to 95 % of those."""

    mpi_shared_memory_mib: int | None = None
    """Size of /dev/shm, through which ranks of one node talk. None is Docker's own 64 MiB, for a dozen ranks.

    Give larger nodes about 8 MiB a rank. The local cloud needs mount name spaces of Linux to give any other size.
    """

    mpi_has_shared_file_system: bool = False
    """Whether every MPI node finds an EFS file system at /shared: 0.30 per GB-month stored, 0.03 per GB read and 0.06
    per GB written; nothing while it is empty. Kept by `cdk destroy` where results are.
    """

    mpi_priority: int = 10
    """Priority of queue `mpi`, which has its environment for itself."""

    mpi_join_seconds: int = 600
    """How long the main node waits for the others, whose instances pull the image: bounds what a node that never comes
    costs at 0.014 a node.
    """

    mpi_timeout_seconds: int = 3600
    """Longest run of one attempt of an MPI job, waiting for its nodes included: 0.085 a node at most."""


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
