"""The dispatcher: the shell around the pure engine that journals events and carries out actions.

Theory of operation. Events come from three sides: requests, reports of the executor and timers, each from a thread of
its own. One lock puts them in an order. Under it events are applied, written to the journal, and only then carried
out: what nobody has on disk has had no effect on the world. Nothing under the lock waits for anything but the disk;
who reports more lines than can be published waits after it. An attempt's log lines are published before its end is,
so that whoever learns of the end finds them.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from local_batch.attempt_work import attempt_work
from local_batch.engine import events
from local_batch.engine.actions import Action, PublishBlocked, PublishState, SetTimer, StartAttempt, StopAttempt
from local_batch.engine.core import Engine
from local_batch.engine.jobs import Job
from local_batch.engine.states import JobStatus
from local_batch.executors.work import AttemptWork, Executor, Exited, Logged, Report, Started, StartFailed
from local_batch.journal import Journal
from local_batch.publisher import ContainerPlatform, PlatformError, Publisher
from local_batch.timers import Timers

_LOG = logging.getLogger(__name__)

HOST_LOST = "Host EC2 (instance i-00000000000000000) terminated."
"""AWS's words for a host that went away; the local host is this process."""

HOST_LOST_EXPLANATION = "the local cloud was stopped while this attempt ran"


class JournalBrokenError(Exception):
    """The disk did not take a change that the engine knows: nothing is changed any more until a restart."""


