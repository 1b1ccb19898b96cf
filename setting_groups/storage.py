"""Settings of what is kept: bucket, file systems, images, logs."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from setting_groups.finding import Finding

LOG_RETENTION_DAYS: Final = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1827, 3653)
"""Source: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html"""

LUSTRE_GIB_STEP: Final = 2400
LUSTRE_LEAST_GIB: Final = 1200
"""Of SCRATCH_2. Source: https://docs.aws.amazon.com/fsx/latest/LustreGuide/getting-started.html"""

_EXAMPLES: Final[Mapping[str, str]] = MappingProxyType(
    {"results_prefix": "results/", "programs_prefix": "programs/", "runs_prefix": "runs/"}
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrefixGrant:
    """What a job definition's program may reach in the bucket, as key prefixes that each end with a slash."""

    write: tuple[str, ...] = ()
    """Read, written and listed."""
    read: tuple[str, ...] = ()
    """Read and listed only."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class StorageSettings:
    """What is kept, for how long, by which key, and who among the jobs may reach it."""

    retain_results: bool = True
    """Whether `cdk destroy` leaves the bucket of results (0.023 per GB-month) and the shared file system (0.30) behind:
    work is not lost by a command.
    """

    retain_images: bool = False
    """Whether `cdk destroy` leaves repositories and their images behind (0.10 per GB-month); they are made from their
    folders again with `hpc images push`.
    """

    retain_logs: bool = False
    """Whether `cdk destroy` leaves the logs of jobs behind (0.03 per GB-month) until their events expire."""

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

    prefix_grants: Mapping[str, PrefixGrant] = dataclasses.field(default_factory=lambda: MappingProxyType({}))
    """What the program of a job definition may reach in the bucket, by the definition's name; of one that is not named,
    `results_prefix` to write. `{"dopi": PrefixGrant(write=("results/",), read=("reference/",))}`, for instance, lets
    dopi read reference data that no job can change. Costs nothing.
    """

    own_key: bool = False
    """Whether bucket, shared file system, secret, topics and logs of jobs are encrypted with a KMS key of the
    deployment, which its owner can revoke, in place of AWS's own: 1.00 a month, then 0.03 per 10,000 requests.
    """

    has_shared_file_system: bool = False
    """Whether every job finds an EFS file system at /shared: 0.30 per GB-month stored, 0.03 per GB read and 0.06 per GB
    written; nothing while it is empty. Kept by `cdk destroy` where results are.
    """

    lustre_gib: int | None = None
    """Capacity of an FSx for Lustre file system at /lustre of MPI nodes, linked to the results in the bucket: 1,200, or
    a multiple of 2,400. None: there is none. 1,200 GiB are 168 a month, used or not, so make it for a campaign and
    take it away again; it is scratch, in one zone, and `cdk destroy` deletes it.
    """

    images_kept: int = 10
    """Newest images kept per repository (0.10 per GB-month). A job definition that names an older one cannot start."""

    job_log_retention_days: int = 30
    """How long the output of jobs is kept: 0.50 per GB taken in, 0.03 per GB-month."""


def storage_findings(settings: StorageSettings, programs: frozenset[str]) -> Iterator[Finding]:
    """What is wrong with what is kept; `programs` are the names of the job definitions."""
    yield from _prefix_findings(settings)
    yield from _grant_findings(settings, programs)
    for name in ("noncurrent_version_days", "access_log_days", "program_days"):
        if getattr(settings, name) < 1:
            rule = "an object expires after 1 day or more (API_LifecycleExpiration)"
            yield Finding(name, rule, getattr(settings, name), "raise it")
    yield from log_day_findings("job_log_retention_days", settings.job_log_retention_days)
    if settings.images_kept < 1:
        rule = "a repository keeps at least 1 image, the one in use"
        yield Finding("images_kept", rule, settings.images_kept, "raise it")
    lustre = settings.lustre_gib
    if lustre is not None and lustre != LUSTRE_LEAST_GIB and (lustre < 1 or lustre % LUSTRE_GIB_STEP):
        rule = f"{LUSTRE_LEAST_GIB} GiB or a multiple of {LUSTRE_GIB_STEP} (FSx for Lustre, SCRATCH_2)"
        yield Finding("lustre_gib", rule, lustre, "use one of these, or None for no such file system")


def log_day_findings(name: str, days: int) -> Iterator[Finding]:
    """Whether CloudWatch Logs knows the retention."""
    if days not in LOG_RETENTION_DAYS:
        legal = ", ".join(str(choice) for choice in LOG_RETENTION_DAYS)
        yield Finding(name, f"CloudWatch Logs keeps events {legal} days (API_PutRetentionPolicy)", days, "use one")


def _prefix_findings(settings: StorageSettings) -> Iterator[Finding]:
    prefixes = {name: str(getattr(settings, name)) for name in _EXAMPLES}
    for name, value in prefixes.items():
        if not _is_folder(value):
            rule = "a key prefix ends with a slash and does not begin with one"
            yield Finding(name, rule, value, f"use for instance {_EXAMPLES[name]!r}")
    for (first, one), (second, other) in itertools.combinations(prefixes.items(), 2):
        if one.startswith(other) or other.startswith(one):
            rule = f"it lies beside {first} ({one!r}), so that each has its own expiry and its own readers"
            yield Finding(second, rule, other, f"use for instance {_EXAMPLES[second]!r}")


def _grant_findings(settings: StorageSettings, programs: frozenset[str]) -> Iterator[Finding]:
    name = "prefix_grants"
    private = (settings.programs_prefix, settings.runs_prefix)
    for program, grant in settings.prefix_grants.items():
        if program not in programs:
            yield Finding(name, f"names job definitions: {', '.join(sorted(programs))}", program, "use one of these")
        for prefix in (*grant.write, *grant.read):
            if not _is_folder(prefix):
                rule = "a key prefix ends with a slash and does not begin with one"
                yield Finding(f"{name} of {program}", rule, prefix, "use for instance 'reference/'")
            elif any(prefix.startswith(taken) or taken.startswith(prefix) for taken in private):
                rule = f"programs and ledgers of runs ({', '.join(private)}) are not for grants"
                yield Finding(f"{name} of {program}", rule, prefix, "use another prefix")


def _is_folder(prefix: str) -> bool:
    return prefix.endswith("/") and not prefix.startswith("/") and len(prefix) > 1
