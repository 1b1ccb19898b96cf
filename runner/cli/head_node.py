"""`hpc head-node`: the instance that people log in to."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner import deployment
from runner import head_node as nodes
from runner.cdk_app import CHECKOUT
from runner.cli.options import Context, common_options, pass_context
from runner.deployment import Deployment
from runner.errors import HpcError, InputError

if TYPE_CHECKING:
    from runner.aws import AwsClients


def connected(context: Context, command: str) -> tuple[AwsClients, Deployment, str]:
    """Clients, the deployment and its head node's id; InputError where there is none.

    The local cloud never has one: it starts no machine.
    """
    if context.local:
        raise InputError(
            f"--local: is for what a local cloud has, got it for {command}, and a local cloud starts no machine; this "
            "one is its head node: use hpc run, hpc submit or hpc mpi with --local here"
        )
    clients = context.connect()
    deployed = deployment.read(clients.cloudformation, context.deployment, is_local=False)
    return clients, deployed, nodes.instance_of(deployed)


def waiting(context: Context) -> nodes.Waiting:
    """As people wait."""
    return nodes.Waiting(now=time.monotonic, sleep=time.sleep, say=context.say)


@click.group("head-node")
@common_options
def head_node() -> None:
    """The instance that people log in to, where the deployment has one.

    A deployment has one where its setting head_node_instance_type names a type. hpc login opens a shell on it.
    """


@head_node.command()
@click.option(
    "--with-packages",
    is_flag=True,
    help="Download the Python packages here and send them along: for a network without a way to PyPI.",
)
@common_options
@pass_context
def setup(context: Context, *, with_packages: bool) -> None:
    """Send hpc, as it is in this checkout, to where the head node fetches it at each boot.

    What git tracks, without the tests. A head node that waits for it takes it within a minute, one that has an earlier
    version at its next boot.
    """
    clients, deployed, instance_id = connected(context, "hpc head-node setup")
    if with_packages:
        architecture = nodes.describe(clients.ec2, clients.ssm, instance_id).architecture
        with tempfile.TemporaryDirectory() as folder:
            _download(nodes.wheels_command(CHECKOUT, architecture, Path(folder), sys.executable))
            bundle = nodes.pack_checkout(CHECKOUT, Path(folder))
    else:
        bundle = nodes.pack_checkout(CHECKOUT)
    url = nodes.send(clients.s3, deployed, bundle)
    context.emit({"bundle": url, "size_bytes": bundle.size_bytes, "sha256": bundle.digest}, text=url)
    context.say(f"sent {bundle.size_bytes / 1e6:.1f} MB; next: hpc login{context.target.options()}")


def _download(command: list[str]) -> None:
    code = subprocess.run(command, stdout=2, check=False).returncode
    if code:
        raise HpcError(f"pip download: ends with exit code 0, got {code}; see its output above")


@head_node.command()
@common_options
@pass_context
def status(context: Context) -> None:
    """What the head node does now, and whether it can be set up."""
    clients, deployed, instance_id = connected(context, "hpc head-node status")
    node = nodes.describe(clients.ec2, clients.ssm, instance_id)
    try:
        sent, is_seen = nodes.bundle_sent(clients.s3, deployed), True
    except nodes.BundleUnseenError:
        sent, is_seen = None, False
    online = "online" if node.is_online else "not online"
    reached = f", {online} in Session Manager" if node.state == "running" else ""
    since = f" since {node.launched:%Y-%m-%d %H:%M} UTC" if node.launched and node.state == "running" else ""
    context.emit(
        {**node.document(), "bundle_sent": sent.isoformat() if sent else None},
        text=f"{node.instance_id}  {node.instance_type}  {node.state}{since}{reached}",
    )
    if is_seen and sent is None:
        context.say(
            "the bucket has no hpc for a head node that is set up anew; send it with: hpc head-node setup"
            f"{context.target.options()}"
        )


@head_node.command()
@common_options
@pass_context
def start(context: Context) -> None:
    """Start the head node and wait until Session Manager reaches it; nothing where it does already."""
    clients, _, instance_id = connected(context, "hpc head-node start")
    node = nodes.start(clients.ec2, clients.ssm, instance_id, waiting(context))
    context.emit(node.document(), text=f"{node.instance_id}  {node.state}")
    context.say(f"next: hpc login{context.target.options()}")


@head_node.command()
@common_options
@pass_context
def stop(context: Context) -> None:
    """Stop the head node, whoever is logged in; its volume stays, and its hours end. Jobs are not touched."""
    clients, _, instance_id = connected(context, "hpc head-node stop")
    clients.ec2.stop_instances(InstanceIds=[instance_id])
    node = nodes.describe(clients.ec2, clients.ssm, instance_id)
    context.emit(node.document(), text=f"{node.instance_id}  {node.state}")
