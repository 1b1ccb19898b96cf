"""`hpc synth`, `hpc deploy`, `hpc destroy`: the CDK app of the checkout, on AWS or on the local cloud (--local)."""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from collections.abc import Mapping

import click

from local_batch import control
from runner.aws import AwsClients
from runner.cdk_app import CHECKOUT, CdkApp
from runner.cli.local import running
from runner.cli.options import Context, common_options, pass_context
from runner.errors import HpcError
from runner.retained import retained

BOOTSTRAP_STACK = "CDKToolkit"
"""What `cdk bootstrap` makes. Source: https://docs.aws.amazon.com/cdk/v2/guide/bootstrapping-env.html"""


_settings_option = click.option(
    "--settings", "profile", metavar="NAME", help="Profile of settings.py (default: default). See docs/deploying.md."
)


def cdk_app(context: Context, environment: Mapping[str, str], profile: str | None = None) -> CdkApp:
    """The app as this invocation means it; `profile` is one of settings.py."""
    return CdkApp(
        assembly=CHECKOUT / "cdk.out",
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
    was_written = cdk_app(context, os.environ, profile).synth()
    context.emit({"written": was_written, "assembly": "cdk.out"}, text="")
    context.say(f"cdk.out: {'written' if was_written else 'up to date'} ({time.monotonic() - started:.1f} s)")


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
        bootstrap_once(app, running(context), context.connect())
    stacks: list[str] = []

    def done(name: str) -> None:
        stacks.append(name)
        context.say(f"deployed {name}")

    app.deploy(done, confirm=_asks(context))
    context.emit({"stacks": stacks}, text="")
    context.say(f"next: hpc run examples/dopi.yaml{' --local' if context.local else ' (after: hpc images push)'}")


@click.command()
@common_options
@pass_context
def destroy(context: Context) -> None:
    """Delete every stack, and say what stays: what its settings retain, by default the bucket and its access log."""
    if not _asks(context) and not context.local:
        raise HpcError(
            "hpc destroy: asks before it deletes on AWS, got no terminal; use: npx cdk destroy --all --force"
        )
    app = cdk_app(context, cdk_environment_for(context))
    app.synth()
    kept = retained(context.connect().cloudformation, app.stack_names())
    stacks: list[str] = []

    def gone(name: str) -> None:
        stacks.append(name)
        context.say(f"deleted {name}")

    app.destroy(gone, confirm=_asks(context))
    for resource in kept:
        context.say(f"kept {resource.kind} {resource.name}")
    if kept:
        context.say("these are retained by the settings and still cost what is stored; they are yours to delete")
    context.emit({"stacks": stacks, "kept": [dataclasses.asdict(resource) for resource in kept]}, text="")


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
