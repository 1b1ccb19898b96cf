"""`hpc synth` and `hpc deploy`: the CDK app of the checkout, on AWS or on the local cloud (--local)."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence

import click

import deployment_outputs
from local_batch import control
from runner.aws import AwsClients
from runner.cdk_app import CHECKOUT, CdkApp, CdkError
from runner.cli.local import running
from runner.cli.options import Context, common_options, pass_context
from runner.cli.unattended import asks, yes_option
from runner.deploying import at_work, deploy_in_order, left_behind
from runner.deployment import outputs_of
from runner.errors import InputError

BOOTSTRAP_STACK = "CDKToolkit"
"""What `cdk bootstrap` makes. Source: https://docs.aws.amazon.com/cdk/v2/guide/bootstrapping-env.html"""


def _named(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    del context, parameter
    if value == "":
        raise InputError("--settings: is the name of a profile of settings.py, got ''; leave it out, or name one")
    return value


_settings_option = click.option(
    "--settings",
    # Not `profile`, which is the name of the option for credentials.
    "settings",
    metavar="NAME",
    callback=_named,
    help="Profile of settings.py (default: that of the last deploy, at first default). See docs/deploying.md.",
)


def cdk_app(context: Context, environment: Mapping[str, str], profile: str | None = None) -> CdkApp:
    """The app as this invocation means it; `profile` is one of settings.py.

    Each deployment and profile has an assembly of its own, so that commands for two of them can go on side by side.
    """
    if profile == deployment_outputs.DEFAULT_PROFILE:
        profile = None
    is_default = context.deployment == deployment_outputs.DEFAULT_DEPLOYMENT
    chosen = ["" if is_default else context.deployment, profile or ""]
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
def synth(context: Context, *, settings: str | None) -> None:
    """Write the templates to cdk.out, of another profile or deployment to a folder beside it.

    Needs no account and no network; unchanged sources are not synthesised again.
    """
    started = time.monotonic()
    app = cdk_app(context, os.environ, settings)
    was_written = app.synth()
    context.emit({"written": was_written, "assembly": app.assembly.name}, text="")
    context.say(
        f"{app.assembly.name}: {'written' if was_written else 'up to date'} ({time.monotonic() - started:.1f} s)"
    )


@click.command()
@_settings_option
@yes_option
@common_options
@pass_context
def deploy(context: Context, *, settings: str | None, yes: bool) -> None:
    """Synthesise and deploy every stack; with --local, bootstrap the local cloud first where needed.

    A deployment remembers its profile: only another one has to be named. What settings take away goes in the order
    that CloudFormation wants; what it cannot change is refused before anything is. On AWS cdk asks before it widens
    rights.
    """
    confirm = asks(context, "deploy", yes=yes)
    environment = cdk_environment_for(context)
    clients = context.connect()
    before = outputs_of(clients.cloudformation, context.deployment)
    profile = settings
    if profile is None and before is not None:
        profile = before.get(deployment_outputs.PROFILE)
    app = cdk_app(context, environment, profile)
    with at_work(context.deployment, context.home):
        app.synth()
        if context.local:
            refuse_pins(app)
            bootstrap_once(app, running(context), clients)
        left = left_behind(clients.cloudformation, app.templates())
        stacks = _deployed(context, app, clients, profile or deployment_outputs.DEFAULT_PROFILE, confirm=confirm)
    for resource in left:
        context.say(f"left {resource.kind} {resource.name}: out of the stacks, retained, and yours to delete")
    outputs = outputs_of(clients.cloudformation, context.deployment) or {}
    context.emit({"stacks": stacks, "outputs": outputs}, text="")
    if not context.local:
        policies = [
            outputs.get(key, "")
            for key in (deployment_outputs.SUBMITTER_POLICY_ARN, deployment_outputs.SUBMITTER_BUCKET_POLICY_ARN)
        ]
        context.say(f"who submits needs both of these policies (docs/deploying.md): {' '.join(policies)}")
        context.say(f"next: hpc images push{context.target.options()}, then")
    context.say(f"next: hpc run examples/dopi.yaml{context.target.options()}")


def _deployed(context: Context, app: CdkApp, clients: AwsClients, profile: str, *, confirm: bool) -> Sequence[str]:
    stacks: dict[str, None] = {}

    def done(name: str) -> None:
        stacks[name] = None
        context.say(f"deployed {name}")

    context.say(f"{context.deployment}: settings of profile {profile}")
    try:
        deploy_in_order(app, clients.cloudformation, done, confirm=confirm)
    except (CdkError, KeyboardInterrupt):
        ready = ", ".join(stacks) or "none"
        context.say(
            f"deployed in full: {ready}. CloudFormation ends or rolls back by itself what was begun, and what is there "
            f"costs; run the same command again, or: hpc destroy{context.target.options()}"
        )
        raise
    return list(stacks) or app.stack_names()


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
        if context.profile is not None:
            raise InputError(
                f"--profile: names credentials of AWS, which a local cloud has none of, got {context.profile!r} with "
                "--local; leave it out, settings are chosen with --settings NAME"
            )
        return control.client_environment(running(context))
    chosen = {
        "AWS_PROFILE": context.profile,
        "AWS_REGION": context.region,
        "AWS_ENDPOINT_URL": context.endpoint_url,
    }
    return {**os.environ, **{name: value for name, value in chosen.items() if value}}
