"""From what is known of a run of ours, ledger and Batch together, to what an instance of WfFormat is made of."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from runner.aws_clients import Answer
from runner.credentials import in_command
from runner.described_job import DescribedJob, from_detail, node_containers
from runner.run_state import RunState
from runner.wfformat.command_files import CommandFiles, files_of
from runner.wfformat.executed_run import ExecutedRun, ExecutedTask, Machine

_MIB = 1024 * 1024


def observed_run(
    state: RunState,
    *,
    details: Mapping[str, Answer],
    commands: Mapping[str, Sequence[str]],
    sizes: Mapping[str, int],
    definitions: Mapping[str, str],
    local_machine: Machine | None,
) -> ExecutedRun:
    """The run. `details` are JobDetails by job id, as far as Batch remembers them; `sizes` bytes of objects by key;
    `commands` those of children of arrays, which Batch does not tell, by task.

    `definitions` are ARNs of job definitions by the deployment's names for them. `local_machine` is what all jobs of a
    local cloud ran on; None on AWS.
    """
    programs = {_unrevised(arn): name for name, arn in definitions.items()}
    machines = {} if local_machine is None else {local_machine.name: local_machine}
    found_sizes: dict[str, int] = {}
    tasks = []
    for _, position in state.layout.tasks():
        task = state.task(position)
        detail = details.get(task.job_id or "", {})
        # A run may have more children of arrays than are told of one by one.
        job = task.job or (from_detail(detail) if detail else None)
        machine = local_machine or _machine(detail, job)
        if machine is not None:
            machines[machine.name] = machine
        command = _shown(commands.get(task.name) or _container(detail).get("command"))
        files = files_of(command or ())
        found_sizes |= files.sizes
        definition = _unrevised(detail.get("jobDefinition", ""))
        program = programs.get(definition, _last(definition)) or None
        needs = tuple(state.needed_tasks(position))
        tasks.append(_task(task.name, job, needs, command, files, program, machine))
    return ExecutedRun(
        run_id=state.record.run_id,
        workflow=state.record.workflow,
        submitted_at_ms=round(state.record.created_at * 1000),
        tasks=tuple(tasks),
        machines=tuple(machines.values()),
        prefix=state.record.prefix,
        # What is in the bucket says more than what was to be written.
        sizes={**found_sizes, **sizes},
    )


def _task(
    name: str,
    job: DescribedJob | None,
    needs: tuple[str, ...],
    command: tuple[str, ...] | None,
    files: CommandFiles,
    program: str | None,
    machine: Machine | None,
) -> ExecutedTask:
    started, stopped = _times(job)
    return ExecutedTask(
        name=name,
        needs=needs,
        started_at_ms=started,
        stopped_at_ms=stopped,
        program=program,
        command=command,
        vcpus=job.vcpus if job else None,
        memory_mib=job.memory_mib if job else None,
        machine=machine.name if machine else None,
        reads=files.reads,
        writes=files.writes,
    )


def _times(job: DescribedJob | None) -> tuple[int | None, int | None]:
    """Start and end of the attempt that decided; None where nothing ran, or runs still."""
    if job is None or not job.is_terminal:
        return None, None
    ran = [attempt for attempt in job.attempts if attempt.started_at and attempt.stopped_at]
    if ran:
        return ran[-1].started_at, ran[-1].stopped_at
    return (job.started_at, job.stopped_at) if job.started_at and job.stopped_at else (None, None)


def _container(detail: Answer) -> Mapping[str, Any]:
    if "nodeProperties" not in detail:
        container: Mapping[str, Any] = detail.get("container", {})
        return container
    nodes = list(node_containers(detail))
    main = detail["nodeProperties"].get("mainNode") or 0
    return nodes[main] if main < len(nodes) else {}


def _shown(command: Sequence[str] | None) -> tuple[str, ...] | None:
    """None also for one that seems to hold a credential, which the definition of a job may: it is not spread."""
    return None if not command or any(in_command(command)) else tuple(command)


def _machine(detail: Answer, job: DescribedJob | None) -> Machine | None:
    """An instance that ECS runs jobs on, or of Fargate the task, which is a machine of its own."""
    container = detail.get("container", {})
    if container.get("containerInstanceArn"):
        return Machine(name=_last(container["containerInstanceArn"]), system="linux")
    if job is None or not container.get("taskArn"):
        return None
    return Machine(
        name=_last(container["taskArn"]),
        system="linux",
        memory_bytes=job.memory_mib * _MIB if job.memory_mib else None,
        cores=int(job.vcpus) if job.vcpus and job.vcpus.is_integer() else None,
    )


def _last(arn: str) -> str:
    return arn.rpartition("/")[2] or arn


def _unrevised(definition: str) -> str:
    """A job definition's ARN without its revision, which a later deployment may have changed."""
    return re.sub(r":\d+$", "", definition)
