"""The queues and jobs that a command's arguments ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from runner import deployment
from runner.cli.options import Context
from runner.errors import InputError
from runner.job_directory import JobDirectory
from runner.job_queues import Queue, describe_queues

if TYPE_CHECKING:
    from runner.aws import AwsClients


def asked_queues(context: Context, clients: AwsClients, said: Sequence[str], option: str) -> list[Queue]:
    """The queues by name of the deployment, by Batch's name or by ARN; all of the deployment's where none is said.

    Raises InputError, beginning with the option's name, for those that Batch does not know. The deployment itself is
    only asked for where it is needed.
    """
    names: Mapping[str, str] = {}
    if not said or any(not reference.startswith("arn:") for reference in said):
        deployed = deployment.read(clients.cloudformation, context.deployment, is_local=clients.is_local)
        names = deployed.job_queues
    wanted = [names.get(reference, reference) for reference in said or names]
    found = describe_queues(clients.batch, wanted, {arn: name for name, arn in names.items()})
    known = {reference for queue in found for reference in (queue.arn, queue.name)}
    unknown = [reference for reference in wanted if reference not in known]
    if unknown and not said:
        context.say(f"queues of {context.deployment} that Batch does not know are left out: {', '.join(unknown)}")
    elif unknown:
        raise InputError.of(
            f"{option}: is a queue of the deployment {context.deployment}, a queue's name in Batch or its ARN, got "
            f"{reference!r}; use one of: {', '.join(names) or 'hpc queues lists them'}"
            for reference in unknown
        )
    return found


def job_directory(context: Context, clients: AwsClients, queues: Sequence[str] = ()) -> JobDirectory:
    """Finds the jobs that arguments name, among those of the queues where it needs to."""

    def arns() -> list[str]:
        return [queue.arn for queue in asked_queues(context, clients, queues, "--queue")]

    where = "the local cloud" if clients.is_local else clients.region
    return JobDirectory(clients.batch, arns, where)
