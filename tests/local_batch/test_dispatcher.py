"""The shell around the engine: order of publications, timers, the journal, and what a restart does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from local_batch.dispatcher import HOST_LOST, HOST_LOST_EXPLANATION, Dispatcher
from local_batch.engine import events
from local_batch.engine.capacity import HostCapacity
from local_batch.engine.core import Engine
from local_batch.engine.jobs import Job, RetryStrategy
from local_batch.engine.resources import ComputeEnvironment, JobQueue, Platform
from local_batch.engine.states import JobStatus
from local_batch.executors.work import AttemptWork, LogLine
from local_batch.journal import Journal, JournalError
from local_batch.publisher import PlatformError
from tests.local_batch.engine.cloud import FARGATE, NORMAL, job_spec


class RecordingExecutor:
    """Runs nothing; the test reports in its place."""

    def __init__(self) -> None:
        self.started: list[AttemptWork] = []
        self.stopped: list[str] = []
        self.is_closed = False

    def start(self, work: AttemptWork) -> None:
        """Remember it."""
        self.started.append(work)

    def stop(self, job_id: str, attempt: int, grace_seconds: float) -> None:
        """Remember it."""
        self.stopped.append(job_id)

    def close(self) -> None:
        """Remember it."""
        self.is_closed = True


class RecordingPublisher:
    """Everything published, in order, as short words."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def job_changed(self, job: Job, status: JobStatus) -> None:
        """A state."""
        assert job.status == status
        self.seen.append(f"{job.spec.job_id} {status}")

    def log(self, group: str, stream: str, lines: Sequence[LogLine]) -> None:
        """A batch of lines."""
        self.seen.append(f"{stream[:14]} {'|'.join(line.text for line in lines)}")


class FixedEnvironment:
    """The same platform for every job; refuses jobs named `broken`."""

    def environment(self, job: Job) -> Mapping[str, str]:
        """One variable."""
        if job.spec.job_id == "broken":
            raise PlatformError("no role")
        return {"AWS_REGION": "nowhere-1"}


class World:
    """A dispatcher on a state directory, with a clock that the test moves."""

    def __init__(self, path: Path, host_vcpus: float = 8) -> None:
        self.now_ms = 1_000
        self.executor = RecordingExecutor()
        self.publisher = RecordingPublisher()
        self.dispatcher = Dispatcher(
            engine=Engine(host=HostCapacity(vcpus=host_vcpus, memory_mib=8192)),
            journal=Journal(path),
            publisher=self.publisher,
            environment=FixedEnvironment(),
            clock=lambda: self.now_ms,
        )
        self.dispatcher.attach(self.executor)

    def deploy(self) -> None:
        """One environment, one queue."""
        self.dispatcher.dispatch(events.ComputeEnvironmentSaved(ComputeEnvironment(FARGATE, "f", Platform.FARGATE, 4)))
        self.dispatcher.dispatch(events.JobQueueSaved(JobQueue(NORMAL, "normal", 10, (FARGATE,))))

    def status(self, job_id: str) -> JobStatus:
        """Of a job, now."""
        with self.dispatcher.lock:
            return self.dispatcher.engine.jobs[job_id].status


def eventually(condition: Callable[[], bool]) -> None:
    """Wait for the dispatcher's thread; five seconds are for a busy machine."""
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "the dispatcher did not get there"
        time.sleep(0.002)


@contextmanager
def world(path: Path, host_vcpus: float = 8) -> Iterator[World]:
    """A world that is closed at the end."""
    opened = World(path, host_vcpus)
    try:
        yield opened
    finally:
        opened.dispatcher.close()
    assert opened.executor.is_closed


def test_log_lines_are_published_before_the_end_is_known(tmp_path: Path) -> None:
    """Whoever sees SUCCEEDED can read the whole log."""
    with world(tmp_path / "journal.jsonl") as running:
        running.deploy()
        running.dispatcher.dispatch(events.JobSubmitted(job_spec("a")))
        reporter = running.dispatcher
        reporter.started("a", 1)
        reporter.logged("a", 1, [LogLine(1, "one"), LogLine(2, "two")])
        reporter.exited("a", 1, 0, None)
        eventually(lambda: running.publisher.seen[-1:] == ["a SUCCEEDED"])
        seen = running.publisher.seen
        assert seen.index("shell/default/ one|two") < seen.index("a SUCCEEDED")
        assert [word for word in seen if word.startswith("a ")] == [
            "a RUNNABLE",
            "a STARTING",
            "a RUNNING",
            "a SUCCEEDED",
        ]


def test_the_container_sees_platform_job_and_batch_variables(tmp_path: Path) -> None:
    """Batch's own variables are added when the attempt starts."""
    with world(tmp_path / "journal.jsonl") as running:
        running.deploy()
        running.dispatcher.dispatch(events.JobSubmitted(job_spec("a")))
        eventually(lambda: len(running.executor.started) == 1)
        assert dict(running.executor.started[0].environment) == {
            "AWS_REGION": "nowhere-1",
            "AWS_BATCH_JOB_ID": "a",
            "AWS_BATCH_JOB_ATTEMPT": "1",
            "AWS_BATCH_JQ_NAME": "normal",
            "AWS_BATCH_CE_NAME": "f",
        }


