"""`hpc stat`: the jobs of the queues, or some jobs in detail."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from runner import job_listing
from runner.cli.asked import asked_queues, job_directory
from runner.cli.options import Context, common_options, pass_context
from runner.cli.text_table import terminal_width, text_table
from runner.described_job import DescribedJob
from runner.describer import describe
from runner.durations import count, moment
from runner.errors import InputError
from runner.job_document import job_document
from runner.job_notes import job_note
from runner.job_particulars import Particulars, particulars, parts_document

if TYPE_CHECKING:
    from runner.aws import AwsClients

_MAX_PARTS: Final = 100
"""Of one job shown in detail; of more there may be thousands."""


@click.command()
@click.argument("jobs", metavar="[JOB]...", nargs=-1)
@click.option(
    "--status",
    "-s",
    "states",
    multiple=True,
    metavar="STATE",
    help="State to list, or several with commas, or ALL; repeatable. SUBMITTED, PENDING, RUNNABLE, STARTING, RUNNING, "
    "SUCCEEDED, FAILED (default: all but the last two).",
)
@click.option(
    "--queue",
    "-q",
    "queues",
    multiple=True,
    metavar="QUEUE",
    help="Queue of the deployment, or a queue's name in Batch or its ARN; repeatable (default: all of the deployment).",
)
@click.option(
    "--expand-children", "-e", is_flag=True, help="Show the children of arrays and the nodes of multi-node jobs, too."
)
@click.option("--details", "-d", is_flag=True, help="Show everything about each job (default: for a single JOB).")
@common_options
@pass_context
def stat(
    context: Context,
    *,
    jobs: tuple[str, ...],
    states: tuple[str, ...],
    queues: tuple[str, ...],
    expand_children: bool,
    details: bool,
) -> None:
    """The jobs that have not ended; with JOB, that job in detail.

    Those of all queues of the deployment, sorted by state, in the order of a job's life. A job's id has [SIZE] behind
    it for an array and *NODES for a multi-node job. JOB is a job's id, the beginning of it or the job's name; ID:3 is a
    child of an array, ID#1 a node.
    """
    if jobs and states:
        raise InputError("--status: chooses among the jobs of queues, got it beside JOB; leave one of them out")
    clients = context.connect()
    if jobs:
        directory = job_directory(context, clients, queues)
        found = {detail["jobId"]: detail for said in jobs for detail in directory.all_called(said)}
        listing = _Listing(clients, job_listing.ALL, {})
        if details or len(jobs) == len(found) == 1:
            listing.tell_details(context, list(found.values()), expand_children=expand_children)
            return
        chosen = [particulars(detail).job for detail in found.values()]
    else:
        asked = asked_queues(context, clients, queues, "--queue")
        listing = _Listing(clients, _chosen(states), {queue.name: queue.label for queue in asked})
        of_queues = (job_listing.jobs_of_queue(clients.batch, queue.arn, listing.states) for queue in asked)
        chosen = job_listing.in_order(job for of_queue in of_queues for job in of_queue)
        if details:
            described = describe(clients.batch, [job.job_id for job in chosen])
            listing.tell_details(context, list(described.values()), expand_children=expand_children)
            return
    listing.tell(context, listing.expanded(chosen) if expand_children else chosen)
    if not chosen:
        ended = "" if set(listing.states) >= set(job_listing.ALL) else "; see: hpc stat --status ALL"
        context.say(f"no job is {_alternatives(listing.states)}{ended}{context.target.options() if ended else ''}")


def _chosen(said: Iterable[str]) -> tuple[str, ...]:
    states = [state.strip().upper() for text in said for state in text.split(",")]
    wrong = [state for state in states if state not in {*job_listing.ALL, "ALL"}]
    if wrong:
        raise InputError(
            f"--status: is one of {', '.join(job_listing.ALL)} or ALL, got {wrong[0]!r}; several are joined by commas"
        )
    if "ALL" in states:
        return job_listing.ALL
    return tuple(state for state in job_listing.ALL if state in states) or job_listing.OPEN


def _alternatives(states: Sequence[str]) -> str:
    return " or ".join((", ".join(states[:-1]), states[-1])) if len(states) > 1 else states[0]


class _Listing:
    """Tells of jobs. `labels` are what the deployment calls its queues, by Batch's names."""

    def __init__(self, clients: AwsClients, states: Sequence[str], labels: Mapping[str, str]) -> None:
        self._clients = clients
        self._labels = labels
        self.states = states

    def expanded(self, jobs: Iterable[DescribedJob]) -> list[DescribedJob]:
        """Each job, and behind it its children or nodes."""
        return [shown for job in jobs for shown in (job, *job_listing.parts_of(self._clients.batch, job, self.states))]

    def tell(self, context: Context, jobs: Sequence[DescribedJob]) -> None:
        """A row a job."""
        rows = [(self._id(job), job.name, self._labels.get(job.queue, job.queue), *_cells(job)) for job in jobs]
        headings = ("job", "name", "queue", "status", "started (UTC)", "stopped (UTC)", "exit", "")
        text = text_table(headings, rows, width=terminal_width()) if rows else ""
        context.emit({"jobs": [self._document(job) for job in jobs]}, text=text)

    def tell_details(self, context: Context, details: Sequence[Mapping[str, Any]], *, expand_children: bool) -> None:
        """All about each job, with its children or nodes."""
        now_ms = time.time() * 1000
        texts, documents = [], []
        for detail in details:
            one = particulars(detail)
            parts = self._parts(one, is_complete=expand_children)
            texts.append("\n".join([*one.lines(now_ms), *self._parts_text(one, parts)]))
            documents.append({**one.document(), "parts": [self._document(part) for part in parts]})
            _say_next(context, one.job, parts)
        context.emit({"jobs": documents}, text="\n\n".join(texts))

    def _parts(self, one: Particulars, *, is_complete: bool) -> list[DescribedJob]:
        job = one.job
        number = job.array.size if job.array else job.nodes.count if job.nodes else 0
        if number > _MAX_PARTS and not is_complete:
            return []
        return job_listing.parts_of(self._clients.batch, job, job_listing.ALL)

    def _parts_text(self, one: Particulars, parts: Sequence[DescribedJob]) -> list[str]:
        if not parts:
            return []
        rows = [(part.job_id, *_cells(part)) for part in parts]
        headings = (
            "node" if one.job.nodes else "child",
            "status",
            "started (UTC)",
            "stopped (UTC)",
            "exit",
            "",
        )
        return ["", text_table(headings, rows, width=terminal_width())]

    def _id(self, job: DescribedJob) -> str:
        if job.array:
            return f"{job.job_id} [{job.array.size}]"
        return f"{job.job_id} *{job.nodes.count}" if job.nodes else job.job_id

    def _document(self, job: DescribedJob) -> dict[str, Any]:
        told = job_document(job)
        # ListJobs says nothing of them.
        for unknown in ("attempts", "log_group", "log_stream"):
            del told[unknown]
        return {
            "job_id": job.job_id,
            "job_name": job.name,
            "status": job.status,
            "note": job_note(job) or None,
            **told,
            **parts_document(job),
        }


