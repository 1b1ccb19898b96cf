"""The shell around the engine: order of publications, timers, the journal, and what a restart does."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from local_batch.dispatcher import HOST_LOST, HOST_LOST_EXPLANATION, Dispatcher, JournalBrokenError
from local_batch.engine import events
from local_batch.engine.capacity import HostCapacity
from local_batch.engine.core import Engine
from local_batch.engine.jobs import Job, RetryStrategy
from local_batch.engine.resources import ComputeEnvironment, InstanceSize, JobQueue, Platform, TimeLimit
from local_batch.engine.states import JobStatus
from local_batch.executors.work import AttemptWork, Exited, Logged, LogLine, Started
from local_batch.journal import Journal, JournalError
from local_batch.publisher import PlatformError
from tests.local_batch.engine.cloud import EC2, FARGATE, NORMAL, ON_EC2, Submission, job_spec, node_job, records


class RecordingExecutor:
    """Runs nothing; the test reports in its place."""

    def __init__(self) -> None:
        self.started: list[AttemptWork] = []
        self.stopped: list[str] = []
        self.is_closed = False

    def start(self, works: Sequence[AttemptWork]) -> None:
        """Remember them."""
        self.started.extend(works)

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
        self.is_listening = True

    def job_changed(self, job: Job, status: JobStatus) -> None:
        """A state."""
        assert job.status == status
        self.seen.append(f"{job.job_id} {status}")

    def queue_blocked(self, job: Job, queue: JobQueue) -> None:
        """A job that heads its queue and cannot be placed."""
        assert job.blocked is not None
        self.seen.append(f"{queue.name} blocked by {job.job_id}")

    def log_whole_stream(self, group: str, stream: str, lines: Sequence[LogLine]) -> None:
        """A batch of lines, by the stream's whole name."""
        self.seen.append(stream)

    def log(self, group: str, stream: str, lines: Sequence[LogLine]) -> None:
        """A batch of lines."""
        self.seen.append(f"{stream[:14]} {'|'.join(line.text for line in lines)}")


class FixedPlatform:
    """The same for every job; refuses jobs named `broken`."""

    def environment(self, job: Job) -> Mapping[str, str]:
        """One variable."""
        if job.spec.job_id == "broken":
            raise PlatformError("no role")
        return {"AWS_REGION": "nowhere-1"}

    def file_system(self, configuration: Mapping[str, Any]) -> str:
        """There is none."""
        raise PlatformError("no file system")


class World:
    """A dispatcher on a state directory, with a clock that the test moves."""

    def __init__(self, path: Path, host_vcpus: float = 8, *, start_ms: int = 1_000, is_attached: bool = True) -> None:
        self.now_ms = start_ms
        self.executor = RecordingExecutor()
        self.publisher = RecordingPublisher()
        self.dispatcher = Dispatcher(
            engine=Engine(host=HostCapacity(vcpus=host_vcpus, memory_mib=8192)),
            journal=Journal(path),
            publisher=self.publisher,
            platform=FixedPlatform(),
            clock=lambda: self.now_ms,
        )
        if is_attached:
            self.dispatcher.attach(self.executor)

    def deploy(self) -> None:
        """One environment, one queue."""
        self.dispatcher.dispatch(events.ComputeEnvironmentSaved(ComputeEnvironment(FARGATE, "f", Platform.FARGATE, 4)))
        self.dispatcher.dispatch(events.JobQueueSaved(JobQueue(NORMAL, "normal", 10, (FARGATE,))))

    def status(self, job_id: str) -> JobStatus:
        """Of a job, now."""
        return self.job(job_id).status

    def job(self, job_id: str) -> Job:
        """A job, a child or a node."""
        with self.dispatcher.lock:
            job = self.dispatcher.engine.find(job_id)
        assert job is not None
        return job

    def submit(self, submission: Submission) -> None:
        """SubmitJob."""
        self.dispatcher.dispatch(events.ProfileKept(submission.profile), events.JobSubmitted(submission.spec))

    def run(self, job_id: str, attempt: int = 1, exit_code: int = 0) -> None:
        """The attempt starts and ends."""
        self.dispatcher.report([Started(job_id, attempt), Exited(job_id, attempt, exit_code)])


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
        running.submit(job_spec("a"))
        lines = [LogLine(1, "one"), LogLine(2, "two")]
        running.dispatcher.report([Started("a", 1), Logged("a", 1, lines), Exited("a", 1, 0)])
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
        running.submit(job_spec("a"))
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
        running.submit(job_spec("broken"))
        job = running.job("broken")
        assert job.status is JobStatus.FAILED
        assert job.attempt.reason == "ResourceInitializationError: no role"


