"""`hpc kill`: end jobs by their ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import click
from botocore.exceptions import ClientError

from runner.cli.asked import job_directory
from runner.cli.options import Context, common_options, pass_context
from runner.described_job import TERMINAL
from runner.errors import InputError
from runner.job_directory import JobDirectory

if TYPE_CHECKING:
    from runner.aws import AwsClients

MAX_REASON_CHARACTERS: Final = 1024
"""https://docs.aws.amazon.com/batch/latest/APIReference/API_TerminateJob.html"""

_REASON: Final = "Terminated by the user"
_REFUSED, _WRONG = 1, 2


@dataclass
class _Outcome:
    terminated: list[str] = field(default_factory=list)
    ended_before: dict[str, str] = field(default_factory=dict)
    """Status by id."""
    unknown: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    """What Batch said, by id."""

    @property
    def exit_code(self) -> int:
        return _WRONG if self.unknown else _REFUSED if self.refused else 0


@click.command()
@click.argument("jobs", metavar="JOB...", nargs=-1, required=True)
@click.option(
    "--reason", "-r", default=_REASON, show_default=True, help="What Batch is to remember, 1 to 1024 characters."
)
@common_options
@pass_context
def kill(context: Context, *, jobs: tuple[str, ...], reason: str) -> None:
    """End jobs, in whatever state they are.

    Waiting jobs are cancelled; running ones get SIGTERM, and SIGKILL 30 seconds later. An array, or a multi-node job,
    ends with all of its parts; ID:3 is one child of an array. JOB is a job's id, the beginning of it or the job's name,
    where no other job has it.

    Every JOB is tried. Exit code 0 if all are ended or had ended already, 2 if one is unknown, 1 if Batch refused one.
    """
    if not 1 <= len(reason) <= MAX_REASON_CHARACTERS:
        raise InputError(
            f"--reason: has 1 to {MAX_REASON_CHARACTERS} characters (TerminateJob), got {len(reason)}; shorten it"
            if reason
            else f"--reason: has 1 to {MAX_REASON_CHARACTERS} characters (TerminateJob), got none; say why"
        )
    clients = context.connect()
    outcome = _Outcome()
    for detail in _found(context, job_directory(context, clients), jobs, outcome):
        _terminate(context, clients, detail, reason, outcome)
    context.emit(
        {
            "terminated": outcome.terminated,
            "ended_before": outcome.ended_before,
            "unknown": outcome.unknown,
            "refused": outcome.refused,
        },
        text="\n".join(outcome.terminated),
    )
    click.get_current_context().exit(outcome.exit_code)


def _found(
    context: Context, directory: JobDirectory, jobs: Sequence[str], outcome: _Outcome
) -> list[Mapping[str, Any]]:
    """What DescribeJobs says of each job, once; the rest is told."""
    found: dict[str, Mapping[str, Any]] = {}
    for said in jobs:
        try:
            detail = _one(directory, said)
        except InputError as error:
            outcome.unknown.append(said)
            context.say(f"hpc: {error}")
        else:
            found[detail["jobId"]] = detail
    return list(found.values())


def _one(directory: JobDirectory, said: str) -> Mapping[str, Any]:
    detail = directory.one(said)
    whole, _, node = detail["jobId"].partition("#")
    if node:
        raise InputError(f"JOB: is a job, got {said!r}, a node, which ends with its job; end that: {whole}")
    return detail


def _terminate(
    context: Context, clients: AwsClients, detail: Mapping[str, Any], reason: str, outcome: _Outcome
) -> None:
    job_id, status = detail["jobId"], detail["status"]
    if status in TERMINAL:
        outcome.ended_before[job_id] = status
        context.say(f"{job_id} ({detail['jobName']}) had ended already: {status}")
        return
    try:
        clients.batch.terminate_job(jobId=job_id, reason=reason)
    except ClientError as error:
        refused = error.response["Error"]
        outcome.refused[job_id] = f"{refused['Code']}: {refused['Message']}"
        context.say(f"hpc: TerminateJob {job_id}: {outcome.refused[job_id]}")
        return
    outcome.terminated.append(job_id)
    what = "ends; SIGKILL follows after 30 seconds" if status in {"STARTING", "RUNNING"} else "is cancelled"
    context.say(f"{job_id} ({detail['jobName']}) was {status} and {what}")
