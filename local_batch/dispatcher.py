"""The dispatcher: the shell around the pure engine that journals events and carries out actions.

Theory of operation. Events come from two sides: requests (any thread, through dispatch) and reports of the executor
(any thread, through the Reporter calls). Reports and publications go through one queue and one thread, in order, so
that an attempt's log lines are published before its end is known to anybody. The same thread serves the timers.
"""

from __future__ import annotations

import heapq
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from local_batch.attempt_work import attempt_work
from local_batch.engine import events
from local_batch.engine.actions import Action, PublishState, SetTimer, StartAttempt, StopAttempt
from local_batch.engine.core import Engine
from local_batch.engine.jobs import Job
from local_batch.engine.states import JobStatus
from local_batch.executors.work import Executor, LogLine
from local_batch.journal import Journal
from local_batch.publisher import EnvironmentSource, PlatformError, Publisher

_LOG = logging.getLogger(__name__)

HOST_LOST = "Host EC2 (instance i-00000000000000000) terminated."
"""AWS's words for a host that went away; the local host is this process."""

HOST_LOST_EXPLANATION = "the local cloud was stopped while this attempt ran"


class Dispatcher:
    """Drives one engine. Implements executors.work.Reporter."""

    def __init__(
        self,
        *,
        engine: Engine,
        journal: Journal,
        publisher: Publisher,
        environment: EnvironmentSource,
        clock: Callable[[], int],
    ) -> None:
        """`clock` gives epoch milliseconds. The journal is replayed here: the engine is where it was left."""
        self.lock = threading.RLock()
        self.engine = engine
        self._journal = journal
        self._publisher = publisher
        self._environment = environment
        self._clock = clock
        self._executor: Executor | None = None
        self._steps: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._timers: list[tuple[int, str, int]] = []
        # What was placed depends on this machine's size, so the size is an event too: a replay on a machine (or with
        # an option) of another size must first take the same decisions as the process that wrote the journal.
        self._host = engine.capacity.host
        for then_ms, event in journal.replay():
            engine.handle(event, then_ms)
        self._thread = threading.Thread(target=self._run, name="batch-dispatcher", daemon=True)

    def attach(self, executor: Executor) -> None:
        """Start work: `executor` reports to this dispatcher.

        Attempts that were under way when the last process died end as a lost host, which is what it was to them:
        they are retried where attempts remain, as on AWS.
        """
        self._executor = executor
        self._thread.start()
        with self.lock:
            self.dispatch(events.HostResized(self._host))
            in_flight = [job for job in self.engine.jobs.values() if job.status.is_placed]
            for job in in_flight:
                self.dispatch(
                    events.ContainerExited(
                        job_id=job.spec.job_id,
                        attempt=job.attempt.number,
                        exit_code=None,
                        reason=HOST_LOST_EXPLANATION,
                        status_reason=HOST_LOST,
                    )
                )

    def dispatch(self, event: events.Event) -> None:
        """Apply an event; it is on disk when this returns. Raises what Engine.handle raises."""
        with self.lock:
            now_ms = self._clock()
            actions = self.engine.handle(event, now_ms)
            self._journal.append(now_ms, event)
            for action in actions:
                self._perform(action)

    def close(self) -> None:
        """Stop: kill what runs, publish what is known, release everything.

        The journal keeps the killed attempts as under way, so that the next start ends them as a lost host.
        """
        if self._executor is not None:
            self._steps.put(None)
            self._thread.join()
            self._executor.close()
        self._journal.close()

    def started(self, job_id: str, attempt: int) -> None:
        """See Reporter."""
        self._steps.put(lambda: self.dispatch(events.ContainerStarted(job_id, attempt)))

    def start_failed(self, job_id: str, attempt: int, reason: str) -> None:
        """See Reporter."""
        self._steps.put(lambda: self.dispatch(events.StartFailed(job_id, attempt, reason)))

    def exited(self, job_id: str, attempt: int, exit_code: int, reason: str | None) -> None:
        """See Reporter."""
        self._steps.put(lambda: self.dispatch(events.ContainerExited(job_id, attempt, exit_code, reason)))

    def logged(self, job_id: str, attempt: int, lines: Sequence[LogLine]) -> None:
        """See Reporter."""
        job = self.engine.jobs[job_id]
        stream = job.attempts[attempt - 1].log_stream
        self._steps.put(lambda: self._publisher.log(job.spec.log_group, stream, lines))

    def _perform(self, action: Action) -> None:
        if isinstance(action, StartAttempt):
            self._start(action)
        elif isinstance(action, StopAttempt):
            executor = self._running_executor()
            self._steps.put(lambda: executor.stop(action.job_id, action.attempt, action.grace_seconds))
        elif isinstance(action, SetTimer):
            heapq.heappush(self._timers, (action.at_ms, action.job_id, action.attempt))
            self._steps.put(_wake)
        else:
            self._publish(action)

    def _start(self, action: StartAttempt) -> None:
        executor = self._running_executor()
        job = self.engine.jobs[action.job_id]
        try:
            platform = self._environment.environment(job)
        except PlatformError as error:
            self.start_failed(action.job_id, action.attempt, f"ResourceInitializationError: {error}")
            return
        work = attempt_work(job, self.engine, platform)
        self._steps.put(lambda: executor.start(work))

    def _publish(self, action: PublishState) -> None:
        job = _snapshot(self.engine.jobs[action.job_id], action.status)
        self._steps.put(lambda: self._publisher.job_changed(job, action.status))

    def _running_executor(self) -> Executor:
        if self._executor is None:
            raise RuntimeError("no executor attached: attach one before the first request is dispatched")
        return self._executor

    def _run(self) -> None:
        while True:
            try:
                step = self._steps.get(timeout=self._seconds_to_timer())
            except queue.Empty:
                step = self._ring
            if step is None:
                return
            try:
                step()
            except Exception:  # noqa: BLE001 - a thread's top: one job's trouble must not stop the others
                _LOG.exception("a report or publication failed")

    def _seconds_to_timer(self) -> float | None:
        with self.lock:
            if not self._timers:
                return None
            return max(0.0, (self._timers[0][0] - self._clock()) / 1000)

    def _ring(self) -> None:
        with self.lock:
            while self._timers and self._timers[0][0] <= self._clock():
                _, job_id, attempt = heapq.heappop(self._timers)
                if not self.engine.jobs[job_id].status.is_terminal:
                    self.dispatch(events.AttemptTimedOut(job_id, attempt))


def _wake() -> None:
    """Nothing: the loop looks at its timers anew."""


def _snapshot(job: Job, status: JobStatus) -> Job:
    """The job as it was on entering `status`, safe from what happens next.

    One event may take a job through several states (RUNNABLE, STARTING): an attempt that the later of them made is
    not part of the earlier.
    """
    waiting = not status.is_placed and not status.is_terminal
    attempts = [replace(attempt) for attempt in job.attempts if attempt.stopped_at is not None or not waiting]
    return replace(job, status=status, attempts=attempts, tags=dict(job.tags))
