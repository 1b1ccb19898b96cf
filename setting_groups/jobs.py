"""Settings of jobs of one container."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Final

from batch_limits import MAX_ATTEMPTS, MAX_TIMEOUT_SECONDS, MIN_TIMEOUT_SECONDS, explain_fargate_size
from setting_groups.finding import Finding

MIN_SCRATCH_GIB: Final = 21
MAX_SCRATCH_GIB: Final = 200
"""Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_EphemeralStorage.html"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class JobSettings:
    """Sizes, attempts and time limits; a submission may ask for others."""

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

    job_scratch_gib: int | None = None
    """Scratch of a job on Fargate, image included: 21 to 200. None is Fargate's own 20 GiB, which is free; beyond,
    0.00011 per GiB-hour. On EC2, scratch is the instance's root volume (`ec2_root_volume_gib`).
    """

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

    push_job_events: bool = False
    """Whether every change of a job's state is put into an SQS queue, for those who follow jobs to wait at.

    Nothing while no job runs: events of AWS services are free, SQS takes 0.40 per million requests. A job has five or
    six changes, each one request to put in and, ten at a time, two to take out: 10,000 jobs for 0.03. Who waits at the
    queue makes 180 requests an hour.
    """


def job_findings(settings: JobSettings) -> Iterator[Finding]:
    """What is wrong with the jobs of one container."""
    for name in ("job", "standin", "barrier"):
        vcpus, memory = getattr(settings, f"{name}_vcpus"), getattr(settings, f"{name}_memory_mib")
        misfit = explain_fargate_size(vcpus, memory)
        if misfit:
            rule, _, fix = misfit.partition("; ")
            yield Finding(
                f"{name}_vcpus and {name}_memory_mib", rule.partition(", got")[0], f"{vcpus:g}, {memory} MiB", fix
            )
    for name in ("job_timeout_seconds", "barrier_timeout_seconds"):
        yield from timeout_findings(name, getattr(settings, name))
    if not 1 <= settings.job_attempts <= MAX_ATTEMPTS:
        rule = f"a job has 1 to {MAX_ATTEMPTS} attempts (API_RetryStrategy)"
        yield Finding("job_attempts", rule, settings.job_attempts, "choose in that range")
    scratch = settings.job_scratch_gib
    if scratch is not None and not MIN_SCRATCH_GIB <= scratch <= MAX_SCRATCH_GIB:
        rule = f"Fargate gives {MIN_SCRATCH_GIB} to {MAX_SCRATCH_GIB} GiB (API_EphemeralStorage)"
        yield Finding("job_scratch_gib", rule, scratch, "None is 20 GiB, free of charge")


def timeout_findings(name: str, seconds: int) -> Iterator[Finding]:
    """Whether an attempt can have the time limit."""
    if not MIN_TIMEOUT_SECONDS <= seconds <= MAX_TIMEOUT_SECONDS:
        rule = f"a job's timeout is {MIN_TIMEOUT_SECONDS} to {MAX_TIMEOUT_SECONDS} seconds (API_JobTimeout)"
        yield Finding(name, rule, seconds, "choose in that range")
