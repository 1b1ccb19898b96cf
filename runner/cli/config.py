"""`hpc config`: settings by which other engines use a deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from runner import deployment
from runner.cli.asked import asked_queues
from runner.cli.options import Context, common_options, pass_context, share_option
from runner.engine_settings.engines import ENGINES
from runner.engine_settings.place import Place
from runner.errors import InputError
from runner.shares import group_of
from runner.template_values import listed

if TYPE_CHECKING:
    from runner.aws import AwsClients


@click.command()
@click.argument("engine", metavar="ENGINE", type=click.Choice(list(ENGINES)))
@click.option("--queue", "-q", default="ec2", show_default=True, help="Queue of its jobs.")
@click.option("--job-definition", default="standin", show_default=True, help="Whose roles and image its jobs have.")
@share_option
@common_options
@pass_context
def config(context: Context, *, engine: str, queue: str, job_definition: str) -> None:
    """Print the settings by which another workflow engine uses what is deployed.

    ENGINE is nextflow, snakemake, redun or metaflow. The settings are what it reads from its own file: queue, roles and
    a folder in the bucket that jobs may write. docs/other-engines.md says what to install and what each cannot use.
    """
    clients = context.connect()
    place = _place(context, clients, queue, job_definition)
    chosen = ENGINES[engine]
    if place.is_fargate and not chosen.runs_on_fargate:
        raise InputError(
            f"--queue: is a queue on EC2, where {engine} can run jobs, got {queue!r}, which is on Fargate; use ec2"
        )
    if place.share is not None and not chosen.names_groups:
        raise InputError(
            f"--queue: is a queue that does not share fairly between groups, as {engine} names none for its jobs, got "
            f"{queue!r}; use high"
        )
    text = chosen.settings(place)
    context.emit({"engine": engine, "file": chosen.file, "settings": text}, text=text)
    context.say(f"for {engine}: write this to {chosen.file}")


def _place(context: Context, clients: AwsClients, queue: str, job_definition: str) -> Place:
    deployed = deployment.read(clients.cloudformation, context.deployment, is_local=clients.is_local)
    (found,) = asked_queues(context, clients, [queue], "--queue")
    reference = deployed.job_definitions.get(job_definition)
    answers: list[Any] = []
    if reference is not None:
        answers = list(clients.batch.describe_job_definitions(jobDefinitions=[reference])["jobDefinitions"])
    if not answers or "containerProperties" not in answers[0]:
        containers = [name for name in deployed.job_definitions if name not in {"barrier", "mpi"}]
        raise InputError(
            f"--job-definition: is one of the deployment's for containers, got {job_definition!r}; use one of: "
            f"{listed(containers)}"
        )
    container = answers[0]["containerProperties"]
    return Place(
        region=clients.region,
        queue=found.name,
        is_fargate=any(environment.kind.startswith("FARGATE") for environment in found.environments),
        job_role=container.get("jobRoleArn", ""),
        execution_role=container.get("executionRoleArn"),
        image=container.get("image", ""),
        log_group=deployed.log_group,
        bucket=deployed.bucket,
        folder=deployed.results_prefix,
        share=None if found.scheduling_policy is None else group_of(context.share, queue),
        endpoint_url=clients.endpoint_url if clients.is_local else None,
    )
