"""The run that a command names, with clients for where it was submitted."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from runner import deployment, ledger
from runner.cli.options import Context
from runner.deployment import Deployment
from runner.errors import InputError
from runner.run import Run
from runner.target import Target

if TYPE_CHECKING:
    from runner.aws import AwsClients


@dataclass(frozen=True)
class OpenedRun:
    """A run and the clients that reach its jobs, logs and objects."""

    run: Run
    clients: AwsClients

    @cached_property
    def deployed(self) -> Deployment:
        """What the run was submitted to, as it is now. InputError where it is gone, or of another version."""
        name = self.run.record.target.deployment
        return deployment.read(self.clients.cloudformation, name, is_local=self.clients.is_local)

    @property
    def runs_prefix(self) -> str:
        """Key prefix of the copies of ledgers."""
        return self.deployed.runs_prefix


def open_run(context: Context, wanted: str | None) -> OpenedRun:
    """The run of that id, the newest for None. A run remembers its target; options given now change it."""
    found = ledger.find(context.home, wanted, local_only=context.local and wanted is None)
    target = _target(context, found.head().target, found.path.parent.name)
    clients = context.connect(target)
    return OpenedRun(Run(found, clients.batch), clients)


def deployed_or_none(context: Context, opened: OpenedRun) -> Deployment | None:
    """What the run was submitted to; None, which is said, where it is not there any more: its jobs may be."""
    try:
        return opened.deployed
    except InputError as error:
        context.say(f"followed by asking alone: {error}")
        return None


def _target(context: Context, recorded: Target, run_id: str) -> Target:
    if context.local and not recorded.local:
        raise InputError(f"--local: names a run of the local cloud, got {run_id}, which runs on AWS; leave it out")
    return dataclasses.replace(
        recorded,
        profile=context.profile or recorded.profile,
        region=context.region or recorded.region,
        endpoint_url=context.endpoint_url or recorded.endpoint_url,
    )
