"""Runs of arrays and barriers: told from few answers, and each task's story right nevertheless."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import pytest

from runner.describer import Pace
from runner.plan import Dependency
from runner.run import Run
from runner.run_layout import RunLayout
from runner.run_state import MAX_TOLD_TASKS, RunState
from tests.runner.fake_batch import STATUSES, FakeBatch, arn
from tests.runner.made_runs import record, request, send, submitted
from tests.runner.submitted import Clock
from tests.runner.told_jobs import attempt, described, id_of

PACE = Pace(first_seconds=1, longest_seconds=8, growth=2, missing_polls=3)


def followed(run: Run, **arguments: Any) -> RunState:
    """The last state."""
    clock = Clock()
    return list(run.follow(PACE, clock=clock, sleep=clock.sleep, **arguments))[-1]


def summary(**counts: int) -> dict[str, int]:
    """A statusSummary as Batch tells it."""
    return {**dict.fromkeys(STATUSES, 0), **counts}


def told_array(batch: FakeBatch, run: Run, index: int, status: str, **counts: int) -> None:
    """An array whose children nobody but the whole knows."""
    size = run.record.requests[index].size
    whole = {"size": size, "statusSummary": summary(**counts)}
    described(batch, run.record.job_ids[index], status, arrayProperties=whole)


def test_an_array_is_counted_child_by_child_and_told_as_one_row(tmp_path: Path) -> None:
    """Those that failed are known by name, with exit code and log."""
    batch = FakeBatch({"sim:2": [7]})
    state = followed(submitted(tmp_path, batch, [request("sim", size=4)]))
    (row,) = state.groups()
    assert row.text == "3 of 4 SUCCEEDED, 1 FAILED"
    assert (state.status, state.counts()) == ("FAILED", {"SUCCEEDED": 3, "FAILED": 1})
    (failed,) = state.failures()
    assert (failed.name, failed.group, failed.note) == ("sim-2", "sim", "exit code 7")
    assert failed.job_id == f"{state.record.job_ids[0]}:2"
    assert failed.job is not None
    assert failed.job.log_stream
    assert [task.status for task in state.tasks.values()] == ["SUCCEEDED", "SUCCEEDED", "FAILED", "SUCCEEDED"]


def test_failed_children_are_remembered_when_batch_has_forgotten(tmp_path: Path) -> None:
    """By the ledger, as jobs are."""
    batch = FakeBatch({"sim:2": [7]})
    run = submitted(tmp_path, batch, [request("sim", size=4), request("end", 0)])
    before = followed(run)
    batch.jobs.clear()
    batch.calls.clear()
    later = Run(run.ledger, batch).look(9e9)
    assert later.document() == before.document()
    assert [task.note for task in later.troubled()] == ["exit code 7", "not run: its dependency sim-2 failed"]
    assert batch.calls == []


def test_a_failure_goes_on_from_child_to_child_and_through_barriers(tmp_path: Path) -> None:
    """By index it takes its partner alone; what waits for the whole is not run; the cause is the task that failed."""
    batch = FakeBatch({"a:1": [3]})
    by_index = [Dependency(0, by_index=True)], [Dependency(1, by_index=True)]
    requests = [
        request("a", size=3),
        request("b", *by_index[0], size=3),
        request("c", *by_index[1], size=3),
        request("", 2),
        request("end", 3),
        request("after", 4, size=2),
    ]
    state = followed(submitted(tmp_path, batch, requests))
    assert state.counts() == {"SUCCEEDED": 6, "FAILED": 1, "NOT RUN": 5}
    notes = {task.name: task.note for task in state.troubled()}
    assert notes.pop("a-1") == "exit code 3"
    assert notes == dict.fromkeys(["b-1", "c-1", "end", "after-0", "after-1"], "not run: its dependency a-1 failed")
    assert [group.name for group in state.groups()] == ["a", "b", "c", "end", "after"]
    assert [task.name for task in state.failures()] == ["a-1"]
    assert state.needs(state.record.positions["end"]) == ["c"]
    assert state.needs(state.record.positions["c-1"]) == ["b-1"]


def test_a_barrier_shows_only_where_it_failed_by_itself(tmp_path: Path) -> None:
    """Its dependents say so, too."""
    batch = FakeBatch({"barrier": [1]})
    state = followed(submitted(tmp_path, batch, [request("a"), request("", 0), request("b", 1)]))
    name = state.record.requests[1].job_name
    assert [(task.name, task.status) for task in state.troubled()] == [(name, "FAILED"), ("b", "NOT RUN")]
    assert state.tasks["b"].failed_dependency == name
    assert [group.name for group in state.groups()] == ["a", "b", name]


def test_what_may_fail_fails_no_run(tmp_path: Path) -> None:
    """A child of an array as well; what waits for its end runs."""
    batch, clock = FakeBatch({"x": [1], "many:0": [1]}), Clock()
    requests = [
        request("x", may_fail=True),
        request("many", size=2, may_fail=True),
        request("then", waits_for=(0, 1)),
        request("last", 2),
        request("clean", waits_for=(0, 1, 2, 3), is_finally=True),
    ]
    run = submitted(tmp_path, batch, requests)
    assert run.look(1000).tasks["then"].note == "waits for x and 1 more to end; sent by whoever follows the run"
    asked: list[list[int]] = []

    def on_ready(ready: Any) -> None:
        asked.append(list(ready))
        send(run.ledger, batch, ready)

    states = list(run.follow(PACE, clock=clock, sleep=clock.sleep, on_ready=on_ready))
    assert asked == [[2, 3], [4]]
    assert states[-1].counts() == {"SUCCEEDED": 4, "FAILED (allowed)": 2}
    assert states[-1].status == "SUCCEEDED"
    assert list(states[-1].failures()) == []
    assert {state.status for state in states[:-1]} == {"RUNNING"}


def test_what_is_held_back_stays_so_without_somebody_who_sends_it(tmp_path: Path) -> None:
    """Following ends with what has jobs, and the run is not over; a sender that sends nothing is asked once."""
    run = submitted(tmp_path, FakeBatch(), [request("a"), request("b", waits_for=(0,))])
    state = followed(run)
    assert (state.status, state.tasks["b"].status) == ("RUNNING", "NOT SUBMITTED")
    assert state.groups()[1].note == "sent by whoever follows the run"
    asked: list[Any] = []
    assert followed(run, on_ready=asked.append).status == "RUNNING"
    assert asked == [[1]]


def test_what_was_held_back_is_not_sent_when_what_it_depends_on_failed(tmp_path: Path) -> None:
    """It could only fail; nor when the run was cancelled."""
    batch = FakeBatch({"-a": [1]})
    run = submitted(tmp_path, batch, [request("a"), request("b"), request("c", 0, waits_for=(1,)), request("d", 2)])
    state = followed(run, on_ready=pytest.fail)
    assert (state.status, state.tasks["c"].status, state.tasks["d"].status) == ("FAILED", "NOT RUN", "NOT RUN")
    assert state.tasks["d"].failed_dependency == "a"
    other = submitted(tmp_path / "other", FakeBatch(), [request("a"), request("b", waits_for=(0,))])
    other.ledger.cancelled(1000)
    assert followed(other, on_ready=pytest.fail).status == "FAILED"


def test_of_a_task_in_several_requests_the_last_counts(tmp_path: Path) -> None:
    """Children that were run again are no failures any more."""
    batch = FakeBatch({"sim:1": [1], "sim:3": [1], "-end": [1]})
    again = dataclasses.replace(request("sim", size=2), tasks=("sim-1", "sim-3"), group="sim")
    batch_two = dataclasses.replace(again, request={**again.request, "jobName": "again"})
    requests = [request("sim", size=4), request("end"), batch_two]
    state = followed(submitted(tmp_path, batch, requests))
    assert state.counts() == {"SUCCEEDED": 4, "FAILED": 1}
    assert [group.text for group in state.groups()] == ["4 of 4 SUCCEEDED", "0 of 1 SUCCEEDED, 1 FAILED"]
    assert [task.name for task in state.failures()] == ["end"]
    assert len(state.tasks) == len(list(state.tasks)) == 5


def test_ten_arrays_of_ten_thousand_cost_one_call_a_poll(tmp_path: Path) -> None:
    """While nothing has failed, the wholes say it all."""
    batch = FakeBatch()
    run = submitted(tmp_path, batch, [request(f"g{number}", size=10_000) for number in range(10)])
    for index in range(10):
        told_array(batch, run, index, "PENDING", RUNNING=4000, SUCCEEDED=6000)
    batch.calls.clear()
    state = run.look(1000)
    assert batch.calls == ["DescribeJobs"]
    assert state.counts() == {"SUCCEEDED": 60_000, "RUNNING": 40_000}
    assert state.tasks["g3-17"].status == "UNKNOWN"
    assert state.tasks["g3-17"].note == "its array is told of as a whole: 4,000 RUNNING, 6,000 SUCCEEDED"


def test_three_failures_of_ten_thousand_cost_a_page_and_a_call_once(tmp_path: Path) -> None:
    """They are asked for when the whole counts them, and not again while it counts no more."""
    batch = FakeBatch()
    run = submitted(tmp_path, batch, [request("map", size=10_000)])
    whole = run.record.job_ids[0]
    told_array(batch, run, 0, "PENDING", RUNNING=9997, FAILED=3)
    for child in (5, 500, 5000):
        described(
            batch, f"{whole}:{child}", "FAILED", startedAt=1, container={"exitCode": 9}, attempts=[attempt("s", 9)]
        )
    batch.calls.clear()
    state = run.look(1000)
    assert batch.calls == ["DescribeJobs", "ListJobs", "DescribeJobs"]
    assert [task.name for task in state.failures()] == ["map-5", "map-500", "map-5000"]
    batch.calls.clear()
    told_array(batch, run, 0, "FAILED", SUCCEEDED=9997, FAILED=3)
    state = run.look(1000)
    assert batch.calls == ["DescribeJobs"]
    assert (state.status, state.tasks["map-7"].status) == ("FAILED", "SUCCEEDED")


def test_failures_beyond_a_page_are_listed_when_the_array_has_ended(tmp_path: Path) -> None:
    """The first hundred in detail."""
    batch = FakeBatch()
    run = submitted(tmp_path, batch, [request("map", size=3000)])
    for child in range(2500):
        described(batch, f"{run.record.job_ids[0]}:{child}", "FAILED", startedAt=1, container={"exitCode": 9})
    told_array(batch, run, 0, "PENDING", RUNNING=500, FAILED=2500)
    batch.calls.clear()
    assert len(list(run.look(1000).failures())) == 1000
    assert batch.calls == ["DescribeJobs", "ListJobs", "DescribeJobs"]
    told_array(batch, run, 0, "FAILED", SUCCEEDED=500, FAILED=2500)
    batch.calls.clear()
    state = run.look(1000)
    assert batch.calls == ["DescribeJobs", "ListJobs", "ListJobs", "ListJobs"]
    assert len(list(state.failures())) == 2500
    assert len(state.document()["tasks"]) == 2500


def test_a_failure_that_is_listed_late_is_asked_for_again(tmp_path: Path) -> None:
    """ListJobs lags behind DescribeJobs."""

    class Lagging(FakeBatch):
        def list_jobs(self, **keys: Any) -> dict[str, Any]:
            answer = super().list_jobs(**keys)
            return answer if self.calls.count("ListJobs") > 1 else {"jobSummaryList": []}

    state = followed(submitted(tmp_path, Lagging({"sim:2": [7]}), [request("sim", size=4)]))
    assert [task.name for task in state.failures()] == ["sim-2"]


def test_a_poll_of_250_jobs_is_three_calls(tmp_path: Path) -> None:
    """A hundred ids each."""
    batch = FakeBatch()
    run = submitted(tmp_path, batch, [request(f"t{number}") for number in range(250)])
    batch.calls.clear()
    run.look(1000)
    assert batch.calls == ["DescribeJobs"] * 3


def test_nobody_asks_about_what_cannot_have_changed(tmp_path: Path) -> None:
    """Jobs behind others wait until these have ended, an array behind its partner until a child of that has."""
    asked: list[set[str]] = []

    class Counting(FakeBatch):
        def describe_jobs(self, **keys: Any) -> dict[str, Any]:
            asked.append(set(keys["jobs"]))
            return super().describe_jobs(**keys)

    batch = Counting()
    waiting = [request(f"w{number}", 0) for number in range(250)]
    partner = request("p", Dependency(1, by_index=True), size=2)
    run = submitted(tmp_path, batch, [request("first"), request("a", size=2), *waiting, partner])
    ids = run.record.job_ids
    for index in ids:
        batch.jobs[ids[index]].is_still = True
    run.look(1000)
    assert (len(asked), len(asked[0])) == (1, 100)
    assert {ids[0], ids[1]} <= asked[0]
    assert ids[252] not in asked[0]
    asked.clear()
    told_array(batch, run, 1, "PENDING", RUNNING=1, SUCCEEDED=1)
    state = run.look(1000)
    assert {ids[1], ids[252]} <= set().union(*asked)
    assert state.tasks["w200"].status == "PENDING"


def test_a_million_tasks_are_counted_without_being_touched(tmp_path: Path) -> None:
    """In moments: a hundred arrays."""
    requests = [request(f"g{number}", size=10_000) for number in range(100)]
    made = dataclasses.replace(record(requests), job_ids={index: id_of(index) for index in range(100)})
    from runner.described_job import from_detail  # noqa: PLC0415 - one test's

    whole = {"size": 10_000, "statusSummary": summary(SUCCEEDED=10_000)}
    detail = {"jobName": "g", "jobQueue": arn("job-queue", "q"), "status": "SUCCEEDED", "arrayProperties": whole}
    jobs = {index: from_detail({"jobId": id_of(index), **detail}) for index in range(100)}
    layout = RunLayout(requests)
    began = time.perf_counter()
    state = RunState(record=made, layout=layout, jobs=jobs, children={})
    assert state.counts() == {"SUCCEEDED": 1_000_000}
    assert state.has_succeeded
    assert len(state.tasks) == 1_000_000
    first = time.perf_counter() - began
    assert next(iter(state.tasks.values())).name == "g0-0"
    began = time.perf_counter()
    again = RunState(record=made, layout=layout, jobs=jobs, children={})
    assert (again.status, state.document()["tasks"]) == ("SUCCEEDED", [])
    assert time.perf_counter() - began < 0.2
    assert first < 5


def test_a_line_of_thousands_of_arrays_is_told_without_end_of_stack(tmp_path: Path) -> None:
    """The cause is the child at its beginning."""
    length = 3000
    requests = [request("s0", size=2)]
    requests += [request(f"s{n}", Dependency(n - 1, by_index=True), size=2) for n in range(1, length)]
    made = dataclasses.replace(record(requests), job_ids={index: id_of(index) for index in range(length)})
    from runner.described_job import from_detail  # noqa: PLC0415 - one test's

    whole = {"size": 2, "statusSummary": summary(SUCCEEDED=1, FAILED=1)}
    detail = {"jobName": "g", "jobQueue": "q", "status": "FAILED", "arrayProperties": whole}
    jobs = {index: from_detail({"jobId": id_of(index), **detail}) for index in range(length)}
    victim = {"jobId": "x", "jobName": "g", "status": "FAILED", "statusReason": "Dependent Job failed"}
    children = {index: {1: victim if index else {**victim, "startedAt": 1}} for index in range(length)}
    state = RunState(record=made, layout=RunLayout(requests), jobs=jobs, children=children)
    assert state.tasks["s2999-1"].failed_dependency == "s0-1"
    assert state.tasks["s2999-1"].status == "NOT RUN"


def test_time_lost_to_reclaims_is_told(tmp_path: Path) -> None:
    """Of attempts whose host went away, of jobs and of children that were asked about."""
    batch = FakeBatch()
    run = submitted(tmp_path, batch, [request("a"), request("b", size=2)])
    lost = {"startedAt": 1000, "stoppedAt": 61_000, "statusReason": "Host EC2 (instance i-0) terminated."}
    described(batch, run.record.job_ids[0], "SUCCEEDED", attempts=[lost, attempt("s")])
    spot = {**lost, "statusReason": "Your Spot Task was interrupted."}
    told_array(batch, run, 1, "FAILED", SUCCEEDED=1, FAILED=1)
    described(batch, f"{run.record.job_ids[1]}:0", "SUCCEEDED", attempts=[attempt("t")])
    described(batch, f"{run.record.job_ids[1]}:1", "FAILED", startedAt=1, attempts=[spot])
    state = run.look(1000)
    assert state.lost_ms == 120_000
    assert state.document()["lost_to_reclaims_ms"] == 120_000


def test_times_of_an_array_are_as_they_were_seen(tmp_path: Path) -> None:
    """Batch tells none of the whole: its start when it was seen to run, its end when the counts changed last."""
    batch = FakeBatch()
    run = submitted(tmp_path, batch, [request("a", size=2), request("b", size=2), request("c", size=2)])
    told_array(batch, run, 0, "PENDING", RUNNING=2)
    run.look(1010)
    for index in range(3):
        told_array(batch, run, index, "SUCCEEDED", SUCCEEDED=2)
    batch.jobs[run.record.job_ids[1]].detail["arrayProperties"]["statusSummaryLastUpdatedAt"] = 1_015_000
    jobs = Run(run.ledger, batch).look(9e9).jobs
    assert [jobs[2].started_at, jobs[2].stopped_at] == [None, None]
    jobs = run.look(1020).jobs
    assert [(job.started_at, job.stopped_at) for job in jobs.values()] == [
        (1_010_000, 1_020_000),
        (None, 1_015_000),
        (None, 1_020_000),
    ]


def test_a_small_run_is_told_in_full(tmp_path: Path) -> None:
    """Every child is asked about, a hundred a call, once."""
    batch = FakeBatch()
    run = submitted(tmp_path, batch, [request("sim", size=250)])
    for _ in range(4):
        run.look(1000)
    batch.calls.clear()
    state = run.in_full()
    assert batch.calls == ["DescribeJobs"] * 3
    assert all(task.job is not None for task in state.tasks.values())
    assert len(state.document()["tasks"]) == 250
    assert state.document()["groups"][0]["tasks"] == 250
    large = submitted(tmp_path / "large", FakeBatch(), [request("sim", size=MAX_TOLD_TASKS + 1)])
    assert large.in_full().document()["tasks"] == []


def test_an_array_that_never_ran_is_not_run_as_a_whole(tmp_path: Path) -> None:
    """Whether Batch made children of it or not; what needs one child of another array knows which."""
    batch = FakeBatch({"a:1": [3]})
    requests = [
        request("a", size=2),
        request("whole", 0, size=3),
        request("one", Dependency(0, child=0)),
        request("other", Dependency(0, child=1)),
    ]
    state = followed(submitted(tmp_path, batch, requests))
    assert state.counts() == {"SUCCEEDED": 2, "FAILED": 1, "NOT RUN": 4}
    assert state.tasks["one"].status == "SUCCEEDED"
    assert state.tasks["other"].failed_dependency == "a-1"
    assert state.tasks["whole-2"].note == "not run: its dependency a-1 failed"
