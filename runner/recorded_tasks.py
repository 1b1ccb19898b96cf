"""Tasks of requests that were planned before, for some of them to be done again."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from launcher_contract import CHILDREN_VARIABLE
from runner.array_requests import is_script_of_children
from runner.batch_facts import DefinitionFacts
from runner.child_content import Child
from runner.errors import HpcError
from runner.needs import Needs, Spans, count, of_tasks, overlap, spans
from runner.plan import PlannedRequest, Position, all_positions, awaited
from runner.request_names import common_part
from runner.requests import container_overrides
from runner.task_source import Traits


class RecordedTasks:
    """A part of the tasks of some requests, numbered in the order of these."""

    def __init__(
        self,
        requests: Sequence[PlannedRequest],
        tasks: Collection[str],
        *,
        definitions: Mapping[str, DefinitionFacts],
        read_object: Callable[[str], bytes],
        after: Collection[str] = (),
        queues: Mapping[str, str] | None = None,
    ) -> None:
        """`read_object` reads a key of the bucket; `after` holds the outside jobs that are still waited for; `queues`
        other queues by task.
        """
        self._requests = requests
        self._definitions = definitions
        self._read_object = read_object
        self._after = frozenset(after)
        self._queues = dict(queues or {})
        where = all_positions(requests)
        wanted = set(tasks)
        self._names: Final = sorted(
            (name for name in where if name in wanted),
            key=lambda name: (where[name][-1].request, where[name][-1].child or 0),
        )
        self._places: Final = [where[name][-1] for name in self._names]
        self._numbers: Final = {name: number for number, name in enumerate(self._names)}
        self._all_names = where.keys()
        self._children: dict[int, Sequence[Child]] = {}
        self._needed_in_part: dict[int, bool] = {}
        # What had succeeded was no dependency of a later submission: the earlier ones know it.
        self.needs: Final = self._connected([where[name] for name in self._names])

    def __len__(self) -> int:
        return len(self._names)

    def name(self, task: int) -> str:
        """A task's name."""
        return self._names[task]

    def is_task(self, name: str) -> bool:
        """Whether a task is called so, of this part or the rest."""
        return name in self._all_names

    def label(self, members: Sequence[int], names: Sequence[str]) -> str:
        """What they were called before."""
        groups = {self._planned(members[0]).group, self._planned(members[-1]).group}
        return groups.pop() if len(groups) == 1 else common_part(names)

    def traits(self, task: int) -> Traits:
        """As they were planned, but for what has happened meanwhile."""
        planned = self._planned(task)
        facts = self._definitions.get(planned.request["jobDefinition"])
        is_script = _is_script(planned)
        return Traits(
            after=tuple(job_id for job_id in planned.after if job_id in self._after),
            may_fail=planned.may_fail,
            is_finally=planned.is_finally,
            fallback_queue=None if self._names[task] in self._queues else planned.fallback_queue,
            has_launcher=facts is not None and facts.has_launcher and not is_script,
            is_multinode="nodeOverrides" in planned.request,
            why_alone="it was the child of a script, and is its own job now" if is_script else None,
        )

    def shape(self, task: int) -> object:
        """Equal for tasks that one array could run."""
        traits = self.traits(task)
        # Others wait for the end of those that may fail: of one request at a time.
        told: object = self._places[task].request if traits.may_fail else ()
        if not traits.has_launcher:
            told = (told, json.dumps(self.child(task)))
        return json.dumps(self.request(task), sort_keys=True), traits, told

    def is_unfoldable(self, task: int) -> bool:
        """Whether it stays a job of its own."""
        planned = self._planned(task)
        is_needed_in_part = planned.may_fail and self._is_needed_in_part(self._places[task].request)
        return "nodeOverrides" in planned.request or _is_script(planned) or is_needed_in_part

    def child(self, task: int) -> Child:
        """What a task does."""
        request, child = self._places[task]
        return self._children_of(request)[child or 0]

    def request(self, task: int) -> dict[str, Any]:
        """As it was sent, on the queue where it goes now."""
        kept = {
            key: value
            for key, value in self._planned(task).request.items()
            if key not in {"jobName", "arrayProperties", "containerOverrides"}
        }
        kept["jobQueue"] = self._queues.get(self._names[task], kept["jobQueue"])
        requirements = self._planned(task).request.get("containerOverrides", {}).get("resourceRequirements")
        return kept | ({"containerOverrides": {"resourceRequirements": requirements}} if requirements else {})

    def content(self, task: int, said: str) -> str:
        """As it was."""
        del said
        request, child = self._places[task]
        content = self._requests[request].content
        return content[child or 0] if content else ""

    def _planned(self, task: int) -> PlannedRequest:
        return self._requests[self._places[task].request]

    def _is_needed_in_part(self, request: int) -> bool:
        """Whether somebody waits for some of a request's tasks and not for all of them."""
        known = self._needed_in_part.get(request)
        if known is None:
            own = self._of(self._requests[request].tasks)
            within = (overlap(needed, own) for needed in self.needs.sets)
            known = self._needed_in_part[request] = any(0 < number < count(own) for number in within)
        return known

    def _connected(self, places: Sequence[Sequence[Position]]) -> Needs:
        whole: dict[int, Spans] = {}
        needs = Needs()
        for own in places:
            parts: list[tuple[int, int]] = []
            for other in itertools.chain.from_iterable(awaited(self._requests, place) for place in own):
                if other.child is not None:
                    parts += self._of([self._requests[other.request].tasks[other.child]])
                    continue
                if other.request not in whole:
                    whole[other.request] = self._of(self._requests[other.request].tasks)
                parts += whole[other.request]
            needs.add(spans(parts))
        return needs

    def _of(self, names: Sequence[str]) -> Spans:
        """Those of this part: the rest has succeeded."""
        return of_tasks(self._numbers[name] for name in names if name in self._numbers)

    def _children_of(self, index: int) -> Sequence[Child]:
        known = self._children.get(index)
        if known is None:
            known = self._children[index] = told_children(self._requests[index], self._read_object)
        return known


