"""A plan for people: what would be sent, what it saves, where a task went and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from batch_limits import MAX_JOBS_PER_DESCRIBE
from runner.deployment import Deployment
from runner.durations import count
from runner.errors import InputError
from runner.plan import Dependency, PlannedRequest, positions
from runner.planner import Planned
from runner.requests import with_dependencies
from runner.template_values import listed

MAX_LINES: Final = 60
"""Of requests: beyond them --json shows all."""

MAX_NAMES: Final = 100
"""Of one request's tasks in the document."""


def describes_per_poll(requests: Sequence[PlannedRequest]) -> int:
    """DescribeJobs calls of one look at all jobs of a run; children of arrays are told by their parents."""
    return -(-len(requests) // MAX_JOBS_PER_DESCRIBE)


def overview(planned: Planned) -> str:
    """A line for each request, then what they amount to."""
    return "\n".join([*lines_of(planned.plan.requests, planned.deployment), "", *_sums(planned)])


def lines_of(requests: Sequence[PlannedRequest], deployment: Deployment, first: int = 0) -> list[str]:
    """A line for each request from the first on, as many as people read."""
    named = {arn: name for name, arn in (*deployment.job_definitions.items(), *deployment.job_queues.items())}
    lines = [_line(requests, index, named) for index in range(first, min(len(requests), first + MAX_LINES))]
    more = len(requests) - first - MAX_LINES
    return [*lines, f"… and {count(more, 'request')} more: --json shows all"] if more > 0 else lines


def _line(requests: Sequence[PlannedRequest], index: int, named: Mapping[str, str]) -> str:
    planned = requests[index]
    what = planned.group if planned.size is None else f"{planned.group}: array of {planned.size:,}"
    if planned.is_barrier:
        what = f"barrier: joins {len(planned.depends_on)} jobs"
    nodes = planned.request.get("nodeOverrides", {}).get("numNodes")
    definition, queue = planned.request["jobDefinition"], planned.job_queue
    on = f"{named.get(definition, _short(definition))} on {named.get(queue, _short(queue))}"
    more = f", {count(nodes, 'node')}" if nodes else ""
    after = [_dependency(requests, dependency) for dependency in planned.depends_on]
    after += [f"job {job_id}" for job_id in planned.after]
    said = f", after {_some(after)}" if after and not planned.is_barrier else ""
    held = f", when {_some([requests[other].group for other in planned.waits_for])} ended" if planned.waits_for else ""
    if planned.is_finally:
        held = ", when all others ended"
    return f"{index + 1:>4}  {what}  ({on}{more}){said}{held}"


def _short(reference: str) -> str:
    return reference.rpartition("/")[2]


def _some(texts: Sequence[str]) -> str:
    shown = ", ".join(texts[:3])
    return shown if len(texts) <= 3 else f"{shown} and {len(texts) - 3} more"


def _dependency(requests: Sequence[PlannedRequest], dependency: Dependency) -> str:
    other = requests[dependency.request]
    if dependency.by_index:
        return f"{other.group} child by child"
    if dependency.child is not None:
        return other.tasks[dependency.child]
    return f"barrier {dependency.request + 1}" if other.is_barrier else other.group


def _sums(planned: Planned) -> list[str]:
    plan = planned.plan
    tasks, arrays, barriers = _numbers(planned)
    saved = tasks - len(plan.requests)
    calls = f"{count(len(plan.requests), 'SubmitJob call')}" + (f", {saved:,} fewer than tasks" if saved > 0 else "")
    lines = [
        f"{count(tasks, 'task')}: {calls}; {count(arrays, 'array')}, {count(barriers, 'barrier')}",
        f"following it: at most {count(describes_per_poll(plan.requests), 'DescribeJobs call')} a look",
    ]
    held = sum(1 for request in plan.requests if request.waits_for)
    if held:
        lines.append(f"{count(held, 'request')} sent by whoever follows the run, when what it waits for has ended")
    if plan.objects:
        size = sum(map(len, plan.objects.values()))
        lines.append(f"what children do: {count(len(plan.objects), 'object')} of {size:,} bytes in the bucket")
    return lines


def _numbers(planned: Planned) -> tuple[int, int, int]:
    requests = planned.plan.requests
    return (
        sum(len(request.tasks) for request in requests),
        sum(request.size is not None for request in requests),
        sum(request.is_barrier for request in requests),
    )


def document(planned: Planned) -> dict[str, Any]:
    """The whole plan, for --json."""
    plan = planned.plan
    tasks, arrays, barriers = _numbers(planned)
    return {
        "run": plan.run_id,
        "calls": {
            "SubmitJob": len(plan.requests),
            "DescribeJobs_per_look": describes_per_poll(plan.requests),
            "PutObject": len(plan.objects),
        },
        "tasks": tasks,
        "arrays": arrays,
        "barriers": barriers,
        "saved": tasks - len(plan.requests),
        "requests": [sent(plan.requests, index) for index in range(len(plan.requests))],
        "tasks_by_request": [
            {"group": request.group, "number": len(request.tasks), "tasks": list(request.tasks[:MAX_NAMES])}
            for request in plan.requests
        ],
    }


def sent(requests: Sequence[PlannedRequest], index: int) -> dict[str, Any]:
    """A request as it would be sent, with words for the ids that are not known yet."""
    planned = requests[index]
    made = with_dependencies(planned.request, planned.after)
    depends_on = [
        {
            "jobId": f"<id of {requests[dependency.request].job_name}>"
            + (f":{dependency.child}" if dependency.child is not None else ""),
            **({"type": "N_TO_N"} if dependency.by_index else {}),
        }
        for dependency in planned.depends_on
    ]
    if depends_on:
        made["dependsOn"] = [*made.get("dependsOn", ()), *depends_on]
    return made


def explanation(planned: Planned, task: str) -> tuple[dict[str, Any], str]:
    """Where a task went and why: for --json, and as text. Raises InputError for a task that is not there."""
    requests = planned.plan.requests
    position = positions(requests).get(task)
    if position is None:
        known = listed([name for request in requests[:MAX_LINES] for name in request.tasks[:MAX_NAMES]])
        raise InputError(f"--explain: names a task of the workflow, got {task!r}; use one of: {known}")
    index, child = position
    request = requests[index]
    reason = planned.reasons[index]
    if child is None:
        lines = [f"{task} is a job of its own, request {index + 1} of {len(requests)}: {reason}"]
    else:
        place = f"child {child} of the array {request.job_name}, {request.size:,} children"
        lines = [f"{task} is {place}, request {index + 1} of {len(requests)}: {reason}"]
    for dependency in request.depends_on:
        other = requests[dependency.request]
        text = f"  waits for {_dependency(requests, dependency)}"
        if dependency.by_index and child is not None:
            text = f"  waits for {other.tasks[child]}, child {child} of {other.job_name} (N_TO_N)"
        elif other.is_barrier:
            text += f", which {planned.reasons[dependency.request]}"
        elif other.size is not None and dependency.child is None:
            text += f", all {other.size:,} children of {other.job_name}"
        lines.append(text)
    lines += [f"  waits for job {job_id}, outside the workflow" for job_id in request.after]
    lines += [
        f"  is sent when {requests[other].group} has ended, however it ends: Batch knows no such dependency"
        for other in request.waits_for[:MAX_LINES]
    ]
    found = {
        "task": task,
        "request": index,
        "job_name": request.job_name,
        "child": child,
        "reason": reason,
        "sent": sent(requests, index),
    }
    return found, "\n".join(lines)