def _cells(job: DescribedJob) -> tuple[str, str, str, str, str]:
    note = job_note(job)
    if job.is_main_node:
        note = f"main node; {note}" if note else "main node"
    return (
        job.status,
        _time(job.started_at),
        _time(job.stopped_at),
        "" if job.exit_code is None else str(job.exit_code),
        note,
    )


def _time(milliseconds: int | None) -> str:
    return moment(milliseconds / 1000).removesuffix(" UTC") if milliseconds else ""


def _say_next(context: Context, job: DescribedJob, parts: Sequence[DescribedJob]) -> None:
    options = context.target.options()
    number = job.array.size if job.array else job.nodes.count if job.nodes else 0
    kind = "child" if job.array else "node"
    if number > _MAX_PARTS and not parts:
        context.say(f"its {number} parts: hpc stat {job.job_id} --expand-children{options}")
    elif number > len(parts) and not job.is_terminal:
        context.say(f"{count(number - len(parts), kind)} of {number} not there yet: Batch makes them as they start")
    failed = [part.job_id for part in parts if part.status == "FAILED"]
    what = next(iter(failed), f"{job.job_id}:0") if job.array else job.job_id
    context.say(f"what it printed: hpc out {what}{options}")
    if not job.is_terminal:
        context.say(f"end it: hpc kill {job.job_id}{options}")