def test_a_platform_that_cannot_serve_a_container_fails_the_attempt(tmp_path: Path) -> None:
    """ResourceInitializationError, as on Fargate; the other jobs go on."""
    with world(tmp_path / "journal.jsonl") as running:
        running.deploy()
        running.dispatcher.dispatch(events.JobSubmitted(job_spec("broken")))
        eventually(lambda: running.status("broken") is JobStatus.FAILED)
        job = running.dispatcher.engine.jobs["broken"]
        assert job.attempt.reason == "ResourceInitializationError: no role"


def test_the_timeout_stops_the_attempt_when_the_clock_says_so(tmp_path: Path) -> None:
    """The timer rings by the injected clock, not by the machine's."""
    with world(tmp_path / "journal.jsonl") as running:
        running.deploy()
        running.dispatcher.dispatch(events.JobSubmitted(job_spec("a", timeout_seconds=60)))
        running.dispatcher.started("a", 1)
        eventually(lambda: running.status("a") is JobStatus.RUNNING)
        assert running.executor.stopped == []
        running.now_ms += 60_000
        running.dispatcher.dispatch(events.JobTagged("a", {}))
        running.dispatcher.logged("a", 1, [LogLine(1, "wakes the thread")])
        eventually(lambda: running.executor.stopped == ["a"])


def test_a_restart_knows_everything_and_ends_what_was_lost(tmp_path: Path) -> None:
    """Finished work stays finished, waiting work waits, running work is retried as after a lost host, or fails."""
    path = tmp_path / "journal.jsonl"
    with world(path) as before:
        before.deploy()
        before.dispatcher.dispatch(events.JobSubmitted(job_spec("done")))
        before.dispatcher.started("done", 1)
        before.dispatcher.exited("done", 1, 0, None)
        eventually(lambda: before.status("done") is JobStatus.SUCCEEDED)
        before.dispatcher.dispatch(events.JobSubmitted(job_spec("once")))
        before.dispatcher.dispatch(events.JobSubmitted(job_spec("twice", retry=RetryStrategy(attempts=2))))
        before.dispatcher.dispatch(events.JobSubmitted(job_spec("after", depends_on=("twice",))))
    with world(path) as after:
        jobs = after.dispatcher.engine.jobs
        assert jobs["done"] == before.dispatcher.engine.jobs["done"]
        assert (jobs["once"].status, jobs["once"].status_reason) == (JobStatus.FAILED, HOST_LOST)
        assert jobs["once"].attempt.reason == HOST_LOST_EXPLANATION
        assert (jobs["twice"].status, len(jobs["twice"].attempts)) == (JobStatus.STARTING, 2)
        assert jobs["after"].status is JobStatus.PENDING
        eventually(lambda: [work.job_id for work in after.executor.started] == ["twice"])


def test_a_restart_on_a_smaller_machine_replays_what_the_larger_one_decided(tmp_path: Path) -> None:
    """Placements of the past stand; only new ones obey the new size."""
    path = tmp_path / "journal.jsonl"
    with world(path, host_vcpus=4) as before:
        before.deploy()
        for name in "abcd":
            before.dispatcher.dispatch(events.JobSubmitted(job_spec(name, retry=RetryStrategy(attempts=2))))
    with world(path, host_vcpus=1) as after:
        assert sorted(after.status(name) for name in "abcd") == ["RUNNABLE"] * 3 + ["STARTING"]


def test_a_line_cut_short_by_a_kill_is_dropped_and_writing_goes_on(tmp_path: Path) -> None:
    """Half an event was never answered; the next event starts on a line of its own."""
    path = tmp_path / "journal.jsonl"
    with world(path) as before:
        before.deploy()
        before.dispatcher.dispatch(events.JobSubmitted(job_spec("a")))
    whole = path.read_bytes()
    path.write_bytes(whole + b'[1,{"kind":"job_sub')
    with world(path) as after:
        assert list(after.dispatcher.engine.jobs) == ["a"]
    assert path.read_bytes().startswith(whole)
    assert b'{"kind":"job_sub[' not in path.read_bytes()
    assert [event.kind for _, event in Journal(path).replay()][-1] == "container_exited"


def test_a_journal_of_another_make_is_refused_with_file_and_line(tmp_path: Path) -> None:
    """One clear error instead of a half-built state."""
    path = tmp_path / "journal.jsonl"
    path.write_text('[1,{"kind":"from_the_future"}]\n')
    with pytest.raises(JournalError, match=r"journal\.jsonl:1: a line of the journal is an event that this version"):
        list(Journal(path).replay())


def test_requests_from_many_threads_are_all_journalled(tmp_path: Path) -> None:
    """Eight threads submit; every job is there after a restart."""
    path = tmp_path / "journal.jsonl"
    with world(path) as before:
        before.deploy()

        def submit_some(thread: int) -> None:
            for number in range(25):
                before.dispatcher.dispatch(events.JobSubmitted(job_spec(f"{thread}-{number}")))

        threads = [threading.Thread(target=submit_some, args=(thread,)) for thread in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with world(path) as after:
        assert len(after.dispatcher.engine.jobs) == 200
