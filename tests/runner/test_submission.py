"""Submission happens once, whatever becomes of calls, answers, the disk and the runner."""

from __future__ import annotations

import itertools
import os
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.errors import HpcError, SubmissionError
from runner.ledger import Ledger
from runner.planner import Planned
from runner.submit_call import ATTEMPTS
from tests.runner.fake_batch import client_error
from tests.runner.faulty_batch import (
    Fault,
    FaultyBatch,
    Killed,
    broken,
    every,
    expired,
    in_turn,
    lost_answer,
    not_connected,
    throttled,
)
from tests.runner.planned import RUN_ID, planned
from tests.runner.submitted import Clock, OneClient, record, submission, submitted
from tests.runner.test_folding import numbers

DIAMOND: dict[str, dict[str, Any]] = {"a": {}, "b": {"needs": ["a"]}, "c": {"needs": ["a"]}, "d": {"needs": ["b", "c"]}}
"""b and c are one array."""


def scenario() -> Planned:
    """Arrays tied child by child, a fan-in that takes barriers, jobs of their own: 32 requests."""
    tasks: dict[str, dict[str, Any]] = {
        "map": {"foreach": numbers(30), "command": ["${i}"]},
        "next": {"foreach": numbers(30), "needs": ["map-${i}"], "command": ["${i}"]},
        **{f"one{i}": {"timeout_seconds": 60 + i} for i in range(25)},
    }
    tasks["all"] = {"needs": [*tasks]}
    tasks["after"] = {"needs": ["all", "map-7"]}
    return planned(tasks)


def is_right(batch: FaultyBatch, ledger: Ledger, made: Planned) -> None:
    """The set of jobs is exactly the plan, none twice, and the ledger knows each."""
    assert Counter(batch.names()) == Counter(request.job_name for request in made.plan.requests)
    ids = ledger.read().job_ids
    assert {index: batch.jobs[job_id]["jobName"] for index, job_id in ids.items()} == {
        index: request.job_name for index, request in enumerate(made.plan.requests)
    }
    for index, request in enumerate(made.plan.requests):
        sent = [(entry["jobId"], entry.get("type")) for entry in batch.jobs[ids[index]].get("dependsOn", ())]
        assert sent == [
            (
                ids[needed.request] + (f":{needed.child}" if needed.child is not None else ""),
                "N_TO_N" if needed.by_index else None,
            )
            for needed in request.depends_on
        ]


def test_each_request_is_sent_with_the_ids_of_those_it_needs(tmp_path: Path) -> None:
    """The graph is Batch's own from then on; several calls are under way at once."""
    batch, made = FaultyBatch(), scenario()
    is_right(batch, submitted(tmp_path, batch, made), made)
    assert batch.calls == ["SubmitJob"] * len(made.plan.requests)


def test_a_map_of_ten_thousand_and_a_reduce_take_two_calls(tmp_path: Path) -> None:
    """The contract: no look-up, nothing asked."""
    batch = FaultyBatch()
    made = planned({"map": {"foreach": numbers(10_000), "command": ["${i}"]}, "reduce": {"needs": ["map"]}})
    submitted(tmp_path, batch, made)
    assert batch.calls == ["SubmitJob", "SubmitJob"]


def test_the_intent_is_on_disk_before_the_call_and_the_id_after_it(tmp_path: Path) -> None:
    """What a runner that is killed in between leaves behind."""
    made = planned(DIAMOND)
    ledger = Ledger.create(tmp_path, record(made))
    seen: list[tuple[int, int]] = []

    def look(_: str) -> None:
        read = Ledger(ledger.path).read()
        seen.append((len(read.attempted), len(read.job_ids)))

    submission(ledger, FaultyBatch(before=look)).run()
    assert seen == [(1, 0), (2, 1), (3, 2)]


@pytest.mark.parametrize("error", [throttled, not_connected])
def test_a_call_that_was_not_served_is_repeated_after_a_growing_pause(
    tmp_path: Path, error: Callable[[], Exception]
) -> None:
    """Throttled, or never connected: no look-up is needed."""
    batch, clock = FaultyBatch(before=in_turn(error, error, error)), Clock()
    submitted(tmp_path, batch, planned({"a": {}}), clock)
    assert batch.calls == ["SubmitJob"] * 4
    assert clock.slept == [0.5, 1.0, 2.0]


