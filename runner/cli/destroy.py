"""`hpc destroy`: delete what is deployed, and say what stays."""

from __future__ import annotations

import dataclasses

import click

from deployment_outputs import entry_stack_name
from runner.bucket_emptying import empty
from runner.cli.deploy import cdk_app, cdk_environment_for
from runner.cli.options import Context, common_options, pass_context
from runner.cli.unattended import asks, yes_option
from runner.deploying import at_work, deployed_templates
from runner.durations import count
from runner.errors import InputError
from runner.insight_logs import insight_logs
from runner.stack_remains import Held, stack_remains


@click.command()
@yes_option
@common_options
@pass_context
def destroy(context: Context, *, yes: bool) -> None:
    """Delete every stack, and say what stays: what its settings retain, by default the bucket and its access log.

    Buckets that the settings do not retain are emptied and deleted, too.
    """
    is_asked = asks(context, "destroy", yes=yes)
    app = cdk_app(context, cdk_environment_for(context))
    clients = context.connect()
    with at_work(context.deployment, context.home):
        app.synth()
        there = list(deployed_templates(clients.cloudformation, app.templates()))
        if not there:
            raise InputError(
                f"--deployment {context.deployment}: names a deployment that is there, got none of its stacks "
                f"({', '.join(app.stack_names())}); name another"
            )
        remains = stack_remains(clients.cloudformation, there)
        logs = list(insight_logs(clients.batch, clients.logs, remains.environments))
        if is_asked:
            emptied = "".join(f", and all that is in {bucket}" for bucket in remains.to_empty)
            click.confirm(f"delete {', '.join(there)}{emptied}?", abort=True, err=True)
        stacks: dict[str, None] = {}

        def gone(name: str) -> None:
            if name in there:
                stacks[name] = None
                context.say(f"deleted {name}")

        if remains.to_empty:
            # Jobs write until they are gone.
            app.destroy(gone, only=entry_stack_name(context.deployment))
        for bucket in remains.to_empty:
            context.say(f"deleted {count(empty(clients.s3, bucket), 'version')} of objects in {bucket}")
        app.destroy(gone)
    kept = [*remains.kept, *(Held("AWS::Logs::LogGroup", name) for name in logs)]
    for resource in kept:
        context.say(f"kept {resource.kind} {resource.name}")
    if kept:
        context.say(
            "these are retained by the settings and still cost what is stored; how to delete them: docs/deploying.md"
        )
    if logs:
        context.say("the log groups of Container Insights are ECS's own, which no stack deletes")
    context.emit({"stacks": list(stacks), "kept": [dataclasses.asdict(resource) for resource in kept]}, text="")
