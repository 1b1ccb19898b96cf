"""What became of each request of a run, and whose failure it was where it never ran. Pure: nothing is asked.

Requests stand after all that they wait for, so one pass in their order tells of each what those before it mean for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from runner.aws_clients import Answer
from runner.described_job import DEPENDENCY_FAILED, DescribedJob
from runner.plan import Dependency, PlannedRequest, Position, awaited
from runner.run_layout import RunLayout
from runner.run_record import RunRecord
from runner.task_state import FAILED_ALLOWED, IN_ORDER, NOT_RUN, NOT_SUBMITTED, UNKNOWN

_NO_CHILDREN: Final[Mapping[int, Answer]] = {}


class Outcome(NamedTuple):
    """A request's job as a whole."""

    status: str
    """Batch's word, or one of ours."""
    is_over: bool
    has_failed: bool
    """Whether what depends on the whole of it cannot run."""
    cause: str | None = None
    """The task whose failure is why nothing of it was run."""


class Outcomes:
    """Of all requests, from what is known of jobs by request, and of children by request and index."""

    def __init__(
        self,
        record: RunRecord,
        layout: RunLayout,
        jobs: Mapping[int, DescribedJob],
        children: Mapping[int, Mapping[int, Answer]],
    ) -> None:
        self._record = record
        self._requests: Sequence[PlannedRequest] = record.requests
        self._layout = layout
        self._jobs = jobs
        self._children = children
        self._coming: set[int] = set()
        self._victims: dict[int, dict[int, str]] = {}
        self.of: Final[list[Outcome]] = []
        """By request."""
        self.ready: Final[list[int]] = []
        """Requests that were held back until others had ended, which have: in the order in which they are to be sent,
        for one may depend on another.
        """
        for request in range(len(self._requests)):
            self.of.append(self._outcome(request))

    def is_to_come(self, request: int) -> bool:
        """Whether it is held back until others have ended, and will be sent then."""
        return request in self._coming

    def counts(self, request: int) -> dict[str, int]:
        """Tasks of a request that count, by status."""
        planned, outcome, job = self._requests[request], self.of[request], self._jobs.get(request)
        size = self._layout.size(request)
        if not size:
            return {}
        if planned.size is None or job is None or job.array is None or outcome.cause:
            return {outcome.status: size}
        found = dict(job.array.counts)
        rest = planned.size - sum(found.values())
        if rest:
            found[outcome.status] = found.get(outcome.status, 0) + rest
        victims = min(len(self.victims(request)), found.get("FAILED", 0))
        if victims:
            found[NOT_RUN] = victims
            found["FAILED"] -= victims
        if planned.may_fail and "FAILED" in found:
            found[FAILED_ALLOWED] = found.get(FAILED_ALLOWED, 0) + found.pop("FAILED")
        for child in self._layout.superseded(request):
            status = self.child_status(request, child)
            # Of one that goes on nobody knows the state: all that can be said is that there is one less.
            status = status if found.get(status) else max(found, key=lambda each: found[each])
            found[status] -= 1
        return {status: found[status] for status in IN_ORDER if found.get(status)}

    def child_status(self, request: int, child: int) -> str:
        """Of a child of an array, as far as the array as a whole and what is known of the child tell it."""
        outcome, job = self.of[request], self._jobs.get(request)
        detail = self._children.get(request, _NO_CHILDREN).get(child)
        if outcome.cause or job is None or job.array is None:
            return outcome.status
        if detail is not None:
            if child in self.victims(request):
                return NOT_RUN
            return self._allowed(request, str(detail["status"]))
        counts = job.array.counts
        if not counts:
            return outcome.status
        known = sum(detail["status"] == "FAILED" for detail in self._children.get(request, _NO_CHILDREN).values())
        possible = [status for status, count in counts.items() if status != "FAILED" or count > known]
        return self._allowed(request, possible[0]) if len(possible) == 1 else UNKNOWN

    def victims(self, request: int) -> Mapping[int, str]:
        """Children of an array that Batch failed without starting them, and the task whose failure was why."""
        known = self._victims.get(request)
        if known is None:
            causes = ((child, self._child_cause(request, child)) for child in self.failed_children(request))
            known = self._victims[request] = {child: cause for child, cause in causes if cause is not None}
        return known

    def failed_children(self, request: int) -> Iterator[int]:
        """Children of an array that are known to have failed, by index."""
        found = self._children.get(request, _NO_CHILDREN)
        return (child for child in sorted(found) if found[child]["status"] == "FAILED")

    def unmet(self, request: int) -> Iterator[int]:
        """What a request that is held back still waits for."""
        return (other for other in self._requests[request].waits_for if not self.of[other].is_over)

    def _outcome(self, request: int) -> Outcome:
        planned, job = self._requests[request], self._jobs.get(request)
        if request not in self._record.job_ids:
            return self._unsent(request)
        if job is None:
            waits = any(not self.of[dependency.request].is_over for dependency in planned.depends_on)
            return Outcome("PENDING" if waits else UNKNOWN, is_over=False, has_failed=False)
        counts = job.array.counts if job.array else {}
        if job.status != "FAILED":
            return Outcome(job.status, job.is_terminal, has_failed="FAILED" in counts)
        is_untouched = not counts or job.status_reason == DEPENDENCY_FAILED
        cause = self._cause(request, job.status_reason) if job.was_never_placed and is_untouched else None
        status = NOT_RUN if cause else self._allowed(request, "FAILED")
        return Outcome(status, is_over=True, has_failed=True, cause=cause)

    def _allowed(self, request: int, status: str) -> str:
        return FAILED_ALLOWED if status == "FAILED" and self._requests[request].may_fail else status

    def _unsent(self, request: int) -> Outcome:
        planned = self._requests[request]
        needed = {dependency.request for dependency in planned.depends_on}
        # What depends on one that is held back is so, too, even where that never comes.
        is_held = bool(planned.waits_for) or any(
            other in self._coming or (other not in self._record.job_ids and self.of[other].cause) for other in needed
        )
        if self._record.cancelled_at is not None or not is_held:
            return Outcome(NOT_SUBMITTED, is_over=True, has_failed=False)
        causes = (self._blamed(dependency, None) for dependency in planned.depends_on)
        cause = next((cause for cause in causes if cause), None)
        if cause is not None:
            return Outcome(NOT_RUN, is_over=True, has_failed=True, cause=cause)
        can_come = all(self._is_sent_or_coming(other) for other in needed) and all(
            self._is_sent_or_coming(other) or self.of[other].cause for other in planned.waits_for
        )
        if not can_come:
            return Outcome(NOT_SUBMITTED, is_over=True, has_failed=False)
        self._coming.add(request)
        if all(self.of[other].is_over for other in planned.waits_for) and all(
            other in self._record.job_ids or other in self.ready for other in needed
        ):
            self.ready.append(request)
        return Outcome(NOT_SUBMITTED, is_over=False, has_failed=False)

    def _is_sent_or_coming(self, request: int) -> bool:
        return request in self._record.job_ids or request in self._coming

    def _cause(self, request: int, status_reason: str) -> str | None:
        """Whose failure it was that no host got a job as a whole; None where it was nobody's."""
        for dependency in self._requests[request].depends_on:
            cause = self._blamed(dependency, None)
            if cause is not None:
                return cause
        return self._first_needed(Position(request, None), status_reason)

    def _first_needed(self, position: Position, status_reason: str) -> str | None:
        """Batch may tell the consequence before the cause: then the first that is depended on is as good as any."""
        depends_on = self._requests[position.request].depends_on
        if status_reason != DEPENDENCY_FAILED or not depends_on:
            return None
        dependency = depends_on[0]
        first = Position(dependency.request, position.child if dependency.by_index else dependency.child)
        if self._requests[first.request].is_barrier:
            first = next(awaited(self._requests, first), first)
        return self._layout.name(first)

    def _blamed(self, dependency: Dependency, child: int | None) -> str | None:
        """The task whose failure keeps one that depends so from running: a job as a whole, or a child of an array."""
        request = dependency.request
        outcome, planned = self.of[request], self._requests[request]
        if outcome.cause is not None:
            return outcome.cause
        other = child if dependency.by_index else dependency.child
        if planned.size is None or not (dependency.by_index or other is not None):
            return self._failed_in(request) if outcome.has_failed else None
        if other is None or not self._has_failed(request, other):
            return None
        return self._child_cause(request, other) or planned.tasks[other]

    def _failed_in(self, request: int) -> str:
        """A task of a job that failed by itself, or what it was taken down by."""
        for child in self.failed_children(request):
            return self._child_cause(request, child) or self._requests[request].tasks[child]
        return self._layout.name(Position(request, None))

    def _has_failed(self, request: int, child: int) -> bool:
        detail = self._children.get(request, _NO_CHILDREN).get(child)
        return detail is not None and detail["status"] == "FAILED"

    def _child_cause(self, request: int, child: int) -> str | None:
        """Whose failure it was that no host got a child. Not recursive: arrays may stand in a line of thousands."""
        at, cause = request, None
        while self._was_never_placed(at, child):
            planned = self._requests[at]
            partners = (entry.request for entry in planned.depends_on if entry.by_index)
            partner = next((other for other in partners if self._has_failed(other, child)), None)
            if partner is None:
                # Partners that were not run as a whole, and arrays that had to succeed as a whole.
                causes = (self._blamed(entry, None) for entry in planned.depends_on)
                reason = str(self._children[at][child].get("statusReason", ""))
                found = next((found for found in causes if found), None)
                return found or cause or self._first_needed(Position(at, child), reason)
            at, cause = partner, self._requests[partner].tasks[child]
        return cause

    def _was_never_placed(self, request: int, child: int) -> bool:
        detail = self._children[request][child]
        is_stopped = detail.get("isCancelled") or detail.get("isTerminated")
        return not (detail.get("startedAt") or detail.get("attempts") or is_stopped)
