"""The shell around the engine: order of publications, timers, lost attempts, and what a restart does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local_batch.dispatcher import HOST_LOST, HOST_LOST_EXPLANATION
from local_batch.engine import events
from local_batch.engine.jobs import RetryStrategy
from local_batch.engine.records import UnknownJobError
from local_batch.engine.resources import ComputeEnvironment, InstanceSize, JobQueue, Platform, TimeLimit
from local_batch.engine.states import JobStatus
from local_batch.executors.work import Exited, Logged, LogLine, Started
from tests.local_batch.engine.cloud import EC2, FARGATE, NORMAL, ON_EC2, job_spec, node_job, records
from tests.local_batch.world import World, eventually, world


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


def test_who_reports_lines_waits_for_room_and_holds_up_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock is free meanwhile."""
    with world(tmp_path / "journal.jsonl") as running, ThreadPoolExecutor(1) as pool:
        running.deploy()
        running.submit(job_spec("a"))
        seen = []

        def wait_for_room() -> None:
            seen.append(pool.submit(running.status, "a").result(10))

        monkeypatch.setattr(running.publisher, "wait_for_room", wait_for_room)
        running.dispatcher.report([Started("a", 1)])
        assert seen == []
        running.dispatcher.report([Logged("a", 1, [LogLine(1, "x")])])
        assert seen == [JobStatus.RUNNING]


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
            "AWS_BATCH_CE_NAME": "fargate",
        }


def test_a_platform_that_cannot_serve_a_container_fails_the_attempt(tmp_path: Path) -> None:
    """ResourceInitializationError, as on Fargate; the other jobs go on."""
    with world(tmp_path / "journal.jsonl") as running:
        running.deploy()
        running.submit(job_spec("broken"))
        job = running.job("broken")
        assert job.status is JobStatus.FAILED
        assert job.attempt.reason == "ResourceInitializationError: no role"


def test_a_job_that_cannot_be_described_holds_up_no_other(tmp_path: Path) -> None:
    """All three are placed at once when the room is free, and each is answered."""
    with world(tmp_path / "journal.jsonl", host_vcpus=4) as running:
        running.deploy()
        running.submit(job_spec("big", vcpus=4))
        running.dispatcher.report([Started("big", 1)])
        for job_id in ("before", "odd", "after"):
            running.submit(job_spec(job_id))
        running.dispatcher.report([Exited("big", 1, 0)])
        assert [work.job_id for work in running.executor.started] == ["big", "before", "after"]
        assert running.job("odd").attempt.reason == (
            "ResourceInitializationError: ValueError('embedded null byte'); correct the job"
        )


def test_an_event_that_cannot_be_leaves_no_attempt_between_two_states(tmp_path: Path) -> None:
    """What the events before it brought about is carried out to its end."""
    with world(tmp_path / "journal.jsonl") as running:
        running.deploy()
        submission = job_spec("broken")
        with pytest.raises(UnknownJobError):
            running.dispatcher.dispatch(
                events.ProfileKept(submission.profile),
                events.JobSubmitted(submission.spec),
                events.ContainerStarted("nobody", 1),
            )
        assert running.status("broken") is JobStatus.FAILED


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


def test_nodes_start_though_their_environment_was_deleted(tmp_path: Path) -> None:
    """The main node was STARTING when its queue was given another environment; each node has a stream of its own."""
    with world(tmp_path / "journal.jsonl") as running:
        running.publisher.log = running.publisher.log_whole_stream  # type: ignore[method-assign]
        sizes = (InstanceSize("m6i.large", 2, 7600),)
        running.dispatcher.dispatch(
            events.ComputeEnvironmentSaved(ComputeEnvironment(EC2, "e", Platform.EC2, 16, instance_sizes=sizes)),
            events.JobQueueSaved(JobQueue(ON_EC2, "ec2", 10, (EC2,))),
        )
        running.submit(node_job("n", nodes=2))
        running.dispatcher.dispatch(
            events.JobQueueSaved(JobQueue(ON_EC2, "ec2", 10, ())), events.ComputeEnvironmentDeleted(EC2)
        )
        running.dispatcher.report([Started("n#0", 1), Started("n#1", 1)])
        names = [work.environment["AWS_BATCH_CE_NAME"] for work in running.executor.started]
        assert (running.status("n#1"), names) == (JobStatus.RUNNING, ["ec2", "ec2"])
        running.dispatcher.report([Logged(f"n#{index}", 1, [LogLine(1, "x")]) for index in range(2)])
        assert len({word for word in running.publisher.seen if word.startswith("shell/default/")}) == 2


def test_a_restart_on_a_smaller_machine_replays_what_the_larger_one_decided(tmp_path: Path) -> None:
    """Placements of the past stand; only new ones obey the new size."""
    path = tmp_path / "journal.jsonl"
    with world(path, host_vcpus=4) as before:
        before.deploy()
        for name in "abcd":
            before.submit(job_spec(name, retry=RetryStrategy(attempts=2)))
    with world(path, host_vcpus=1) as after:
        assert sorted(after.status(name) for name in "abcd") == ["RUNNABLE"] * 3 + ["STARTING"]
