"""What all commands share: where to look, how to speak, and the options that decide it.

The options may stand before or behind a command's name: `hpc --local run FILE` is `hpc run FILE --local`.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from deployment_outputs import DEFAULT_DEPLOYMENT
from runner.errors import InputError
from runner.target import Target, default_deployment

if TYPE_CHECKING:
    from runner.aws import AwsClients

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def _usual_share() -> str | None:
    return os.environ.get("HPC_SHARE") or None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Context:
    """One invocation's choices, and its two voices: data on stdout, talk on stderr."""

    deployment: str = dataclasses.field(default_factory=default_deployment)
    local: bool = False
    profile: str | None = None
    region: str | None = None
    endpoint_url: str | None = None
    share: str | None = dataclasses.field(default_factory=_usual_share)
    """The group that jobs count for on queues that share fairly."""
    json: bool = False
    """One JSON document on stdout instead of text."""
    connector: Callable[[Target, Path], AwsClients] | None = None
    """Makes the clients for a target, given the local cloud's state directory; None for AWS's own SDK."""

    @property
    def home(self) -> Path:
        """Where runs are remembered: `.hpc` here, or HPC_HOME."""
        return Path(os.environ.get("HPC_HOME") or ".hpc")

    @property
    def local_state(self) -> Path:
        """The local cloud's state directory: `local` in `home`, or HPC_LOCAL_STATE."""
        chosen = os.environ.get("HPC_LOCAL_STATE")
        return Path(chosen) if chosen else self.home / "local"

    @property
    def share_is_usual(self) -> bool:
        """Whether the group is that of HPC_SHARE, for all that one submits, rather than said for this run."""
        return self.share == _usual_share()

    @property
    def target(self) -> Target:
        """What the options choose."""
        return Target(
            deployment=self.deployment,
            local=self.local,
            profile=self.profile,
            region=self.region,
            endpoint_url=self.endpoint_url,
        )

    def connect(self, target: Target | None = None) -> AwsClients:
        """Clients for a target: the options' own, where none is given."""
        if self.connector is not None:
            return self.connector(target or self.target, self.local_state)
        from runner.aws import connect  # noqa: PLC0415 - boto3 takes half a second, which help need not wait for

        return connect(target or self.target, self.local_state)

    def emit(self, document: object, *, text: str) -> None:
        """Say the result on stdout: the document with --json, else the text where there is any."""
        if self.json:
            click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        elif text:
            click.echo(text)

    def say(self, text: str) -> None:
        """Talk, on stderr."""
        click.echo(text, err=True)


def _writable(context: click.Context, parameter: click.Parameter, path: Path | None) -> Path | None:
    """Refuse before anything is submitted what could not be written at the end."""
    del context, parameter
    if path is None:
        return None
    if path.is_dir() or not path.name:
        raise InputError(f"--report: is the file to write, got {str(path)!r}, which is a directory; name a file in it")
    # Directories on the way are made.
    there = path if path.exists() else next(folder for folder in path.absolute().parents if folder.exists())
    if not os.access(there, os.W_OK) or (there != path and not there.is_dir()):
        raise InputError(f"--report: is a file that can be written, got {str(path)!r}; choose another place")
    return path


report_option = click.option(
    "--report", type=click.Path(path_type=Path), callback=_writable, help="Write the report here at the end."
)
"""Of commands that stay until a run has ended."""

pass_context = click.make_pass_decorator(Context, ensure=True)
"""Hands the Context to a command as its first argument."""


def _chosen(context: click.Context, parameter: click.Parameter, value: object) -> None:
    current: Context = context.ensure_object(Context)
    if value and parameter.name:
        changes: dict[str, Any] = {parameter.name: value}
        context.obj = dataclasses.replace(current, **changes)


def _option(name: str, **attributes: Any) -> Callable[[Decorated], Decorated]:
    return click.option(name, expose_value=False, callback=_chosen, **attributes)


def share_option(command: Decorated) -> Decorated:
    """Give a command that submits the option that names whom its jobs count for."""
    text = "Group that the jobs count for on queues that share fairly (default: HPC_SHARE)."
    return _option("--share", metavar="GROUP", help=text)(command)


def common_options(command: Decorated) -> Decorated:
    """Give a command the options of `Context`; their values reach it through `pass_context`."""
    for option in reversed(
        (
            _option("--local", is_flag=True, help="Use the local cloud of this directory (hpc local up)."),
            _option(
                "--deployment", metavar="NAME", help=f"Deployment (default: HPC_DEPLOYMENT, else {DEFAULT_DEPLOYMENT})."
            ),
            _option("--profile", metavar="NAME", help="AWS profile (default: AWS_PROFILE, else the SDK's)."),
            _option("--region", metavar="REGION", help="AWS region (default: AWS_REGION, else the profile's)."),
            _option("--endpoint-url", metavar="URL", help="Endpoint of AWS (default: AWS_ENDPOINT_URL, if set)."),
            _option("--json", is_flag=True, help="One JSON document on stdout."),
        )
    ):
        command = option(command)
    return command
