"""`hpc login`: a shell on the head node, by Session Manager."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable, Iterator
from typing import Final

import click

from runner import head_node as nodes
from runner.cli.head_node import connected, waiting
from runner.cli.options import Context, common_options, pass_context
from runner.errors import InputError

_GUIDE: Final = "https://docs.aws.amazon.com/systems-manager/latest/userguide"

_NEEDED: Final = (
    (
        "aws",
        "the AWS command line, version 2: https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html",
    ),
    (
        "session-manager-plugin",
        f"its plugin for Session Manager: {_GUIDE}/session-manager-working-with-install-plugin.html",
    ),
)
"""Command -> what it is and where it is had from."""


@click.command()
@click.option("--dry-run", is_flag=True, help="Show the command; start nothing.")
@common_options
@pass_context
def login(context: Context, *, dry_run: bool) -> None:
    """Open a shell on the head node, started where it is stopped.

    Needs the AWS command and its plugin for Session Manager, no key and no open port. The shell ends as any does; the
    head node stops itself when it has not been used for as long as the deployment's settings say.
    """
    clients, _, instance_id = connected(context, "hpc login")
    command = [
        *("aws", "ssm", "start-session", "--target", instance_id, "--region", clients.region),
        *(("--profile", context.profile) if context.profile else ()),
        *(("--endpoint-url", context.endpoint_url) if context.endpoint_url else ()),
    ]
    if context.json and not dry_run:
        raise InputError("--json: is for what ends with a document, got it for a shell; add --dry-run, or leave it out")
    if dry_run:
        context.emit({"command": command}, text=shlex.join(command))
        return
    missing = list(_missing(shutil.which))
    if missing:
        raise InputError.of(missing)
    nodes.start(clients.ec2, clients.ssm, instance_id, waiting(context))
    os.execvp(command[0], command)  # noqa: S606 - the terminal is the session's from here on


def _missing(which: Callable[[str], str | None]) -> Iterator[str]:
    for name, what in _NEEDED:
        if which(name) is None:
            yield f"PATH: has the command {name}, got none; install {what}"
