"""Transitions, and what one job's end means for others."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from local_batch.engine.actions import PublishState
from local_batch.engine.arrays import has_all_ended, partner_state, spawn, statuses_of_none
from local_batch.engine.jobs import DependencyType, Job
from local_batch.engine.records import Records
from local_batch.engine.states import TRANSITIONS, Change, IllegalTransitionError, JobStatus, Story

DEPENDENCY_FAILED = "Dependent Job failed"
CHILD_FAILED = "Array Child Job failed"


@dataclass(frozen=True, slots=True)
class _Ending:
    job: Job
    change: Change
    reason: str | None


class Lifecycle:
    """Takes jobs from state to state; every change of a state goes through here."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def submit(self, job: Job, dependencies: list[Job], failure: str | None) -> None:
        """Let in a job that was just submitted; `dependencies` are the jobs of its entries that name one."""
        records = self._records
        share = job.profile.share_identifier
        if share is not None:
            records.shares[job.profile.queue_arn].submitted(share, job.created_at)
        records.jobs[job.spec.job_id] = job
        if job.is_array:
            job.summary = statuses_of_none()
        if failure is not None:
            self.end(job, Change.FAIL, job.created_at, failure)
            return
        whole = [
            other
            for entry, other in zip((e for e in job.spec.depends_on if e.job_id), dependencies, strict=True)
            if entry.type is None
        ]
        if any(other.status is JobStatus.FAILED for other in whole):
            self.end(job, Change.FAIL, job.created_at, DEPENDENCY_FAILED)
            return
        for other in whole:
            if not other.status.is_terminal:
                records.graph.add(job, other)
                job.outstanding += 1
        if job.outstanding:
            self.move(job, Change.WAIT)
        else:
            self._settle_all(self._released(job, job.created_at), job.created_at)

    def move(self, job: Job, change: Change) -> None:
        """One row of the table of transitions; raises IllegalTransitionError where it has none."""
        before, after = job.status, permitted(job, change)
        job.status = after
        job.story = Story.extended(job.story, after)
        job.status_reason = job.blocked = None
        if job.parent is not None and (summary := job.parent.summary) is not None:
            summary[before] -= 1
            summary[after] += 1
        self._records.actions.append(PublishState(job, after))

    def end(self, job: Job, change: Change, now_ms: int, reason: str | None) -> None:
        """Bring a job to its end, and with it, one after the other, those that its end decides."""
        self._settle_all([_Ending(job, change, reason)], now_ms)

    def release(self, job: Job, now_ms: int) -> None:
        """The job waits for nothing but room."""
        self.move(job, Change.RELEASE)
        job.runnable_at = now_ms
        self._records.order.append(job)

    def withdraw(self, jobs: Iterable[Job], reason: str, now_ms: int) -> None:
        """Cancel these before STARTING. A PENDING job fails only once its dependencies have ended.

        Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_CancelJob.html
        """
        # All are told before any ends: the end of one may be that of others, which were cancelled nevertheless.
        asked = [job for job in jobs if not job.status.is_placed and not job.status.is_terminal]
        for job in asked:
            job.is_cancelled = True
            if job.stop_reason is None:
                job.stop_reason = reason
        self._settle_all([_Ending(job, Change.FAIL, job.stop_reason) for job in asked if not job.outstanding], now_ms)

    def fail(self, jobs: Iterable[Job], reason: str, now_ms: int) -> None:
        """End those of these that are not placed, whatever they wait for."""
        waiting = [job for job in jobs if not job.status.is_placed and not job.status.is_terminal]
        # As in withdraw: one's end must not be the reason of another's.
        for job in waiting:
            if job.stop_reason is None:
                job.stop_reason = reason
        self._settle_all([_Ending(job, Change.FAIL, job.stop_reason) for job in waiting], now_ms)

    def _settle_all(self, endings: list[_Ending], now_ms: int) -> None:
        # A queue and not calls of calls: the failure of a child may fail ten thousand, one because of the other.
        waiting = deque(endings)
        while waiting:
            ending = waiting.popleft()
            if not ending.job.status.is_terminal:
                waiting.extend(self._ended(ending, now_ms))

    def _ended(self, ending: _Ending, now_ms: int) -> list[_Ending]:
        job, records = ending.job, self._records
        self.move(job, ending.change)
        job.status_reason = ending.reason
        job.stopped_at = now_ms
        share = job.profile.share_identifier
        if share is not None and job.parent is None:
            records.shares[job.profile.queue_arn].ended(share, now_ms)
        failed = ending.change is Change.FAIL
        decided: list[_Ending] = []
        # Those who wait child by child first: an array that gets its children below counts this end as past.
        if job.is_array:
            decided += self._array_ended(job, now_ms, failed=failed)
        if job.is_child:
            decided += self._child_ended(job, now_ms, failed=failed)
        for dependent in records.graph.settle(job):
            decided += self._dependency_ended(dependent, now_ms, failed=failed)
        return decided

    def _dependency_ended(self, dependent: Job, now_ms: int, *, failed: bool) -> list[_Ending]:
        if dependent.status is not JobStatus.PENDING:
            return []
        dependent.outstanding -= 1
        if dependent.stop_reason is not None:
            return [] if dependent.outstanding else [_Ending(dependent, Change.FAIL, dependent.stop_reason)]
        if failed:
            return [_Ending(dependent, Change.FAIL, DEPENDENCY_FAILED)]
        return [] if dependent.outstanding else self._released(dependent, now_ms)

    def _released(self, job: Job, now_ms: int) -> list[_Ending]:
        """What it waited for is there: line up; the parent of an array gets its children."""
        if not job.is_array:
            self.release(job, now_ms)
            return []
        if job.status is JobStatus.SUBMITTED:
            self.move(job, Change.WAIT)
        partners = [
            self._records.get(entry.job_id)
            for entry in job.spec.depends_on
            if entry.job_id is not None and entry.type is DependencyType.N_TO_N
        ]
        for partner in partners:
            if not partner.status.is_terminal:
                self._records.graph.pair(job, partner)
        return self._spawned(job, partners, now_ms)

    def _spawned(self, job: Job, partners: list[Job], now_ms: int) -> list[_Ending]:
        is_sequential = any(entry.type is DependencyType.SEQUENTIAL for entry in job.spec.depends_on)
        decided: list[_Ending] = []
        job.children = spawn(job, now_ms)
        assert job.summary is not None
        job.summary[JobStatus.SUBMITTED] = len(job.children)
        for index, child in job.children.items():
            states = [partner_state(partner, index) for partner in partners]
            child.outstanding = sum(not state.is_terminal for state in states) + (is_sequential and index > 0)
            if JobStatus.FAILED in states:
                decided.append(_Ending(child, Change.FAIL, DEPENDENCY_FAILED))
            elif child.outstanding:
                self.move(child, Change.WAIT)
            else:
                self.release(child, now_ms)
        return decided

    def _array_ended(self, job: Job, now_ms: int, *, failed: bool) -> list[_Ending]:
        """Of an array that never had children, those who waited for them learn it here."""
        decided: list[_Ending] = []
        if job.children is None:
            for array in self._records.graph.paired_with(job):
                for child in (array.children or {}).values():
                    decided += self._dependency_ended(child, now_ms, failed=failed)
        self._records.graph.unpair(job)
        return decided

    def _child_ended(self, child: Job, now_ms: int, *, failed: bool) -> list[_Ending]:
        array, index = child.parent, child.index
        assert array is not None
        assert index is not None
        assert array.children is not None
        decided: list[_Ending] = []
        for other in self._records.graph.paired_with(array):
            if other.children is not None:
                decided += self._dependency_ended(other.children[index], now_ms, failed=failed)
        if index + 1 in array.children and any(e.type is DependencyType.SEQUENTIAL for e in array.spec.depends_on):
            decided += self._dependency_ended(array.children[index + 1], now_ms, failed=failed)
        if has_all_ended(array):
            assert array.summary is not None
            some_failed = array.summary[JobStatus.FAILED] > 0
            change = Change.FAIL if some_failed else Change.SUCCEED
            decided.append(_Ending(array, change, CHILD_FAILED if some_failed else None))
        return decided


def permitted(job: Job, change: Change) -> JobStatus:
    """The job's state after the change; raises IllegalTransitionError, with its story, where there is none."""
    after = TRANSITIONS.get((job.status, change))
    if after is None:
        raise IllegalTransitionError(job.job_id, job.status, change, job.story)
    return after
