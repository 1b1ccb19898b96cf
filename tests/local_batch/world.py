"""A dispatcher for tests: a clock that the test moves, an executor that runs nothing, a publisher that remembers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local_batch.dispatcher import Dispatcher
from local_batch.engine import events
from local_batch.engine.capacity import HostCapacity
from local_batch.engine.core import Engine
from local_batch.engine.jobs import Job
from local_batch.engine.resources import ComputeEnvironment, JobQueue, Platform
from local_batch.engine.states import JobStatus
from local_batch.executors.work import AttemptWork, Exited, LogLine, Started
from local_batch.journal import Journal
from local_batch.publisher import PlatformError
from tests.local_batch.engine.cloud import FARGATE, NORMAL, Submission


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

    def wait_for_room(self) -> None:
        """There always is some."""

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
    """The same for every job; refuses jobs named `broken`, and knows no answer for ones named `odd`."""

    def environment(self, job: Job) -> Mapping[str, str]:
        """One variable."""
        if job.spec.job_id == "broken":
            raise PlatformError("no role")
        if job.spec.job_id == "odd":
            raise ValueError("embedded null byte")
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
