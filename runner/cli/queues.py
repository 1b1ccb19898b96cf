"""`hpc queues`: where jobs can be submitted to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import click

from runner.cli.asked import asked_queues
from runner.cli.options import Context, common_options, pass_context
from runner.cli.text_table import terminal_width, text_table
from runner.job_queues import Environment, Queue

_LABEL_WIDTH: Final = 13


@click.command()
@click.argument("queues", metavar="[QUEUE]...", nargs=-1)
@click.option("--details", "-d", is_flag=True, help="Show everything about each queue (default: for a single QUEUE).")
@common_options
@pass_context
def queues(context: Context, *, queues: tuple[str, ...], details: bool) -> None:
    """The queues that jobs are submitted to, and the compute environments behind them.

    QUEUE is a queue of the deployment, a queue's name in Batch or its ARN; left out, all of the deployment.
    """
    clients = context.connect()
    found = asked_queues(context, clients, queues, "QUEUE")
    if details or len(queues) == 1:
        text = "\n\n".join("\n".join(_lines(queue)) for queue in found)
    else:
        headings = ("queue", "state", "status", "priority", "compute environments", "")
        text = text_table(headings, [_cells(queue) for queue in found], width=terminal_width())
    context.emit({"queues": [queue.document() for queue in found]}, text=text)


def _cells(queue: Queue) -> tuple[str, ...]:
    # "JobQueue Healthy" says nothing.
    reasons = [queue.status_reason] if queue.status != "VALID" else []
    reasons += [f"{one.kind} {one.status}: {one.status_reason}" for one in queue.environments if one.status != "VALID"]
    environments = ", ".join(f"{one.kind} up to {one.max_vcpus} vCPUs" for one in queue.environments)
    return queue.label, queue.state, queue.status, str(queue.priority), environments, "; ".join(reasons)


def _lines(queue: Queue) -> Iterator[str]:
    told = [
        ("queue", queue.label),
        ("name", queue.name),
        ("ARN", queue.arn),
        ("state", queue.state),
        ("status", f"{queue.status}: {queue.status_reason}" if queue.status_reason else queue.status),
        ("priority", str(queue.priority)),
        ("policy", queue.scheduling_policy or "first in, first out"),
    ]
    for environment in queue.environments:
        told += _environment(environment)
    return (f"{label:<{_LABEL_WIDTH}}{value}" for label, value in told if value)


def _environment(environment: Environment) -> list[tuple[str, str]]:
    reason = f": {environment.status_reason}" if environment.status_reason else ""
    types = f", {', '.join(environment.instance_types)}" if environment.instance_types else ""
    return [
        ("environment", environment.name),
        ("", f"{environment.kind}, up to {environment.max_vcpus} vCPUs{types}"),
        ("", f"{environment.state}, {environment.status}{reason}"),
        ("", environment.cluster or ""),
    ]
