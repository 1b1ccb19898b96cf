"""Changes that are pushed: acted upon at once, others' left alone, and nothing lost where they do not come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runner.describer import Pace
from runner.job_events import JobEvents
from runner.run import Run
from tests.runner.fake_batch import FakeBatch, client_error
from tests.runner.fake_sqs import FakeSqs
from tests.runner.made_runs import request, submitted
from tests.runner.submitted import Clock
from tests.runner.told_jobs import attempt, described, id_of

PACE = Pace(first_seconds=2, longest_seconds=15)


def events(clock: Clock, sqs: FakeSqs) -> JobEvents:
    """Waiting at the queue."""
    return JobEvents(sqs, "https://sqs/queue", sleep=clock.sleep)


def still(tmp_path: Path, *requests: Any) -> tuple[Run, FakeBatch]:
    """A run whose jobs run until the test ends them."""
    batch = FakeBatch()
    run = submitted(tmp_path, batch, list(requests))
    for job_id in run.record.job_ids.values():
        described(batch, job_id, "RUNNING", startedAt=1)
    return run, batch


def test_an_event_is_acted_upon_at_once_and_nothing_is_asked_before(tmp_path: Path) -> None:
    """The job that has changed, and no other; its message is deleted."""
    clock = Clock()
    sqs = FakeSqs(clock)
    run, batch = still(tmp_path, request("a"), request("b"))
    ids = run.record.job_ids
    asked: list[tuple[float, list[str]]] = []
    describe = batch.describe_jobs

    def watched(**keys: Any) -> dict[str, Any]:
        asked.append((clock.now - 1000, keys["jobs"]))
        if clock.now >= 1050:
            described(batch, ids[1], "SUCCEEDED")
        if clock.now >= 1053:
            described(batch, ids[0], "SUCCEEDED")
        return describe(**keys)

    batch.describe_jobs = watched  # type: ignore[method-assign]
    sqs.put(1050, ids[1], status="SUCCEEDED")
    sqs.put(1053, ids[0], status="SUCCEEDED")
    states = list(run.follow(PACE, clock=clock, sleep=clock.sleep, events=events(clock, sqs)))
    assert states[-1].has_succeeded
    assert [at for at, _ in asked] == [0, 50, 53]
    assert asked[1][1][0] == ids[1]
    assert sqs.messages == []


def test_what_no_event_told_is_found_within_a_minute(tmp_path: Path) -> None:
    """Events may be lost, and go to another who waits at the queue."""
    clock = Clock()
    run, batch = still(tmp_path, request("a"))
    follower = run.follow(PACE, clock=clock, sleep=clock.sleep, events=events(clock, FakeSqs(clock)))
    next(follower)
    described(batch, run.record.job_ids[0], "SUCCEEDED")
    assert next(follower).has_succeeded
    assert clock.now == 1060


def test_messages_of_others_are_left_and_do_not_keep_the_follower_busy(tmp_path: Path) -> None:
    """Nor does what is no event at all."""
    clock = Clock()
    sqs = FakeSqs(clock)
    for _ in range(30):
        sqs.put(1001, id_of(99), status="RUNNING")
    sqs.put_text(1001, "no JSON")
    sqs.put_text(1001, '{"source": "aws.ec2", "detail": {"jobId": "x"}}')
    run, batch = still(tmp_path, request("a"))
    follower = run.follow(PACE, clock=clock, sleep=clock.sleep, events=events(clock, sqs))
    next(follower)
    described(batch, run.record.job_ids[0], "SUCCEEDED")
    assert next(follower).has_succeeded
    assert len(sqs.messages) == 32
    assert sqs.received < 120
    assert batch.calls.count("DescribeJobs") == 2


def test_a_burst_of_children_is_one_question_about_their_array(tmp_path: Path) -> None:
    """And what was lost on the way is remembered of each: the array as a whole does not tell."""
    clock = Clock()
    sqs = FakeSqs(clock)
    batch = FakeBatch()
    run = submitted(tmp_path, batch, [request("sim", size=80)])
    whole = run.record.job_ids[0]
    described(batch, whole, "PENDING", arrayProperties={"size": 80, "statusSummary": {"RUNNING": 80}})
    lost = {**attempt("s"), "startedAt": 1, "stoppedAt": 60_001, "statusReason": "Host EC2 (instance i-1) terminated."}
    for child in range(80):
        sqs.put(1005, f"{whole}:{child}", jobName="sim", status="RUNNABLE", attempts=[lost] if child < 2 else [])
    follower = run.follow(PACE, clock=clock, sleep=clock.sleep, events=events(clock, sqs))
    next(follower)
    described(batch, whole, "SUCCEEDED", arrayProperties={"size": 80, "statusSummary": {"SUCCEEDED": 80}})
    state = next(follower)
    assert batch.calls.count("DescribeJobs") == 2
    assert sqs.messages == []
    assert (state.status, state.lost_ms) == ("SUCCEEDED", 120_000)


def test_without_permission_jobs_are_asked_about_and_that_is_said_once(tmp_path: Path) -> None:
    """At the pace of one who polls."""
    clock, said = Clock(), list[str]()
    sqs = FakeSqs(clock)
    sqs.error = client_error("AccessDenied", "no", "ReceiveMessage", 403)
    run = submitted(tmp_path, FakeBatch(), [request("a"), request("b", 0)])
    states = list(run.follow(PACE, clock=clock, sleep=clock.sleep, events=events(clock, sqs), say=said.append))
    assert states[-1].has_succeeded
    assert sqs.received == 1
    assert clock.slept == [2.0] * len(clock.slept)
    (text,) = said
    assert text.startswith("job events: cannot be read, jobs are asked about instead: ")
