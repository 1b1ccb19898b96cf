"""From a workflow and a deployment to the requests that will be sent, in order. Pure: nothing is asked or sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from batch_limits import (
    MAX_CONTAINER_OVERRIDES_CHARACTERS,
    MAX_DEPENDENCIES_PER_JOB,
    MAX_SUBMIT_JOB_PAYLOAD_BYTES,
)
from runner.credentials import in_command, in_environment
from runner.deployment import Deployment
from runner.errors import InputError
from runner.graph import TaskGraph
from runner.names import job_name
from runner.places import Places
from runner.program_bundle import Shipped
from runner.requests import (
    NodeRequest,
    container_overrides,
    overrides_characters,
    payload_bytes,
    submit_job_request,
)
from runner.task import Task
from runner.template_values import substitute

_ANY_NODES: Final = ("0:",)
"""The range of the deployment's own multi-node definitions, and of those that are not known: they are refused later."""

_NONE: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True)
class PlannedJob:
    """One task's request, complete but for the ids of the jobs it depends on."""

    task: Task
    job_name: str
    request: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A run before its submission."""

    run_id: str
    workflow: str
    bucket: str
    prefix: str
    """Key prefix of this run's own objects."""
    jobs: tuple[PlannedJob, ...]
    """Each after all that it depends on."""


def plan(
    workflow: str,
    graph: TaskGraph,
    deployment: Deployment,
    run_id: str,
    places: Places,
    *,
    shipped: Mapping[str, Shipped] = _NONE,
    node_ranges: Mapping[str, Sequence[str]] = _NONE,
) -> Plan:
    """One job for each task. InputError, with every finding, for what Batch would refuse, now or later.

    `shipped` holds the MPI programs by task, `node_ranges` those of multi-node job definitions by reference.
    """
    prefix = f"{deployment.results_prefix}{run_id}/"
    shared = {
        "run_id": run_id,
        "bucket": deployment.bucket,
        "prefix": prefix,
        **{f"jobs.{name}": job_name(run_id, name) for name in graph.tasks},
    }
    jobs = []
    findings: list[str] = []
    for task in graph.tasks.values():
        name = job_name(run_id, task.name)
        definition = deployment.job_definition(task.job_definition)
        values = {**shared, **task.values, "task": task.name, "job_name": name}
        ranges = tuple(node_ranges.get(definition) or _ANY_NODES)
        program = shipped.get(task.name)
        command = None if program is None else _launch_command(task, program, deployment, values)
        request = submit_job_request(
            task,
            job_name=name,
            job_queue=deployment.job_queue(task.queue),
            job_definition=definition,
            values=values,
            node_request=NodeRequest(ranges, command),
        )
        where = places.where(task.path)
        findings += [f"{where}: {text}" for text in (*_limits(task, request), *_credentials(request))]
        jobs.append(PlannedJob(task, name, request))
    if findings:
        raise InputError.of(findings)
    return Plan(run_id=run_id, workflow=workflow, bucket=deployment.bucket, prefix=prefix, jobs=tuple(jobs))


def _launch_command(
    task: Task, program: Shipped, deployment: Deployment, values: Mapping[str, str]
) -> tuple[str, ...] | None:
    if task.launch is None:
        return None
    key = None if program.bundle is None else program.bundle.key(deployment.programs_prefix)
    return tuple(
        task.launch.command(
            program.name,
            [substitute(argument, values) for argument in program.arguments],
            bundle=None if key is None else f"s3://{deployment.bucket}/{key}",
            # A folder for each task: two of one run do not overwrite each other's files.
            results=f"s3://{values['bucket']}/{values['prefix']}{task.name}/",
            flags=None if task.launch.flags is None else substitute(task.launch.flags, values),
        )
    )


def _limits(task: Task, request: Mapping[str, Any]) -> list[str]:
    found = []
    dependencies = len(task.needs) + len(task.after)
    if dependencies > MAX_DEPENDENCIES_PER_JOB:
        found.append(
            f"a job depends on at most {MAX_DEPENDENCIES_PER_JOB} others (AWS Batch service quotas), task "
            f"{task.name!r} got {dependencies}; gather them in steps, by tasks that each need up to "
            f"{MAX_DEPENDENCIES_PER_JOB} of them"
        )
    characters = overrides_characters(request)
    if characters > MAX_CONTAINER_OVERRIDES_CHARACTERS:
        found.append(
            f"command, environment and resources make at most {MAX_CONTAINER_OVERRIDES_CHARACTERS} characters of JSON "
            f"(ECS API_RunTask), task {task.name!r} got {characters}; put long values into an object in the bucket "
            "and pass its key"
        )
    size = payload_bytes(request, dependencies)
    if size > MAX_SUBMIT_JOB_PAYLOAD_BYTES:
        found.append(
            f"a SubmitJob request has at most {MAX_SUBMIT_JOB_PAYLOAD_BYTES} bytes (AWS Batch service quotas), task "
            f"{task.name!r} got {size}; put long values into an object in the bucket and pass its key"
        )
    return found


def _credentials(request: Mapping[str, Any]) -> list[str]:
    """What the request says after substitution: parts that were harmless apart may make a credential together."""
    found = []
    for overrides in container_overrides(request):
        environment = {entry["name"]: entry["value"] for entry in overrides.get("environment", ())}
        found += [*in_command(overrides.get("command", ())), *in_environment(environment)]
    return list(dict.fromkeys(text for _, text in found))
