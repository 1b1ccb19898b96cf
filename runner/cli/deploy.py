"""`hpc synth`, `hpc deploy`, `hpc destroy`: the CDK app of the checkout, on AWS or on the local cloud (--local)."""

from __future__ import annotations

import dataclasses
import os
import re
import sys
import time
from collections.abc import Callable, Mapping

import click

from deployment_outputs import DEFAULT_DEPLOYMENT, entry_stack_name
from local_batch import control
from runner.aws import AwsClients
from runner.aws_clients import CloudFormationClient
from runner.bucket_emptying import empty
from runner.cdk_app import CHECKOUT, CdkApp
from runner.cli.local import running
from runner.cli.options import Context, common_options, pass_context
from runner.deploy_order import stacks_to_deploy_first
from runner.deployed_templates import deployed_template
from runner.durations import count
from runner.errors import HpcError, InputError
from runner.insight_logs import insight_logs
from runner.stack_remains import Held, stack_remains

BOOTSTRAP_STACK = "CDKToolkit"
"""What `cdk bootstrap` makes. Source: https://docs.aws.amazon.com/cdk/v2/guide/bootstrapping-env.html"""


_settings_option = click.option(
    "--settings", "profile", metavar="NAME", help="Profile of settings.py (default: default). See docs/deploying.md."
)


def cdk_app(context: Context, environment: Mapping[str, str], profile: str | None = None) -> CdkApp:
    """The app as this invocation means it; `profile` is one of settings.py.

    Each deployment and profile has an assembly of its own, so that commands for two of them can go on side by side.
    """
    chosen = ["" if context.deployment == DEFAULT_DEPLOYMENT else context.deployment, profile or ""]
    # app.py refuses names that are none; until then they name no other folder.
    names = [re.sub(r"[^A-Za-z0-9_-]", "-", name) for name in chosen if name]
    return CdkApp(
        assembly=CHECKOUT / ".".join(["cdk.out", *names]),
        environment=environment,
        context={"deployment": context.deployment} | ({"profile": profile} if profile else {}),
        log=context.home / "cdk.log",
    )


@click.command()
@_settings_option
@common_options
@pass_context
def synth(context: Context, *, profile: str | None) -> None:
    """Write the templates to cdk.out. Needs no account and no network; unchanged sources are not synthesised again."""
    started = time.monotonic()
    app = cdk_app(context, os.environ, profile)
    was_written = app.synth()
    context.emit({"written": was_written, "assembly": app.assembly.name}, text="")
    context.say(
        f"{app.assembly.name}: {'written' if was_written else 'up to date'} ({time.monotonic() - started:.1f} s)"
    )


@click.command()
@_settings_option
@common_options
@pass_context
def deploy(context: Context, *, profile: str | None) -> None:
    """Synthesise and deploy every stack; with --local, bootstrap the local cloud first where needed.

    A deployment does not remember its profile: name it at every deploy, or the default one changes it.
    """
    app = cdk_app(context, cdk_environment_for(context), profile)
    app.synth()
    if context.local:
        refuse_pins(app)
        bootstrap_once(app, running(context), context.connect())
    stacks: dict[str, None] = {}

    def done(name: str) -> None:
        stacks[name] = None
        context.say(f"deployed {name}")

    deploy_in_order(app, context.connect().cloudformation, done, confirm=_asks(context))
    context.emit({"stacks": list(stacks)}, text="")
    context.say(f"next: hpc run examples/dopi.yaml{' --local' if context.local else ' (after: hpc images push)'}")


@click.command()
@common_options
@pass_context
def destroy(context: Context) -> None:
    """Delete every stack, and say what stays: what its settings retain, by default the bucket and its access log.

    Buckets that the settings do not retain are emptied and deleted, too.
    """
    if not _asks(context) and not context.local:
        raise HpcError(
            "hpc destroy: asks before it deletes on AWS, got no terminal; use: npx cdk destroy --all --force"
        )
    app = cdk_app(context, cdk_environment_for(context))
    app.synth()
    clients = context.connect()
    remains = stack_remains(clients.cloudformation, app.stack_names())
    logs = list(insight_logs(clients.batch, clients.logs, remains.environments))
    if _asks(context):
        emptied = "".join(f", and all that is in {bucket}" for bucket in remains.to_empty)
        click.confirm(f"delete {', '.join(app.stack_names())}{emptied}?", abort=True, err=True)
    stacks: dict[str, None] = {}

    def gone(name: str) -> None:
        stacks[name] = None
        context.say(f"deleted {name}")

    if remains.to_empty:
        # Jobs write until they are gone.
        app.destroy(gone, only=entry_stack_name(context.deployment))
    for bucket in remains.to_empty:
        deleted = empty(clients.s3, bucket)
        context.say(f"deleted {count(deleted, 'version')} of objects in {bucket}")
    app.destroy(gone)
    kept = [*remains.kept, *(Held("AWS::Logs::LogGroup", name) for name in logs)]
    for resource in kept:
        context.say(f"kept {resource.kind} {resource.name}")
    if kept:
        context.say("these are retained by the settings and still cost what is stored; they are yours to delete")
    if logs:
        context.say("the log groups of Container Insights are ECS's own, which no stack deletes")
    context.emit({"stacks": list(stacks), "kept": [dataclasses.asdict(resource) for resource in kept]}, text="")


def deploy_in_order(
    app: CdkApp, cloudformation: CloudFormationClient, on_stack: Callable[[str], None], *, confirm: bool
) -> None:
    """Deploy every stack, those first that have to give up what others take away; `on_stack` is told each."""
    wanted = app.templates()
    found = {stack: deployed_template(cloudformation, stack) for stack in wanted}
    deployed = {stack: template for stack, template in found.items() if template is not None}
    for stack in stacks_to_deploy_first(deployed, wanted):
        app.deploy(on_stack, confirm=confirm, only=stack)
    app.deploy(on_stack, confirm=confirm)


def refuse_pins(app: CdkApp) -> None:
    """InputError where job definitions name images by digest: a local cloud has folders, and no job would start."""
    pinned = app.pinned_images()
    if pinned:
        raise InputError(
            "--local: a local cloud runs the images' folders, which no digest can be checked against, got job "
            f"definitions that name {', '.join(pinned)}; deploy a profile without image_digests here: synth has made "
            "sure that the pins are of the folders as they are"
        )


def bootstrap_once(app: CdkApp, endpoint: control.Endpoint, clients: AwsClients) -> bool:
    """Bootstrap the local cloud; False where it is already."""
    try:
        clients.cloudformation.describe_stacks(StackName=BOOTSTRAP_STACK)
    except clients.cloudformation.exceptions.ClientError:
        app.bootstrap(endpoint.account, endpoint.region)
        return True
    return False


def cdk_environment_for(context: Context) -> dict[str, str]:
    """What the cdk command sees: the local cloud alone, or the user's AWS settings with the options laid over them."""
    if context.local:
        return control.client_environment(running(context))
    chosen = {
        "AWS_PROFILE": context.profile,
        "AWS_REGION": context.region,
        "AWS_ENDPOINT_URL": context.endpoint_url,
    }
    return {**os.environ, **{name: value for name, value in chosen.items() if value}}


def _asks(context: Context) -> bool:
    """Whether cdk may ask about permissions and deletions: on AWS, at a terminal."""
    return not context.local and sys.stdin.isatty()
