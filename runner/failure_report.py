"""All that is known of a failure, in one place: nothing about it needs the console."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from runner.described_job import Attempt, DescribedJob
from runner.durations import count, duration
from runner.job_notes import explain_exit_code
from runner.logs import LogLine, LogReader
from runner.run_state import RunState
from runner.task_state import NOT_SUBMITTED, TaskState

MAX_REPORTS: Final = 10
"""Failures that are told in full: each costs a call and half a screen."""

MAX_KINDS: Final = 20
"""Kinds of further failures, and tasks that were not run, that are named."""

TAIL_LINES: Final = 20
NODE_TAIL_LINES: Final = 5
"""Of each node that is not the main node: what ranks print is in the main node's log."""

MAX_NODES_TOLD: Final = 8
"""Besides the main node, of each kind: where one node takes the others with it, all of them fail."""


def no_nodes(job: DescribedJob) -> Sequence[DescribedJob]:
    """Of a job without nodes; for one with, see `failed_nodes`."""
    del job
    return ()


def failure_reports(
    state: RunState, reader: LogReader, failed_nodes: Callable[[DescribedJob], Sequence[DescribedJob]] = no_nodes
) -> str:
    """A report for each task that failed by itself, then the tasks that were not run because of them.

    Of a multi-node job the main node's comes first, which is the job's, then each other node that failed. Of many
    failures the first are told in full, the rest counted by what they have in common.
    """
    found = state.failures()
    reports = [
        failure_report(
            state.record.run_id,
            task,
            task.job,
            _tail(task.job, reader, TAIL_LINES),
            nodes=_node_lines(task.job, failed_nodes(task.job), reader),
            options=state.record.target.options(),
        )
        for task in itertools.islice(found, MAX_REPORTS)
        if task.job is not None
    ]
    alike = Counter((task.group, task.note) for task in found)
    rest = [f"{group}: {number:,} more failed: {note}" for (group, note), number in alike.most_common(MAX_KINDS)]
    if alike:
        rest.append(f"all of them: hpc status {state.record.run_id} --json{state.record.target.options()}")
    return "\n".join([*reports, *rest, *_victims(state), *_missing(state)])


def _victims(state: RunState) -> Iterator[str]:
    """Tasks that were not run; those of an array, of which there may be thousands, by whose failure it was."""
    by_group: dict[str, Counter[str]] = {}
    left_out = 0
    told = itertools.count()
    for task in state.troubled():
        if not task.failed_dependency:
            continue
        if task.name != task.group:
            by_group.setdefault(task.group, Counter())[task.failed_dependency] += 1
        elif next(told) < MAX_KINDS:
            yield f"{task.name}: {task.note}"
        else:
            left_out += 1
    for group, causes in by_group.items():
        (first, _), *others = causes.most_common()
        more = f" and {len(others):,} more" if others else ""
        yield f"{group}: {count(causes.total(), 'task')} not run: {first}{more} failed"
    if left_out:
        yield f"and {count(left_out, 'task')} more not run"


def _missing(state: RunState) -> Iterator[str]:
    for group in state.groups():
        number = group.counts.get(NOT_SUBMITTED, 0)
        if number:
            tasks = "" if number == 1 else f"{number:,} tasks "
            yield f"{group.name}: {tasks}" + (f"not submitted: {group.note}" if group.note else "never submitted")


def failure_report(
    run_id: str,
    task: TaskState,
    job: DescribedJob,
    tail: Sequence[LogLine],
    *,
    nodes: Sequence[str],
    options: str,
) -> str:
    """One task's failure; `nodes` are the lines about those that failed besides the main node."""
    lines = [f"{task.name} failed: {task.note}", f"  job     {job.name}", f"  id      {job.job_id}"]
    lines.append(f"  status  {job.status}: {job.status_reason or 'no reason given'}")
    if job.reason:
        lines.append(f"  reason  {job.reason}")
    for number, attempt in enumerate(job.attempts, start=1):
        lines.append(f"  attempt {number} of {job.max_attempts}: {_attempt(attempt)}")
    if not job.attempts:
        lines.append("  attempt none: it never got to a host")
    stream = job.log_stream_of(len(job.attempts))
    if job.nodes is not None:
        lines.append(f"  node {job.nodes.main} is the main node, whose end is the job's")
    if tail:
        lines.append(f"  last lines of {job.log_group} {stream}:")
        lines += [f"    | {line.text}" for line in tail]
    elif stream:
        lines.append(f"  no output in {job.log_group} {stream}")
    lines += nodes
    lines.append(f"  all of it: hpc logs {run_id} {task.name}{options}")
    return "\n".join(lines) + "\n"


def _node_lines(job: DescribedJob, nodes: Sequence[DescribedJob], reader: LogReader) -> list[str]:
    """About each node; those that ended as the main node did were told its end and have no story of their own."""
    alike = [node.job_id for node in nodes if node.exit_code == job.exit_code]
    others = [node for node in nodes if node.exit_code != job.exit_code]
    lines = []
    for node in others[:MAX_NODES_TOLD]:
        ended = _attempt(node.attempts[-1]) if node.attempts else node.status_reason or "it never got to a host"
        lines.append(f"  node {node.job_id.partition('#')[2]} failed: {ended}")
        lines.append(f"    id {node.job_id}")
        lines += [f"    | {line.text}" for line in _tail(node, reader, NODE_TAIL_LINES)]
    if len(others) > MAX_NODES_TOLD:
        lines.append(f"  and {len(others) - MAX_NODES_TOLD} more nodes failed")
    if alike:
        more = f" and {len(alike) - MAX_NODES_TOLD} more" if len(alike) > MAX_NODES_TOLD else ""
        lines.append(f"  ended as the main node did: {', '.join(alike[:MAX_NODES_TOLD])}{more}")
    return lines


def _attempt(attempt: Attempt) -> str:
    ran = ""
    if attempt.started_at is None:
        ran = "never ran"
    elif attempt.stopped_at is not None:
        ran = f"ran {duration(attempt.stopped_at - attempt.started_at)}"
    said = (explain_exit_code(attempt.exit_code), attempt.reason, attempt.status_reason, ran)
    return ", ".join(part for part in said if part)


def _tail(job: DescribedJob, reader: LogReader, count: int) -> list[LogLine]:
    stream = job.log_stream_of(len(job.attempts))
    return reader.tail(job.log_group, stream, count) if stream else []
