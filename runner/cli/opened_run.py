"""The run that a command names, with clients for where it was submitted."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner import ledger
from runner.cli.options import Context
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


def open_run(context: Context, wanted: str | None) -> OpenedRun:
    """The run of that id, the newest for None. A run remembers its target; options given now change it."""
    found = ledger.find(context.home, wanted, local_only=context.local and wanted is None)
    target = _target(context, found.head().target, found.path.parent.name)
    clients = context.connect(target)
    return OpenedRun(Run(found, clients.batch), clients)


def _target(context: Context, recorded: Target, run_id: str) -> Target:
    if context.local and not recorded.local:
        raise InputError(f"--local: names a run of the local cloud, got {run_id}, which runs on AWS; leave it out")
    return dataclasses.replace(
        recorded,
        profile=context.profile or recorded.profile,
        region=context.region or recorded.region,
        endpoint_url=context.endpoint_url or recorded.endpoint_url,
    )
