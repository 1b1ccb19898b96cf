"""Groups that queues share their capacity between: which one a run's jobs count for, on the queues that ask."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from batch_limits import SHARE_IDENTIFIER_PATTERN
from runner.batch_facts import BatchFacts, DefinitionFacts
from runner.deployment import Deployment
from runner.errors import InputError
from runner.task import Task

ORDINARY_PRIORITY: Final = 0
"""Of a job whose definition has none, within its group; Batch wants one, the higher first.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_SubmitJob.html
"""


def chosen_shares(
    share: str | None, tasks: Iterable[Task], deployment: Deployment, facts: BatchFacts
) -> Mapping[str, str]:
    """The group by queue, for queues that share fairly; Batch refuses one on any other queue, and none on these.

    InputError, with every finding, where there has to be a group and is none, where what is given is none, and for a
    task that would fall back to a queue of the other kind.
    """
    findings: list[str] = []
    found: dict[str, str] = {}
    for task in tasks:
        queues = [task.queue, *([task.fallback.queue] if task.fallback is not None else [])]
        fair = sorted({name for name in queues if _is_fair(deployment.job_queue(name), facts)})
        if fair and len(fair) < len(set(queues)):
            findings.append(
                f"fallback: goes from a queue that shares fairly to another such queue, got {queues[0]!r} and "
                f"{queues[1]!r}, of which only {', '.join(map(repr, fair))} does; choose another, or leave it out"
            )
        for name in fair:
            try:
                found[deployment.job_queue(name)] = group_of(share, name)
            except InputError as error:
                findings += error.findings
    if findings:
        raise InputError.of(findings)
    return found


def group_of(share: str | None, queue: str) -> str:
    """The group, for a queue that shares fairly; InputError where there is none, or what is given is none."""
    if share is None:
        raise InputError(
            f"--share: names the group that jobs count for on queue {queue!r}, which shares fairly between groups, got "
            "none; give it, or set HPC_SHARE"
        )
    # An asterisk at the end is for weights, which may be of many groups.
    if share.endswith("*") or re.fullmatch(SHARE_IDENTIFIER_PATTERN, share) is None:
        raise InputError(f"--share: is the name of a group, 1 to 255 letters and digits, got {share!r}; correct it")
    return share


def share_keys(share: str, definition: DefinitionFacts | None) -> dict[str, Any]:
    """What a request on a queue that shares fairly says beyond others."""
    has_priority = definition is not None and definition.has_priority
    return {"shareIdentifier": share} | ({} if has_priority else {"schedulingPriorityOverride": ORDINARY_PRIORITY})


def _is_fair(queue: str, facts: BatchFacts) -> bool:
    known = facts.queues.get(queue)
    return known is not None and known.shares_fairly
