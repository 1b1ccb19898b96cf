"""Whether every task can run somewhere: proved from what Batch and EC2 say, before anything is submitted.

A job that no compute environment can hold does not fail: it waits in RUNNABLE for ever, and with it what is behind it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from batch_limits import explain_fargate_size
from deployment_outputs import on_ec2
from runner.batch_facts import BatchFacts, DefinitionFacts, EnvironmentFacts
from runner.capacity import Demand, instance_misfit
from runner.errors import InputError
from runner.node_placement import demands, explain_nodes, node_misfit
from runner.places import Places
from runner.planner import PlannedJob


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
    reasons = []
    asked = "vcpus, memory_mib and gpus" if job.task.gpus else "vcpus and memory_mib"
    for arn in queue.environments:
        environment = facts.environments.get(arn)
        reason = "is gone" if environment is None else _misfit(environment, definition, job, facts)
        if reason is None:
            return None
        reasons.append(f"{environment.name if environment else arn} {reason}")
    return (
        f"some compute environment of queue {job.task.queue!r} can hold a job of {_size(job, definition)}, got none: "
        f"{', '.join(reasons) or 'the queue has no compute environment'}; change queue or "
        f"job_definition, or {'nodes, ' if job.task.nodes else ''}{asked}"
    )


def _size(job: PlannedJob, definition: DefinitionFacts) -> str:
    if job.task.nodes is None:
        return str(_demand(job, definition))
    needed = dict.fromkeys(str(demand) for _, demand in demands(job.request, definition))
    return f"{job.task.nodes} node{'' if job.task.nodes == 1 else 's'}, each of {' or '.join(needed)}"


def _definition_problem(job: PlannedJob, definition: DefinitionFacts | None) -> str | None:
    named = job.task.job_definition
    if definition is None:
        return f"names a job definition of the deployment or of Batch, got {named!r}; correct 'job_definition'"
    if definition.status != "ACTIVE":
        return (
            f"a job definition is ACTIVE, got {named!r} ({definition.name}) {definition.status}; use a later revision"
        )
    if job.task.nodes is not None:
        if definition.kind != "multinode":
            return (
                f"a task with nodes or a program runs a job definition of type multinode, got {named!r} of type "
                f"{definition.kind}; leave job_definition out, or use another"
            )
        return explain_nodes(job.task.nodes, definition)
    if definition.kind != "container":
        return (
            f"a task without nodes runs a job definition of type container, got {named!r} of type {definition.kind}; "
            "use another, or add 'nodes'"
        )
    return _gpu_problem(job, definition)


def _gpu_problem(job: PlannedJob, definition: DefinitionFacts) -> str | None:
    if job.task.gpus is None or not definition.is_fargate:
        return None
    return (
        f"gpus are given on EC2, never on Fargate (API_ResourceRequirement), got {job.task.gpus} with "
        f"{job.task.job_definition!r} for Fargate; use a job definition for EC2, such as {on_ec2('dopi')}, on queue "
        "gpu, or leave gpus out"
    )


def _demand(job: PlannedJob, definition: DefinitionFacts) -> Demand:
    overrides: dict[str, Any] = job.request.get("containerOverrides", {})
    return Demand.of(overrides, definition)


def _misfit(
    environment: EnvironmentFacts, definition: DefinitionFacts, job: PlannedJob, facts: BatchFacts
) -> str | None:
    if (environment.state, environment.status) != ("ENABLED", "VALID"):
        return f"is {environment.state} and {environment.status}{_because(environment.status_reason)}"
    if job.task.nodes is not None:
        return node_misfit(environment, job.task.nodes, demands(job.request, definition), facts)
    demand = _demand(job, definition)
    if environment.is_fargate != definition.is_fargate:
        runs, wants = ("Fargate", "EC2") if environment.is_fargate else ("EC2", "Fargate")
        return f"runs jobs on {runs}, and {definition.name} is for {wants}"
    if demand.vcpus > environment.max_vcpus:
        return f"has at most {environment.max_vcpus:g} vCPUs in all"
    if environment.is_fargate:
        problem = explain_fargate_size(demand.vcpus, demand.memory_mib)
        return f"cannot: {problem.replace('; ', ', ')}" if problem else None
    sizes = [size for name in environment.instance_types for size in facts.instances.get(name, ())]
    return instance_misfit(sizes, environment.instance_types, demand)


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""
