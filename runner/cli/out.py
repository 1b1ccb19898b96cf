"""`hpc out`: what a job printed, by the job's id alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import chain
from typing import Final

import click

from runner.cli.asked import job_directory
from runner.cli.options import Context, common_options, pass_context
from runner.described_job import DescribedJob, from_detail
from runner.durations import moment
from runner.errors import InputError
from runner.job_output import JobOutput
from runner.logs import LogLine, LogReader

_PERIOD_SECONDS: Final = {True: 0.3, False: 5.0}
"""Between two looks while following: on the local cloud, on AWS."""


@click.command()
@click.argument("job", metavar="JOB")
@click.option("--head", "-hd", type=click.IntRange(min=1), metavar="N", help="Only the first N lines (default: all).")
@click.option("--tail", "-t", type=click.IntRange(min=1), metavar="N", help="Only the last N lines (default: all).")
@click.option(
    "--stream",
    "-s",
    "--follow",
    "-f",
    "stream",
    is_flag=True,
    help="Stay until the job has ended; with --tail, begin with its last N lines.",
)
@click.option(
    "--stream-period",
    "-sp",
    type=click.FloatRange(min=0.1, max=3600),
    metavar="SECONDS",
    help="Between two looks with --stream, 0.1 to 3600 seconds (default: 5; on the local cloud 0.3).",
)
@click.option("--attempt", type=click.IntRange(min=1), metavar="N", help="One attempt, from 1 (default: the latest).")
@click.option("--times", is_flag=True, help="Begin each line with its time, in UTC.")
@common_options
@pass_context
def out(
    context: Context,
    *,
    job: str,
    head: int | None,
    tail: int | None,
    stream: bool,
    stream_period: float | None,
    attempt: int | None,
    times: bool,
) -> None:
    """What a job printed, or one node of it, or one child of an array.

    JOB is a job's id, the beginning of it or the job's name; ID#1 is a node, ID:3 a child of an array. Of a multi-node
    job without #NODE it is the main node's output. With --stream also what later attempts print.
    """
    _check(head, tail, stream=stream, stream_period=stream_period)
    clients = context.connect()
    whole, _, node = job.partition("#")
    asked = from_detail(job_directory(context, clients).one(whole))
    output = JobOutput(clients.batch, asked.job_id, _node(asked, node) if node else None)
    if asked.array is not None:
        raise InputError(
            f"JOB: is a job that prints, got {asked.job_id}, an array of {asked.array.size}; name a child of it: "
            f"{asked.job_id}:0 to {asked.job_id}:{asked.array.size - 1}"
        )
    printing = output.look() or asked
    reader = LogReader(clients.logs)
    number = attempt or max(printing.attempt, 1)
    lines = _numbered(number, _lines(output, reader, head, tail, number, stream=stream))
    if stream:
        period = stream_period or _PERIOD_SECONDS[clients.is_local]
        lines = chain(lines, _from(number, output.follow(reader, time.sleep, period, attempt)))
    said = list(_print(context, lines, number, printing, times=times))
    context.emit({"job_id": printing.job_id, "job_name": printing.name, "lines": said}, text="")
    if not said:
        context.say(_silence(output.look() or printing, node))


def _silence(job: DescribedJob, node: str) -> str:
    yet = "" if job.is_terminal else " yet"
    if node and "#" not in job.job_id:
        return f"node {node} of {job.job_id}, which is {job.status}, was not started{yet}"
    return f"{job.job_id} is {job.status} and has printed nothing{yet}"


def _node(job: DescribedJob, said: str) -> int:
    """The index; a node that was not started yet is none that Batch knows, but one to wait for."""
    if job.nodes is None:
        raise InputError(f"JOB: has nodes where a node is named, got {job.job_id}#{said}; leave #{said} out")
    if not said.isdecimal() or int(said) >= job.nodes.count:
        raise InputError(f"JOB: has nodes #0 to #{job.nodes.count - 1}, got #{said}; use one of them")
    return int(said)


def _check(head: int | None, tail: int | None, *, stream: bool, stream_period: float | None) -> None:
    for other, given in (("--tail", tail is not None), ("--stream", stream)):
        if head is not None and given:
            raise InputError(f"--head: ends after the first lines, got it beside {other}; leave one of them out")
    if stream_period is not None and not stream:
        raise InputError("--stream-period: is for --stream, got none; add --stream, or leave the period out")


def _lines(
    output: JobOutput, reader: LogReader, head: int | None, tail: int | None, attempt: int, *, stream: bool
) -> Iterator[LogLine]:
    if head is not None:
        return output.head(reader, head, attempt)
    if tail is not None:
        return output.tail(reader, tail, attempt)
    # Following reads from the beginning by itself.
    return iter(()) if stream else output.head(reader, None, attempt)


def _numbered(attempt: int, lines: Iterator[LogLine]) -> Iterator[tuple[int, LogLine]]:
    return ((attempt, line) for line in lines)


def _from(attempt: int, lines: Iterator[tuple[int, LogLine]]) -> Iterator[tuple[int, LogLine]]:
    return (entry for entry in lines if entry[0] >= attempt)


def _print(
    context: Context, lines: Iterator[tuple[int, LogLine]], first: int, job: DescribedJob, *, times: bool
) -> Iterator[dict[str, object]]:
    if first > 1:
        context.say(f"--- attempt {first} of {job.max_attempts}; those before: --attempt 1")
    last = first
    for attempt, line in lines:
        if attempt != last:
            context.say(f"--- attempt {attempt} of {job.max_attempts}")
        last = attempt
        if not context.json:
            click.echo(f"{moment(line.at / 1000)}: {line.text}" if times else line.text)
        yield {"attempt": attempt, "at_ms": line.at, "text": line.text}