@pytest.mark.parametrize("error", [lost_answer, broken])
def test_a_job_whose_answer_was_lost_is_found_and_not_sent_again(
    tmp_path: Path, error: Callable[[], Exception]
) -> None:
    """The job is there; a second call would make a second one."""
    batch, made = FaultyBatch(after=every(2, error, "SubmitJob")), scenario()
    is_right(batch, submitted(tmp_path, batch, made), made)
    assert batch.calls.count("SubmitJob") == len(made.plan.requests)


def test_a_job_that_was_not_made_is_sent_again_after_looking_for_it(tmp_path: Path) -> None:
    """The connection broke before the service saw the request."""
    batch = FaultyBatch(before=in_turn(None, lost_answer))
    submitted(tmp_path, batch, planned(DIAMOND))
    assert Counter(batch.calls) == {"SubmitJob": 4, "ListJobs": 3}


def test_a_job_that_lists_do_not_tell_of_yet_is_waited_for(tmp_path: Path) -> None:
    """ListJobs lags behind SubmitJob: what is not in it may be there all the same."""
    batch, clock = FaultyBatch(after=in_turn(lost_answer)), Clock()
    batch.hidden = 6
    ledger = Ledger.create(tmp_path, record(planned({"a": {}})))
    submission(ledger, batch, clock, settle_seconds=30.0).run()
    assert batch.calls.count("SubmitJob") == 1
    assert batch.calls.count("ListJobs") > 3


@pytest.mark.parametrize("jump", [-86_400.0, 86_400.0])
def test_a_clock_that_jumps_neither_doubles_nor_stalls(tmp_path: Path, jump: float) -> None:
    """While a job's answer is lost, and between the runner's death and its successor."""
    clock = Clock(1_000_000.0)

    def jumping(name: str) -> BaseException | None:
        clock.now += jump if name == "SubmitJob" else 0
        if len(batch.jobs) >= 20:
            return Killed()
        return lost_answer() if name == "SubmitJob" else None

    made = scenario()
    batch = FaultyBatch(after=jumping)
    ledger = Ledger.create(tmp_path, record(made))
    with pytest.raises(Killed):
        submission(ledger, batch, clock, settle_seconds=30.0).run()
    batch.after, clock = (lambda _: None), Clock(5.0 if jump < 0 else 2e9)
    submission(Ledger(ledger.path), batch, clock, settle_seconds=30.0).run()
    is_right(batch, ledger, made)
    assert sum(clock.slept) <= 30


def test_a_refusal_ends_what_was_submitted_and_says_so(tmp_path: Path) -> None:
    """Half a graph is of no use; the refused job's own text is shown, and nothing of it can be resumed."""
    refused = lambda: client_error("ClientException", "JobQueue is not there")  # noqa: E731
    batch = FaultyBatch(before=in_turn(None, None, refused))
    with pytest.raises(
        SubmissionError, match=r"task d: is accepted by SubmitJob, got: JobQueue is not there; the 2 jobs .* terminated"
    ):
        submitted(tmp_path, batch, planned(DIAMOND))
    assert {job["status"] for job in batch.jobs.values()} == {"FAILED"}
    assert batch.calls.count("TerminateJobs") == 1
    assert Ledger(tmp_path / "runs" / RUN_ID / "ledger.jsonl").read().cancelled_at is not None


def test_jobs_that_cannot_be_ended_are_named(tmp_path: Path) -> None:
    """They cost money until someone ends them."""

    def fault(name: str) -> Exception | None:
        return client_error("ClientException", "no") if name == "TerminateJobs" or batch.jobs else None

    batch = FaultyBatch(before=fault)
    with pytest.raises(SubmissionError, match=r"jobs 0{8}-\S+1 could not be terminated: end them with hpc cancel"):
        submitted(tmp_path, batch, planned(DIAMOND))


