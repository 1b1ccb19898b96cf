"""A submitted run, from any process that has its ledger: look at it, follow it, end it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from runner.aws_clients import Answer, BatchClient
from runner.described_job import DescribedJob, from_detail, to_keep
from runner.describer import Follower, Pace, describe
from runner.ledger import Ledger, RunRecord
from runner.run_state import RunState, assemble
from runner.submission import find_job


class Run:
    """What Batch and the ledger together know of a run."""

    def __init__(self, ledger: Ledger, batch: BatchClient) -> None:
        self._ledger = ledger
        self._batch = batch
        self.record: RunRecord = ledger.read()

    def look(self, now: float) -> RunState:
        """The state at this moment. Batch is asked only about jobs whose end the ledger does not have."""
        self._adopt(now)
        return self._state(describe(self._batch, self._open_ids()))

    def follow(self, pace: Pace, *, clock: Callable[[], float], sleep: Callable[[float], None]) -> Iterator[RunState]:
        """The state at each change, the last one being the run's end. `clock` gives seconds since the epoch.

        Raises ServiceError for a job that Batch forgets.
        """
        self._adopt(clock())
        open_ids = self._open_ids()
        if not open_ids:
            yield self._state({})
            return
        times = {self.record.job_ids[name]: at for name, at in self.record.submitted_at.items()}
        follower = Follower(self._batch, pace, clock=clock, sleep=sleep)
        for details in follower.follow({job_id: times[job_id] for job_id in open_ids}):
            yield self._state(details)

    def cancel(self, reason: str, now: float) -> list[str]:
        """Terminate every job that has not ended; the names of their tasks.

        Dependents first: a job that waits is to end as stopped, not as the victim of the one before it.
        """
        state = self.look(now)
        stopped = [task for task in reversed(list(state.tasks.values())) if task.job_id and not task.is_over]
        for task in stopped:
            self._batch.terminate_job(jobId=task.job_id, reason=reason)
        return [task.name for task in reversed(stopped)]

    def _open_ids(self) -> list[str]:
        return [job_id for task, job_id in self.record.job_ids.items() if task not in self.record.ended]

    def _adopt(self, now: float) -> None:
        """Find the jobs of calls to SubmitJob whose answer a dead runner did not live to write down."""
        for task in self.record.tasks:
            if task.name in self.record.attempted and task.name not in self.record.job_ids:
                job_id = find_job(self._batch, task.job_queue, task.job_name)
                if job_id is not None:
                    self._ledger.submitted(task.name, job_id, now)
        self.record = self._ledger.read()

    def _state(self, details: Mapping[str, Answer]) -> RunState:
        jobs: dict[str, DescribedJob] = {}
        for task, job_id in self.record.job_ids.items():
            kept = self.record.ended.get(task)
            detail = kept if kept is not None else details.get(job_id)
            if detail is None:
                continue
            jobs[job_id] = from_detail(detail)
            if kept is None and jobs[job_id].is_terminal:
                self._ledger.ended(task, to_keep(detail))
        self.record = self._ledger.read()
        return assemble(self.record, jobs)
