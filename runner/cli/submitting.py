"""From a workflow to submitted jobs, as every command does it: all is checked before anything is sent."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner import batch_facts, deployment, placement, plan_text, planner
from runner.cli.options import Context
from runner.deployment import Deployment
from runner.graph import TaskGraph
from runner.inputs import input_tags
from runner.names import new_run_id
from runner.outside_jobs import check_outside_jobs
from runner.plan import Plan
from runner.planner import Planned
from runner.program_bundle import Shipped
from runner.shares import chosen_shares
from runner.shipping import ship_programs
from runner.surroundings import Surroundings
from runner.workflow import Workflow

if TYPE_CHECKING:
    from runner.aws import AwsClients


@dataclass(frozen=True)
class Prepared:
    """A run in which nothing was found wrong; nothing is sent yet."""

    planned: Planned
    deployed: Deployment
    shipped: Mapping[str, Shipped]
    clients: AwsClients

    @property
    def plan(self) -> Plan:
        """What would be sent."""
        return self.planned.plan


def prepare(
    context: Context, workflow: Workflow, graph: TaskGraph, *, run_id: str | None = None, folds: bool = True
) -> Prepared:
    """Plan the run and check all of it. InputError, with every finding, for what is wrong.

    The run is a new one where no id is given.
    """
    shipped = ship_programs(graph, workflow.folder, workflow.places)
    clients = context.connect()
    deployed = deployment.read(clients.cloudformation, context.deployment, is_local=clients.is_local)
    tasks = [group.task for group in graph.groups]
    facts = batch_facts.fetch(
        clients.batch,
        clients.ec2,
        queues=[
            *(deployed.job_queue(task.queue) for task in tasks),
            *(deployed.job_queue(task.fallback.queue) for task in tasks if task.fallback is not None),
        ],
        definitions=[deployed.job_definition(task.job_definition) for task in tasks],
    )
    shares = chosen_shares(context.share, tasks, deployed, facts)
    if context.share is not None and not shares and not context.share_is_usual:
        context.say("--share: changes nothing, as no queue of this run shares fairly between groups")
    run_id = run_id or new_run_id(workflow.name, dt.datetime.now(dt.UTC), secrets.token_hex(3))
    around = Surroundings(
        deployment=deployed,
        definitions=facts.definitions,
        shipped=shipped,
        input_tags=input_tags(graph, deployed, run_id, clients.s3, workflow.places),
        region=clients.region,
        shares=shares,
    )
    planned = planner.plan(workflow.name, graph, run_id, workflow.places, around, folds=folds)
    placement.check(planned.jobs, facts, workflow.places)
    check_outside_jobs(planned.jobs, clients.batch, workflow.places)
    return Prepared(planned, deployed, shipped, clients)


def show(context: Context, prepared: Prepared, explained: str | None = None) -> None:
    """Say what would be sent; or where one task went, and why."""
    if explained is not None:
        found, text = plan_text.explanation(prepared.planned, explained)
        context.emit(found, text=text)
    else:
        context.emit(plan_text.document(prepared.planned), text=plan_text.overview(prepared.planned))
    context.say("dry run: everything is in order, nothing was submitted")