def test_an_outage_leaves_a_run_that_can_be_resumed(tmp_path: Path) -> None:
    """After a bounded number of calls, each pause bounded; nothing is terminated."""
    made, clock = scenario(), Clock()
    ledger = Ledger.create(tmp_path, record(made))
    batch = FaultyBatch(before=lambda _: throttled() if len(batch.jobs) >= 10 else None)
    with pytest.raises(
        SubmissionError, match=rf"is answered within {ATTEMPTS} calls, got: .*; 10 of \d+ jobs .* resume"
    ):
        submission(ledger, batch, clock).run()
    assert max(clock.slept) <= 20
    assert "TerminateJobs" not in batch.calls
    batch.before = lambda _: None
    submission(Ledger(ledger.path), batch).run()
    is_right(batch, ledger, made)


def test_expired_credentials_are_waited_for_and_told_once(tmp_path: Path) -> None:
    """In the middle of a run: it goes on when somebody has logged in again."""
    made, clock = scenario(), Clock()
    said: list[str] = []
    renewals: list[float] = []
    batch = FaultyBatch(before=lambda _: expired() if len(batch.jobs) >= 10 and len(renewals) < 3 else None)
    ledger = Ledger.create(tmp_path, record(made))
    submission(ledger, OneClient(batch, lambda: renewals.append(clock.now)), clock, said).run()
    is_right(batch, ledger, made)
    assert len(renewals) == 3
    assert [text.split(":")[0] for text in said[:1]] == ["credentials"]
    assert sum("aws sso login" in text for text in said) == 1
    assert said[-1] == "credentials: renewed, submission goes on"


def test_who_leaves_waits_for_no_pause(tmp_path: Path) -> None:
    """Ctrl-C while calls are throttled: they are not repeated, and what is not known is looked up by the successor."""
    made, stopping = planned(DIAMOND), threading.Event()
    ledger = Ledger.create(tmp_path, record(made))
    batch = FaultyBatch(before=lambda _: throttled())
    clock = Clock()
    clock.sleep = lambda _: stopping.set()  # type: ignore[method-assign,assignment]
    interrupted = submission(ledger, batch, clock, stopping=stopping)
    with pytest.raises(SubmissionError, match="was interrupted"):
        interrupted.run()
    assert batch.calls == ["SubmitJob"]
    batch.before = lambda _: None
    submission(Ledger(ledger.path), batch).run()
    is_right(batch, ledger, made)


FAULTS: dict[str, Callable[[], FaultyBatch]] = {
    "half of all calls throttled": lambda: FaultyBatch(before=every(2, throttled)),
    "errors of the service before it acts": lambda: FaultyBatch(before=every(3, broken, "SubmitJob")),
    "errors of the service after it acted": lambda: FaultyBatch(after=every(3, broken, "SubmitJob")),
    "connections reset before the service acts": lambda: FaultyBatch(before=every(3, lost_answer, "SubmitJob")),
    "connections reset after the service acted": lambda: FaultyBatch(after=every(3, lost_answer, "SubmitJob")),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_of_calls_make_no_difference(tmp_path: Path, fault: str) -> None:
    """The jobs are the plan's, none twice."""
    batch, made = FAULTS[fault](), scenario()
    is_right(batch, submitted(tmp_path, batch, made), made)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), rate=st.floats(0, 0.2))
def test_any_mixture_of_faults_and_deaths_makes_no_difference(
    tmp_path_factory: pytest.TempPathFactory, seed: int, rate: float
) -> None:
    """However often the runner dies: somebody resumes until all is submitted."""
    chance = random.Random(seed)

    def fault(*kinds: Callable[[], BaseException]) -> Fault:
        return lambda _: chance.choice(kinds)() if chance.random() < rate else None

    made = scenario()
    batch = FaultyBatch(fault(throttled, not_connected, broken, lost_answer), fault(broken, lost_answer, Killed))
    ledger = Ledger.create(tmp_path_factory.mktemp("home"), record(made))
    for _ in range(3000):
        try:
            submission(Ledger(ledger.path), batch).run()
            break
        except (Killed, SubmissionError):
            continue
    else:
        raise AssertionError("it never came to the end")
    is_right(batch, ledger, made)


def _lives(made: Planned, home: Path, die: Callable[[int, Ledger, FaultyBatch], None]) -> int:
    """Run the scenario, dying at each point in turn and resuming; how many points there were."""
    for point in range(1, 10_000):
        batch = FaultyBatch()
        ledger = Ledger.create(home / str(point), record(made))
        die(point, ledger, batch)
        try:
            submission(ledger, batch).run()
        except Killed:
            batch.before = batch.after = lambda _: None
            submission(Ledger(ledger.path), batch).run()
            is_right(batch, ledger, made)
        else:
            is_right(batch, ledger, made)
            return point
    raise AssertionError("it never came to the end")


