"""`hpc hosts`: where jobs run now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import click
from botocore.exceptions import ClientError

from runner.cli.asked import asked_queues
from runner.cli.options import Context, common_options, pass_context
from runner.cli.text_table import terminal_width, text_table
from runner.errors import InputError
from runner.job_hosts import Host, PlacedJob, hosts_of
from runner.job_queues import Queue

if TYPE_CHECKING:
    from runner.aws import AwsClients

_LABEL_WIDTH: Final = 13
_DENIED: Final = "AccessDeniedException"


@click.command()
@click.argument("instances", metavar="[INSTANCE]...", nargs=-1)
@click.option("--details", "-d", is_flag=True, help="Show everything about each host (default: for a single INSTANCE).")
@common_options
@pass_context
def hosts(context: Context, *, instances: tuple[str, ...], details: bool) -> None:
    """Where jobs run now: instances, with or without a job, and Fargate tasks.

    Of all compute environments of the deployment. INSTANCE is a host's name as the list has it. The local cloud has no
    instances in ECS, and not everyone may ask ECS on AWS: then the hosts of running jobs are shown.
    """
    clients = context.connect()
    asked = asked_queues(context, clients, (), "QUEUE")
    found = _hosts(context, clients, asked)
    unknown = [name for name in instances if name not in {host.name for host in found}]
    if unknown:
        raise InputError(
            f"INSTANCE: is a host of the deployment {context.deployment}, as hpc hosts lists them, got {unknown[0]!r}; "
            f"it may have been stopped since: {_some(found)}"
        )
    shown = [host for host in found if not instances or host.name in instances]
    if details or len(instances) == 1:
        text = "\n\n".join("\n".join(_lines(host)) for host in shown)
    else:
        text = _table(shown) if shown else ""
    context.emit({"hosts": [host.document() for host in shown]}, text=text)
    if not shown:
        context.say("no host is up: the compute environments start them when jobs wait")


def _hosts(context: Context, clients: AwsClients, queues: Sequence[Queue]) -> list[Host]:
    try:
        return hosts_of(clients.batch, clients.ecs, queues)
    except ClientError as error:
        if error.response["Error"]["Code"] != _DENIED or not error.operation_name.endswith("ContainerInstances"):
            raise
        context.say(f"shown are hosts of running jobs alone: ecs:{error.operation_name} is not allowed to you")
        return hosts_of(clients.batch, None, queues)


def _some(hosts: Sequence[Host]) -> str:
    return ", ".join(host.name for host in hosts[:5]) or "there is none now"


def _table(hosts: Sequence[Host]) -> str:
    headings = ("host", "type", "zone", "status", "tasks", "vCPUs used", "MiB used", "jobs")
    rows = [_cells(host) for host in hosts]
    # Zone and status are only known from ECS.
    told = [column for column in range(len(headings)) if any(row[column] for row in rows)]
    return text_table(
        [headings[column] for column in told],
        [[row[column] for column in told] for row in rows],
        width=terminal_width(),
    )


def _cells(host: Host) -> tuple[str, ...]:
    jobs = ", ".join(_job(job) for job in host.jobs[:3]) + (f" and {len(host.jobs) - 3} more" if host.jobs[3:] else "")
    return (
        host.name,
        host.kind,
        host.zone or "",
        host.status or "",
        str(len(host.jobs) if host.tasks is None else host.tasks),
        *_used(host),
        jobs,
    )


def _vcpus(number: float) -> str:
    return f"{number:g} vCPU{'' if number == 1 else 's'}"


def _used(host: Host) -> tuple[str, str]:
    if host.capacity is None:
        return f"{host.used_vcpus:g}", str(host.used_memory_mib)
    return (
        f"{host.used_vcpus:g} of {host.capacity.vcpus:g}",
        f"{host.used_memory_mib} of {host.capacity.memory_mib}",
    )


def _job(job: PlacedJob) -> str:
    part = job.job_id[36:]
    return f"{job.name}{part}" + (f" ({job.address})" if job.address else "")


def _lines(host: Host) -> Iterator[str]:
    vcpus, memory = _used(host)
    used_vcpus = _vcpus(host.used_vcpus) if host.capacity is None else f"{vcpus} vCPUs"
    told = [
        ("host", host.name),
        ("type", host.kind),
        ("zone", host.zone),
        ("status", host.status),
        ("environment", host.environment),
        ("instance", host.container_instance if host.container_instance != host.name else None),
        ("used", f"{used_vcpus}, {memory} MiB"),
        ("tasks", None if host.tasks is None else str(host.tasks)),
    ]
    for index, job in enumerate(host.jobs):
        size = f"{_vcpus(job.vcpus or 0)}, {job.memory_mib or 0} MiB"
        address = f", address {job.address}" if job.address else ""
        told.append(("" if index else "jobs", f"{job.job_id} {job.name}: {job.status}, {size}{address}"))
    return (f"{label:<{_LABEL_WIDTH}}{value}" for label, value in told if value)
