"""A submitted run, from any process that has its ledger: look at it, follow it, end it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from runner.aws_clients import Answer, BatchClient
from runner.described_job import DEPENDENCY_FAILED, TERMINAL, DescribedJob, from_detail, to_keep
from runner.describer import BESIDE_EVENTS, Describer, Pace, Pauses, describe, differs
from runner.failed_children import FailedChildren
from runner.job_events import JobEvent, JobEvents, Waiting
from runner.ledger import Ledger
from runner.look_up import find_jobs
from runner.run_layout import RunLayout
from runner.run_record import RunRecord
from runner.run_state import MAX_TOLD_TASKS, RunState
from runner.termination import terminate
from runner.watch import Watch

Ask = Callable[[Mapping[str, float]], Mapping[str, Answer]]
"""JobDetail by id, for jobs and when they were submitted."""

_TRIES: Final = 3
"""ListJobs may lag behind what DescribeJobs says."""

OnReady = Callable[[Sequence[int]], None]
"""Sends requests that were held back until others had ended, and writes their jobs into the ledger."""


class Run:
    """What Batch and the ledger together know of a run."""

    def __init__(self, ledger: Ledger, batch: BatchClient) -> None:
        self.ledger = ledger
        self._batch = batch
        self.record: RunRecord = ledger.read()
        self._layout = RunLayout(self.record.requests)
        self._details: dict[int, Answer] = dict(self.record.ended)
        self._jobs: Mapping[int, DescribedJob] = {
            request: from_detail(detail) for request, detail in self.record.ended.items()
        }
        self._children: Mapping[int, Mapping[int, Answer]] = self.record.ended_children
        self._heard_lost_ms: dict[str, int] = {}
        self._incomplete: dict[int, int] = {}
        """Arrays that have ended and of whose failed children not all are known, and how often these were asked for."""

    def look(self, now: float) -> RunState:
        """The state at this moment. Batch is asked only about jobs whose end the ledger does not have."""
        self._adopt(now)
        watch = Watch(self.record, self._jobs)
        seen: set[int] = set()
        while due := [request for request in watch.due() if request not in seen]:
            asked = [request for request in watch.asked(due) if request not in seen]
            seen.update(asked)
            self._ask(asked, watch, lambda jobs: describe(self._batch, jobs), now)
        return self.state()

    def follow(
        self,
        pace: Pace,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        events: JobEvents | None = None,
        on_ready: OnReady | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> Iterator[RunState]:
        """The state at each change, the last one being the run's end. `clock` gives seconds since the epoch.

        With `events` changes are waited for instead of asked for. `on_ready` is given requests that were held back
        until others had ended; without it they stay so, and following ends with all that has a job. Raises ServiceError
        for a job that Batch forgets.
        """
        self._adopt(clock())
        watch = Watch(self.record, self._jobs)
        describer, pauses = Describer(self._batch, pace, clock), Pauses(pace)
        waiting = Waiting(events, clock=clock, sleep=sleep, say=say)
        state: RunState | None = None
        handed_on: list[int] = []
        due, asked_all_at = watch.due(), clock()
        while True:
            is_changed = self._ask(watch.asked(due), watch, describer.ask, clock())
            if state is None or is_changed:
                state = self.state()
                yield state
            if on_ready is not None and state.outcomes.ready not in ([], handed_on):
                handed_on = state.outcomes.ready
                on_ready(handed_on)
                self._read()
                watch.update(self.record, self._jobs)
                due, state = watch.due(), None
                continue
            if (state.is_over or watch.is_over) and not self._incomplete:
                return
            heard = self._wait(waiting, pauses.after(has_news=is_changed))
            is_stale = clock() - asked_all_at >= BESIDE_EVENTS
            due = watch.due() if is_stale or not heard else watch.still_open(heard)
            if is_stale or not heard:
                asked_all_at = clock()

    def state(self) -> RunState:
        """What is known, without asking."""
        lost = sum(lost for job_id, lost in self._heard_lost_ms.items() if not self._is_known_child(job_id))
        return RunState(
            record=self.record, layout=self._layout, jobs=self._jobs, children=self._children, lost_elsewhere_ms=lost
        )

    def in_full(self) -> RunState:
        """What is known, having asked about every child of an array; of a large run as `state`."""
        if not self._layout.has_arrays or self._layout.number_of_tasks > MAX_TOLD_TASKS:
            return self.state()
        wanted = {
            f"{job.job_id}:{child}": (request, child)
            for request, job in self._jobs.items()
            if job.array is not None and job.array.counts
            for child in self._layout.children(request)
            if child not in self._children.get(request, {})
        }
        going_on: dict[int, dict[int, Answer]] = {}
        ended: dict[int, dict[int, Answer]] = {}
        for job_id, detail in describe(self._batch, wanted).items():
            request, child = wanted[job_id]
            told = ended if detail["status"] in TERMINAL else going_on
            told.setdefault(request, {})[child] = to_keep(detail)
        for request, found in ended.items():
            self._tell_children(request, found)
        state = self.state()
        children = {request: {**state.children.get(request, {}), **found} for request, found in going_on.items()}
        return dataclasses.replace(state, children={**state.children, **children})

    def cancel(self, reason: str, now: float) -> list[str]:
        """Terminate every job that has not ended; the names of their tasks.

        Dependents first: a job that waits is to end as stopped, not as the victim of the one before it.
        """
        state = self.look(now)
        running = [
            request for request in sorted(self.record.job_ids, reverse=True) if not state.outcomes.of[request].is_over
        ]
        terminate(self._batch, [self.record.job_ids[request] for request in running], reason)
        return [self.record.requests[request].group for request in reversed(running)]

    def _wait(self, waiting: Waiting, pause: float) -> list[int]:
        """Requests of whose jobs something was heard; empty where nothing was."""
        by_id = {job_id: request for request, job_id in self.record.job_ids.items()}
        events = waiting(by_id, max(BESIDE_EVENTS, pause), pause)
        for event in events:
            self._hear(event)
        return sorted({by_id[event.whole_id] for event in events})

    def _hear(self, event: JobEvent) -> None:
        """Of a child that was tried again nobody else tells what was lost: the array as a whole does not."""
        if ":" in event.job_id and event.detail.get("attempts"):
            lost = from_detail(event.detail).lost_ms
            self._heard_lost_ms[event.job_id] = max(lost, self._heard_lost_ms.get(event.job_id, 0))

    def _is_known_child(self, job_id: str) -> bool:
        whole, _, child = job_id.partition(":")
        request = next((request for request, job in self._jobs.items() if job.job_id == whole), -1)
        return bool(self._children.get(request, {}).get(int(child), {}).get("attempts"))

    def _adopt(self, now: float) -> None:
        """Find the jobs of calls to SubmitJob whose answer a dead runner did not live to write down."""
        unknown = {
            request: self.record.requests[request]
            for request in self.record.attempted
            if request not in self.record.job_ids
        }
        if unknown and (found := find_jobs(self._batch, unknown, self.record.run_id)):
            self.ledger.submitted(found, now)
        self._read()

    def _read(self) -> None:
        record = self.ledger.read()
        if record.requests is not self.record.requests:
            self._layout = RunLayout(record.requests)
        self.record = record

    def _ask(self, requests: Iterable[int], watch: Watch, ask: Ask, now: float) -> bool:
        """Ask about the jobs of requests, and about children that failed; whether there was news."""
        ids = {self.record.job_ids[request]: request for request in requests}
        times = {job_id: self.record.submitted_at.get(request, 0.0) for job_id, request in ids.items()}
        answers = ask(times) if ids else {}
        has_found = self._complete_children()
        changed = {
            ids[job_id]: detail for job_id, detail in answers.items() if differs(self._details.get(ids[job_id]), detail)
        }
        if not changed:
            return has_found
        self._details |= changed
        told = {request: from_detail(self._timed(request, detail, now)) for request, detail in changed.items()}
        self._jobs = {**self._jobs, **told}
        for request, job in told.items():
            watch.tell(request, job)
            self._find_failed_children(request, job)
            if job.is_terminal and request not in self.record.ended:
                self.ledger.ended(request, to_keep(self._timed(request, changed[request], now)))
        self._read()
        return True

    def _timed(self, request: int, detail: Answer, now: float) -> Answer:
        """An answer with the times that Batch does not tell of arrays as a whole, as they were seen."""
        array = detail.get("arrayProperties", {})
        if "size" not in array:
            return detail
        known = self._jobs.get(request)
        is_over = detail["status"] in TERMINAL
        is_watched = known is not None and not known.is_terminal
        seen_at = array.get("statusSummaryLastUpdatedAt") or (int(now * 1000) if is_watched or not is_over else None)
        has_begun = any(array.get("statusSummary", {}).get(one) for one in ("RUNNING", "SUCCEEDED"))
        started = detail.get("startedAt") or (known.started_at if known else None)
        times = {
            # Of one that has ended it is too late to see when it began.
            "startedAt": started or (seen_at if has_begun and not is_over else None),
            "stoppedAt": detail.get("stoppedAt") or (seen_at if is_over else None),
        }
        return {**detail, **{key: at for key, at in times.items() if at is not None}}

    def _complete_children(self) -> bool:
        """Ask for failed children that ListJobs did not tell of when their array had ended; whether there were any."""
        found = [self._find_failed_children(request, self._jobs[request]) for request in list(self._incomplete)]
        return any(found)

    def _find_failed_children(self, request: int, job: DescribedJob) -> bool:
        if job.array is None or "FAILED" not in job.array.counts or job.status_reason == DEPENDENCY_FAILED:
            return False
        found = FailedChildren(self._batch).news(job, self._children.get(request, {}))
        if found:
            self._tell_children(request, found)
            self.ledger.children_ended(request, found)
        failed = sum(detail["status"] == "FAILED" for detail in self._children.get(request, {}).values())
        tries = self._incomplete.pop(request, 0) + 1
        if job.is_terminal and failed < job.array.counts["FAILED"] and tries < _TRIES:
            self._incomplete[request] = tries
        return bool(found)

    def _tell_children(self, request: int, details: Mapping[int, Answer]) -> None:
        self._children = {**self._children, request: {**self._children.get(request, {}), **details}}


def of_record(record: RunRecord) -> RunState:
    """The state of a run as its ledger knows it, without asking anybody."""
    jobs = {request: from_detail(detail) for request, detail in record.ended.items()}
    return RunState(record=record, layout=RunLayout(record.requests), jobs=jobs, children=record.ended_children)
