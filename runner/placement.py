"""Whether every task can run somewhere: proved from what Batch and EC2 say, before anything is submitted.

A job that no compute environment can hold does not fail: it waits in RUNNABLE for ever, and with it what is behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from batch_limits import USABLE_MEMORY, explain_fargate_size
from runner.batch_facts import BatchFacts, DefinitionFacts, EnvironmentFacts, InstanceFacts
from runner.errors import InputError
from runner.places import Places
from runner.planner import PlannedJob

_ARCHITECTURES: Final[Mapping[str, str]] = {"X86_64": "x86_64", "ARM64": "arm64"}
"""Batch's spelling -> EC2's."""


@dataclass(frozen=True)
class _Demand:
    vcpus: float
    memory_mib: int
    gpus: int
    architecture: str | None

    def __str__(self) -> str:
        gpus = f", {self.gpus} GPUs" if self.gpus else ""
        return f"{self.vcpus:g} vCPU{'' if self.vcpus == 1 else 's'} and {self.memory_mib} MiB{gpus}"


def check(jobs: Iterable[PlannedJob], facts: BatchFacts, places: Places) -> None:
    """Return where every job can be placed; else raise InputError naming task, numbers and what to change."""
    findings = []
    for job in jobs:
        problem = explain(job, facts)
        if problem:
            findings.append(f"{places.where(job.task.path)}: {problem}")
    if findings:
        raise InputError.of(findings)


def explain(job: PlannedJob, facts: BatchFacts) -> str | None:
    """Why this job would never start; None where some compute environment of its queue can hold it."""
    definition = facts.definitions.get(job.request["jobDefinition"])
    queue = facts.queues.get(job.request["jobQueue"])
    problem = _definition_problem(job, definition)
    if problem or definition is None:
        return problem
    if queue is None:
        return f"names a job queue of the deployment or of Batch, got {job.task.queue!r}; correct 'queue'"
    if (queue.state, queue.status) != ("ENABLED", "VALID"):
        return (
            f"a queue takes jobs when it is ENABLED and VALID, got {job.task.queue!r} in {queue.state} and "
            f"{queue.status}{_because(queue.status_reason)}; enable it, or use another queue"
        )
    demand = _demand(job.request, definition)
    reasons = []
    for arn in queue.environments:
        environment = facts.environments.get(arn)
        reason = "is gone" if environment is None else _misfit(environment, definition, demand, facts)
        if reason is None:
            return None
        reasons.append(f"{environment.name if environment else arn} {reason}")
    return (
        f"some compute environment of queue {job.task.queue!r} can hold a job of {demand}, got none: "
        f"{', '.join(reasons) or 'the queue has no compute environment'}; change queue or "
        "job_definition, or vcpus and memory_mib"
    )


def _definition_problem(job: PlannedJob, definition: DefinitionFacts | None) -> str | None:
    named = job.task.job_definition
    if definition is None:
        return f"names a job definition of the deployment or of Batch, got {named!r}; correct 'job_definition'"
    if definition.status != "ACTIVE":
        return (
            f"a job definition is ACTIVE, got {named!r} ({definition.name}) {definition.status}; use a later revision"
        )
    if definition.kind != "container":
        return f"a task runs a job definition of type container, got {named!r} of type {definition.kind}; use another"
    return None


def _demand(request: Mapping[str, Any], definition: DefinitionFacts) -> _Demand:
    overrides = request.get("containerOverrides", {}).get("resourceRequirements", ())
    given = {entry["type"]: entry["value"] for entry in overrides}
    return _Demand(
        vcpus=float(given.get("VCPU", definition.vcpus)),
        memory_mib=int(given.get("MEMORY", definition.memory_mib)),
        gpus=definition.gpus,
        architecture=definition.architecture,
    )


def _misfit(
    environment: EnvironmentFacts, definition: DefinitionFacts, demand: _Demand, facts: BatchFacts
) -> str | None:
    if (environment.state, environment.status) != ("ENABLED", "VALID"):
        return f"is {environment.state} and {environment.status}{_because(environment.status_reason)}"
    if environment.is_fargate != definition.is_fargate:
        runs, wants = ("Fargate", "EC2") if environment.is_fargate else ("EC2", "Fargate")
        return f"runs jobs on {runs}, and {definition.name} is for {wants}"
    if demand.vcpus > environment.max_vcpus:
        return f"has at most {environment.max_vcpus:g} vCPUs in all"
    if environment.is_fargate:
        problem = explain_fargate_size(demand.vcpus, demand.memory_mib)
        return f"cannot: {problem.replace('; ', ', ')}" if problem else None
    sizes = [size for name in environment.instance_types for size in facts.instances.get(name, ())]
    return _instance_misfit(sizes, environment, demand)


def _instance_misfit(sizes: list[InstanceFacts], environment: EnvironmentFacts, demand: _Demand) -> str | None:
    if environment.kind == "UNMANAGED":
        return None
    if demand.vcpus != int(demand.vcpus):
        return f"is EC2, which gives whole vCPUs, not {demand.vcpus:g}"
    if not sizes:
        return f"has instance types that EC2 does not know ({', '.join(environment.instance_types)})"
    if demand.architecture is not None:
        wanted = _ARCHITECTURES.get(demand.architecture, demand.architecture)
        sizes = [size for size in sizes if wanted in size.architectures]
        if not sizes:
            return f"has no instance type of architecture {demand.architecture}"
    if any(_holds(size, demand) for size in sizes):
        return None
    most_vcpus = max(sizes, key=lambda size: (size.vcpus, size.memory_mib))
    most_memory = max(sizes, key=lambda size: (size.memory_mib, size.vcpus))
    largest = {size.name: size for size in (most_vcpus, most_memory)}.values()
    described = " and ".join(
        f"{size.name} with {size.vcpus} vCPUs and about {int(size.memory_mib * USABLE_MEMORY)} MiB for jobs"
        + (f", {size.gpus} GPUs" if demand.gpus else "")
        for size in largest
    )
    return f"has nothing larger than {described}"


def _holds(size: InstanceFacts, demand: _Demand) -> bool:
    return (
        size.vcpus >= demand.vcpus and size.memory_mib * USABLE_MEMORY >= demand.memory_mib and size.gpus >= demand.gpus
    )


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""