def test_the_timeout_stops_the_attempt_when_the_clock_says_so(tmp_path: Path) -> None:
    """The timer rings by the injected clock, not by the machine's."""
    with world(tmp_path / "journal.jsonl") as running:
        running.deploy()
        running.submit(job_spec("a", timeout_seconds=60))
        running.dispatcher.report([Started("a", 1)])
        assert running.executor.stopped == []
        running.now_ms += 60_000
        # A timer that is due wakes the thread, which then looks at the moved clock.
        running.dispatcher._timers.set(0, events.AttemptTimedOut("nobody", 1))
        eventually(lambda: running.executor.stopped == ["a"])


def test_a_restart_knows_everything_and_ends_what_was_lost(tmp_path: Path) -> None:
    """Finished work stays finished, waiting work waits, running work is retried as after a lost host, or fails."""
    path = tmp_path / "journal.jsonl"
    with world(path) as before:
        before.deploy()
        before.submit(job_spec("done"))
        before.run("done")
        before.submit(job_spec("once"))
        before.submit(job_spec("twice", retry=RetryStrategy(attempts=2)))
        before.submit(job_spec("after", depends_on=("twice",)))
        was = records(before.dispatcher.engine)[0]
    with world(path) as after:
        assert records(after.dispatcher.engine)[0] == was
        once, twice = after.job("once"), after.job("twice")
        assert (once.status, once.status_reason) == (JobStatus.FAILED, HOST_LOST)
        assert once.attempt.reason == HOST_LOST_EXPLANATION
        assert (twice.status, len(twice.attempts)) == (JobStatus.STARTING, 2)
        assert after.status("after") is JobStatus.PENDING
        assert [work.job_id for work in after.executor.started] == ["twice"]


def test_nodes_of_a_killed_server_are_lost_and_tried_again_together(tmp_path: Path) -> None:
    """The main node's host is gone with all the others: one attempt is over, the next begins with the main node."""
    path = tmp_path / "journal.jsonl"
    sizes = (InstanceSize("m6i.large", 2, 7600),)
    with world(path) as before:
        before.dispatcher.dispatch(
            events.ComputeEnvironmentSaved(ComputeEnvironment(EC2, "e", Platform.EC2, 16, instance_sizes=sizes)),
            events.JobQueueSaved(JobQueue(ON_EC2, "ec2", 10, (EC2,))),
        )
        before.submit(node_job("n", nodes=3, retry=RetryStrategy(attempts=2)))
        before.dispatcher.report([Started("n#0", 1), Started("n#1", 1)])
        assert len(before.dispatcher.engine.placed) == 3
    with world(path) as after:
        assert [work.job_id for work in after.executor.started] == ["n#0"]
        assert [attempt.status_reason for attempt in after.job("n").attempts] == [HOST_LOST, None]
        assert after.dispatcher.engine.capacity.host_vcpus == 6


def test_a_time_limit_is_still_counted_after_a_restart(tmp_path: Path) -> None:
    """The job has been blocked since before: what is left of its time is what it gets."""
    path = tmp_path / "journal.jsonl"
    limit = TimeLimit("MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE", 600)
    with world(path) as before:
        before.deploy()
        before.dispatcher.dispatch(
            events.JobQueueSaved(JobQueue(NORMAL, "normal", 10, (FARGATE,), time_limits=(limit,)))
        )
        before.submit(job_spec("large", vcpus=8))
        assert before.publisher.seen[-1] == "normal blocked by large"
    after = World(path, start_ms=601_000, is_attached=False)
    after.dispatcher.attach(after.executor)
    eventually(lambda: after.status("large") is JobStatus.FAILED)
    after.dispatcher.close()
    assert after.job("large").status_reason == f"Canceled by JobStateTimeLimit action due to reason: {limit.reason}"