class Dispatcher:
    """Drives one engine. Implements executors.work.Reporter."""

    def __init__(
        self,
        *,
        engine: Engine,
        journal: Journal,
        publisher: Publisher,
        platform: ContainerPlatform,
        clock: Callable[[], int],
    ) -> None:
        """`clock` gives epoch milliseconds. The journal is replayed here: the engine is where it was left."""
        self.lock = threading.RLock()
        self.engine = engine
        self._journal = journal
        self._publisher = publisher
        self._platform = platform
        self._clock = clock
        self._executor: Executor | None = None
        self._timers = Timers(clock, self._ring)
        self._is_closing = False
        self._is_broken = False
        # What was placed depends on this machine's size, so the size is an event too: a replay on a machine (or with
        # an option) of another size must first take the same decisions as the process that wrote the journal.
        self._host = engine.capacity.host
        for then_ms, event in journal.replay():
            engine.handle(event, then_ms)

    def attach(self, executor: Executor) -> None:
        """Start work: `executor` reports to this dispatcher.

        Attempts that were under way when the last process died end as a lost host, which is what it was to them:
        they are retried where attempts remain, as on AWS.
        """
        self._executor = executor
        self._timers.start()
        with self.lock:
            self._set_timers(self.engine.pending_timers())
            lost = [
                events.ContainerExited(job.job_id, job.attempt.number, None, HOST_LOST_EXPLANATION, HOST_LOST)
                for job in self.engine.placed
            ]
            self.dispatch(events.HostResized(self._host), *lost)

    def dispatch(self, *happened: events.Event) -> None:
        """Apply events, in this order and all at one time; they are on disk when this returns.

        Raises what Engine.handle raises, having applied those before; JournalBrokenError where nothing can be changed.
        """
        with self.lock:
            failures: list[events.Event] = []
            try:
                self._apply(happened, failures)
            finally:
                while failures:
                    then, failures = failures, []
                    self._apply(then, failures)

    def now_ms(self) -> int:
        """Epoch milliseconds, of the clock that dates events."""
        return self._clock()

    def close(self) -> None:
        """Stop: kill what runs, publish what is known, release everything.

        The journal keeps the killed attempts as under way, so that the next start ends them as a lost host.
        """
        with self.lock:
            self._is_closing = True
        if self._executor is not None:
            self._timers.end()
            self._executor.close()
        self._journal.close()

    def report(self, reports: Sequence[Report]) -> None:
        """See Reporter. What is reported after `close` began is not to be known."""
        with self.lock:
            if self._is_closing:
                return
            for item in reports:
                try:
                    if isinstance(item, Logged):
                        self._publish_lines(item)
                    else:
                        self.dispatch(_event(item))
                except Exception:  # noqa: BLE001 - one report's trouble must not lose the others
                    _LOG.exception("a report was not taken")
        if any(isinstance(item, Logged) for item in reports):
            self._publisher.wait_for_room()

    def _apply(self, happened: Iterable[events.Event], failures: list[events.Event]) -> None:
        """Apply, write, carry out; failures to start that come of it are events themselves, and added to `failures`."""
        if self._is_broken:
            raise JournalBrokenError("journal: an earlier change could not be written; restart the local cloud")
        now_ms = self._clock()
        applied: list[events.Event] = []
        actions: list[Action] = []
        try:
            for event in happened:
                actions += self.engine.handle(event, now_ms)
                applied.append(event)
        finally:
            if applied:
                self._write(now_ms, applied)
                failures += self._perform(actions)

    def _write(self, now_ms: int, applied: list[events.Event]) -> None:
        try:
            self._journal.append(now_ms, applied)
        except OSError as error:
            self._is_broken = True
            raise JournalBrokenError(f"journal: {error}; free space and restart the local cloud") from error

    def _perform(self, actions: list[Action]) -> list[events.Event]:
        works: list[AttemptWork] = []
        failures: list[events.Event] = []
        is_listening = self._publisher.is_listening
        for action in actions:
            if isinstance(action, PublishState):
                if is_listening:
                    self._publisher.job_changed(_snapshot(action.job, action.status), action.status)
            elif isinstance(action, StartAttempt):
                try:
                    works.append(attempt_work(action.job, self.engine, self._platform))
                except PlatformError as error:
                    failures.append(_unprepared(action.job, str(error)))
                except Exception as error:  # noqa: BLE001 - an attempt is answered, whatever its job asks for
                    _LOG.exception("%s: its container could not be described", action.job.job_id)
                    failures.append(_unprepared(action.job, f"{error!r}; correct the job"))
            elif isinstance(action, StopAttempt):
                # In the order asked for: what is to be stopped may be among what is to be started.
                self._start(works)
                works = []
                job = action.job
                self._running_executor().stop(job.job_id, job.attempt.number, action.grace_seconds)
            elif isinstance(action, SetTimer):
                self._set_timers([action])
            elif isinstance(action, PublishBlocked) and is_listening:
                self._publisher.queue_blocked(_snapshot(action.job, action.job.status), action.queue)
        self._start(works)
        return failures

    def _start(self, works: list[AttemptWork]) -> None:
        if works:
            self._running_executor().start(works)

    def _publish_lines(self, item: Logged) -> None:
        job = self.engine.find(item.job_id)
        if job is None:
            return
        attempt = next((attempt for attempt in job.attempts if attempt.number == item.attempt), None)
        if attempt is not None:
            self._publisher.log(job.container.log_group, job.log_stream(attempt), item.lines)

    def _running_executor(self) -> Executor:
        if self._executor is None:
            raise RuntimeError("no executor attached: attach one before the first request is dispatched")
        return self._executor

    def _set_timers(self, timers: Iterable[SetTimer]) -> None:
        for timer in timers:
            self._timers.set(timer.at_ms, timer.event)

    def _ring(self, event: events.AttemptTimedOut | events.TimeLimitReached) -> None:
        with self.lock:
            job = self.engine.find(event.job_id)
            # Most timers are of attempts that have ended long ago: no reason to write a line.
            if job is not None and not job.status.is_terminal and not self._is_closing:
                self.dispatch(event)


def _event(report: Started | StartFailed | Exited) -> events.Event:
    if isinstance(report, Started):
        return events.ContainerStarted(report.job_id, report.attempt)
    if isinstance(report, StartFailed):
        return events.StartFailed(report.job_id, report.attempt, report.reason)
    return events.ContainerExited(report.job_id, report.attempt, report.exit_code, report.reason)


def _unprepared(job: Job, why: str) -> events.StartFailed:
    return events.StartFailed(job.job_id, job.attempt.number, f"ResourceInitializationError: {why}")


def _snapshot(job: Job, status: JobStatus) -> Job:
    """The job as it was on entering `status`, safe from what happens next.

    One event may take a job through several states (RUNNABLE, STARTING): an attempt that the later of them made is
    not part of the earlier.
    """
    waiting = not status.is_placed and not status.is_terminal
    attempts = tuple(replace(attempt) for attempt in job.attempts if attempt.stopped_at is not None or not waiting)
    summary = None if job.summary is None else dict(job.summary)
    return replace(job, status=status, attempts=attempts, summary=summary)
