"""Doing a part of a run again, in the same run: the rest has succeeded, and its results are where they were."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from runner.array_requests import Spill
from runner.batch_facts import DefinitionFacts
from runner.deployment import Deployment
from runner.errors import InputError
from runner.folding import Folding
from runner.names import MAX_SUBMISSIONS
from runner.plan import PlannedRequest, Position, all_positions, awaited
from runner.plan_writer import Frame, PlanWriter
from runner.planner import barrier_request
from runner.recorded_tasks import RecordedTasks
from runner.request_names import RequestNames


@dataclass(frozen=True, kw_only=True)
class Again:
    """What is to be submitted besides."""

    requests: Sequence[PlannedRequest]
    objects: Mapping[str, bytes]
    reasons: Mapping[int, str]
    """By request of the run."""
    deployment: Deployment
    """What it is made for."""


@dataclass(frozen=True, kw_only=True)
class RunPlace:
    """Where requests are added."""

    run_id: str
    submission: int
    """Which of the run, from 1."""
    first: int
    """Index of the first request that is added."""
    deployment: Deployment
    definitions: Mapping[str, DefinitionFacts]
    region: str
    read_object: Callable[[str], bytes]
    """Content of a key in the bucket."""
    after: Collection[str] = field(default=())
    """Outside jobs that have not ended yet; others are waited for no more."""


def with_dependents(requests: Sequence[PlannedRequest], tasks: Iterable[str]) -> set[str]:
    """These tasks and all that wait for them, directly or not."""
    found = set(tasks)
    # What has succeeded is no dependency of a later submission: the earlier ones know it.
    where = all_positions(requests)
    size = -1
    # Of a run that was submitted several times a task may stand behind one that waits for it: once more, then.
    while size != len(found):
        size = len(found)
        is_touched: dict[int, bool] = {}
        for name, places in where.items():
            if name not in found and any(
                _is_among(requests, other, found, is_touched) for place in places for other in awaited(requests, place)
            ):
                found.add(name)
    return found


def _is_among(
    requests: Sequence[PlannedRequest], place: Position, found: Collection[str], is_touched: dict[int, bool]
) -> bool:
    names = requests[place.request].tasks
    if place.child is not None:
        return names[place.child] in found
    if place.request not in is_touched:
        is_touched[place.request] = any(name in found for name in names)
    return is_touched[place.request]


def plan_again(
    requests: Sequence[PlannedRequest],
    tasks: Collection[str],
    place: RunPlace,
    queues: Mapping[str, str] | None = None,
) -> Again:
    """Requests that do these tasks again, in arrays of just them; `queues` are other queues by task.

    What they wait for outside of `tasks` counts as succeeded. Raises InputError for a run that was submitted too often.
    """
    if place.submission > MAX_SUBMISSIONS:
        raise InputError(
            f"run {place.run_id}: is submitted at most {MAX_SUBMISSIONS} times, as the number is part of jobs' names, "
            f"got {place.submission}; begin a new one with: hpc run FILE"
        )
    source = RecordedTasks(
        requests,
        tasks,
        definitions=place.definitions,
        read_object=place.read_object,
        after=place.after,
        queues=queues,
    )
    shapes: dict[object, int] = {}
    of_task = array("l")
    unfoldable = set()
    for task in range(len(source)):
        is_alone = source.is_unfoldable(task)
        number = shapes.setdefault((source.shape(task), task if is_alone else None), len(shapes))
        of_task.append(number)
        if is_alone:
            unfoldable.add(number)
    by_set = source.needs.layers()
    layers = [by_set[number] for number in source.needs.of_task]
    folding = Folding(of_task, unfoldable, source.needs, layers)
    frame = Frame(
        names=RequestNames(place.run_id, place.submission),
        barrier=barrier_request(place.deployment, place.run_id),
        spill=Spill(place.deployment.bucket, place.deployment.programs_prefix, place.region),
        first=place.first,
    )
    writer = PlanWriter(source, folding, frame)
    made, _ = writer.write()
    return Again(requests=made, objects=writer.objects, reasons=writer.reasons, deployment=place.deployment)


def unchanged(before: Sequence[PlannedRequest], now: Sequence[PlannedRequest]) -> set[str]:
    """Tasks whose content hash is what it was when they were last planned: the same work on the same inputs."""
    hashes = _hashes(before)
    return {name for name, digest in _hashes(now).items() if digest and hashes.get(name) == digest}


def _hashes(requests: Sequence[PlannedRequest]) -> dict[str, str]:
    return {
        name: digest
        for planned in requests
        if planned.content
        for name, digest in zip(planned.tasks, planned.content, strict=True)
    }