def told_children(planned: PlannedRequest, read_object: Callable[[str], bytes]) -> Sequence[Child]:
    """What each task of a request does; `read_object` reads a key of the bucket, where launchers do.

    Raises HpcError for an object that is not the one that was written.
    """
    overrides = container_overrides(planned.request)[0]
    environment = {entry["name"]: entry["value"] for entry in overrides.get("environment", ())}
    command = overrides.get("command")
    told = environment.get(CHILDREN_VARIABLE)
    if told is not None:
        return _listed(json.loads(told), read_object)
    if _is_script(planned) and command is not None:
        return [
            ([*command[:2], f"AWS_BATCH_JOB_ARRAY_INDEX={index}\n{command[2]}"], environment)
            for index in range(planned.size or 1)
        ]
    return [(command, environment)] * (planned.size or 1)


def _listed(told: Mapping[str, Any], read_object: Callable[[str], bytes]) -> Sequence[Child]:
    if "children" in told:
        return [(command, environment) for command, environment in told["children"]]
    prefix = told["from"].removeprefix("s3://").partition("/")[2]
    found: list[Child] = []
    for _, digest in told["blocks"]:
        content = read_object(f"{prefix}{digest}.jsonl.gz")
        if hashlib.sha256(content).hexdigest() != digest:
            raise HpcError(f"{prefix}{digest}.jsonl.gz: holds what its name says by hash, got another content")
        found += [
            (command, environment)
            for command, environment in map(json.loads, gzip.decompress(content).decode().splitlines())
        ]
    return found


def _is_script(planned: PlannedRequest) -> bool:
    return planned.size is not None and is_script_of_children(container_overrides(planned.request)[0].get("command"))