def test_nobody_is_told_where_nobody_listens(tmp_path: Path) -> None:
    """No event is made for nobody; log lines are kept all the same."""
    with world(tmp_path / "journal.jsonl") as running:
        running.publisher.is_listening = False
        running.deploy()
        running.submit(job_spec("a"))
        running.dispatcher.report([Started("a", 1), Logged("a", 1, [LogLine(1, "one")]), Exited("a", 1, 0)])
        assert running.publisher.seen == ["shell/default/ one"]


def test_lines_of_children_go_to_streams_of_their_own(tmp_path: Path) -> None:
    """Two children, two streams; a line of an attempt that nobody knows is no harm."""
    with world(tmp_path / "journal.jsonl") as running:
        running.publisher.log = running.publisher.log_whole_stream  # type: ignore[method-assign]
        running.deploy()
        running.submit(job_spec("a", array_size=2))
        line = [LogLine(1, "x")]
        running.dispatcher.report([Logged("a:0", 1, line), Logged("a:1", 1, line), Logged("nobody", 1, line)])
        streams = [word for word in running.publisher.seen if word.startswith("shell/default/")]
        assert len(set(streams)) == len(streams) == 2


def test_a_report_that_cannot_be_keeps_nothing_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged; the reports behind it are taken."""
    with world(tmp_path / "journal.jsonl") as running:
        running.deploy()
        running.submit(job_spec("a"))
        running.dispatcher.report([Started("nobody", 1), Started("a", 1), Started("a", 1), Exited("a", 1, 0)])
        assert running.status("a") is JobStatus.SUCCEEDED
        assert len(caplog.records) == 2


def test_a_disk_that_takes_no_change_ends_all_changes_until_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not answered for is not known after the restart; until then every change is refused, reading is not."""
    path = tmp_path / "journal.jsonl"
    with world(path) as before:
        before.deploy()
        before.submit(job_spec("a"))
        with monkeypatch.context() as full:
            full.setattr(before.dispatcher._journal, "append", _full_disk)
            with pytest.raises(JournalBrokenError, match="No space left on device; free space and restart"):
                before.submit(job_spec("b"))
        with pytest.raises(JournalBrokenError, match="an earlier change could not be written"):
            before.submit(job_spec("c"))
        assert before.status("a") is JobStatus.STARTING
        assert [work.job_id for work in before.executor.started] == ["a"]
    with world(path) as after:
        assert list(after.dispatcher.engine.jobs) == ["a"]


def _full_disk(now_ms: int, happened: Sequence[events.Event]) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_restart_on_a_smaller_machine_replays_what_the_larger_one_decided(tmp_path: Path) -> None:
    """Placements of the past stand; only new ones obey the new size."""
    path = tmp_path / "journal.jsonl"
    with world(path, host_vcpus=4) as before:
        before.deploy()
        for name in "abcd":
            before.submit(job_spec(name, retry=RetryStrategy(attempts=2)))
    with world(path, host_vcpus=1) as after:
        assert sorted(after.status(name) for name in "abcd") == ["RUNNABLE"] * 3 + ["STARTING"]


def test_a_line_cut_short_by_a_kill_is_dropped_and_writing_goes_on(tmp_path: Path) -> None:
    """Half an event was never answered; the next event starts on a line of its own."""
    path = tmp_path / "journal.jsonl"
    with world(path) as before:
        before.deploy()
        before.submit(job_spec("a"))
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
                before.submit(job_spec(f"{thread}-{number}"))

        threads = [threading.Thread(target=submit_some, args=(thread,)) for thread in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with world(path) as after:
        assert len(after.dispatcher.engine.jobs) == 200