@pytest.mark.parametrize("is_served", [False, True])
def test_a_runner_killed_at_any_call_is_succeeded_by_one_that_does_the_rest(tmp_path: Path, *, is_served: bool) -> None:
    """Before the service acted, and after it did: none is made twice, none is missing."""
    made = scenario()

    def die(point: int, _: Ledger, batch: FaultyBatch) -> None:
        def fault(_: str) -> BaseException | None:
            return Killed() if len(batch.calls) >= point else None

        if is_served:
            batch.after = fault
        else:
            batch.before = fault

    assert _lives(made, tmp_path, die) == len(made.plan.requests) + 1


@pytest.mark.parametrize("is_written", [False, True])
def test_a_runner_killed_at_any_writing_of_the_ledger_is_succeeded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_written: bool
) -> None:
    """Before the line is on disk, and after it."""
    made, append = scenario(), Ledger._append
    points = 0
    while True:
        batch, left = FaultyBatch(), itertools.count(points, -1)
        ledger = Ledger.create(tmp_path / str(points), record(made))

        def dying(self: Ledger, *lines: Any, left: Iterator[int] = left) -> None:
            is_last = next(left) == 0
            if is_written or not is_last:
                append(self, *lines)
            if is_last:
                raise Killed

        monkeypatch.setattr(Ledger, "_append", dying)
        try:
            submission(ledger, batch).run()
        except Killed:
            points += 1
            monkeypatch.setattr(Ledger, "_append", append)
            submission(Ledger(ledger.path), batch).run()
            is_right(batch, ledger, made)
        else:
            monkeypatch.setattr(Ledger, "_append", append)
            is_right(batch, ledger, made)
            break
    assert points >= 10


def test_a_disk_that_fills_up_stops_submission_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused before submitting where it is full from the beginning; else what could not be written is looked up."""
    made, write = scenario(), os.write
    ledger = Ledger.create(tmp_path, record(made))
    room = [700]

    def full(descriptor: int, content: bytes) -> int:
        taken = min(room[0], len(content))
        room[0] -= taken
        return write(descriptor, content[:taken]) if taken else write(descriptor, b"")

    batch = FaultyBatch()
    monkeypatch.setattr("runner.ledger.os.write", full)
    with pytest.raises(HpcError, match="No space left on device; make room"):
        submission(ledger, batch).run()
    assert 0 < len(batch.jobs) < len(made.plan.requests)
    with pytest.raises(HpcError, match="written before anything is submitted, got No space left on device; make room"):
        Ledger.create(tmp_path / "other", record(made))
    monkeypatch.setattr("runner.ledger.os.write", write)
    submission(Ledger(ledger.path), batch).run()
    is_right(batch, ledger, made)


def test_two_processes_do_not_submit_one_run(tmp_path: Path) -> None:
    """The second is told who is at it."""
    ledger = Ledger.create(tmp_path, record(planned(DIAMOND)))
    second = Ledger(ledger.path)
    with (
        ledger.locked(),
        pytest.raises(HpcError, match=f"one process at a time, got process {os.getpid()} at it"),
        second.locked(),
    ):
        raise AssertionError
    with ledger.locked():
        pass


def test_what_waits_for_ends_is_held_until_these_are_told(tmp_path: Path) -> None:
    """Of a task that may fail, and of all for what runs at last."""
    made = planned(
        {
            "a": {"allow_failure": True},
            "b": {"needs": ["a"], "timeout_seconds": 99},
            "c": {"needs": ["b"], "timeout_seconds": 88},
            "z": {"finally_": True},
        }
    )
    batch = FaultyBatch()
    ledger = Ledger.create(tmp_path, record(made))
    assert submission(ledger, batch).run() == [1, 2, 3]
    assert submission(ledger, batch).run(ended=[0]) == [3]
    assert submission(ledger, batch).run(ended=[0, 1, 2]) == []
    assert [name.removeprefix(f"{RUN_ID}-") for name in batch.names()] == ["a", "b", "c", "z"]
