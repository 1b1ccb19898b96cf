"""Logs, failure reports, progress, results: what people read."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from runner.described_job import from_detail
from runner.durations import count, duration, moment
from runner.errors import HpcError
from runner.failure_report import failure_reports
from runner.logs import LogReader, follow, read
from runner.plan import Dependency
from runner.progress import MAX_ROWS, MAX_SAID_GROUPS, progress, table
from runner.results import StoredObject, download, list_objects
from runner.run import Run
from runner.run_state import RunState
from tests.runner.fake_aws import FakeLogs, FakeS3
from tests.runner.fake_batch import FakeBatch
from tests.runner.made_runs import alone, request, submitted
from tests.runner.planned import RUN_ID
from tests.runner.submitted import Clock
from tests.runner.told_jobs import attempt, described


def ended(home: Path, batch: FakeBatch, tasks: dict[str, Any], **defaults: Any) -> RunState:
    """The last state of these tasks."""
    return ended_run(submitted(home, batch, alone(tasks, **defaults)))


def ended_run(run: Run) -> RunState:
    """The last state of a run."""
    for _ in range(40):
        state = run.look(2000)
    assert state.is_over
    return state


def test_a_stream_is_read_to_its_end_and_on_from_there() -> None:
    """Page after page, nothing twice; a stream that is not there yet is silent."""
    logs = FakeLogs({"s": ["1", "2", "3"]})
    reader = LogReader(logs)
    assert [line.text for line in reader.news("g", "s")] == ["1", "2", "3"]
    assert list(reader.news("g", "s")) == []
    logs.streams["s"] += ["4\n"]
    assert [line.text for line in reader.news("g", "s")] == ["4"]
    assert list(reader.news("g", "absent")) == []
    assert [line.text for line in reader.tail("g", "s", 2)] == ["3", "4"]
    assert reader.tail("g", "absent", 2) == []


def test_every_attempt_has_its_own_log(tmp_path: Path) -> None:
    """All of them in order, or one."""
    batch = FakeBatch({"-a": [1, 0]})
    state = ended(tmp_path, batch, {"a": {"retries": {"attempts": 2}}})
    job = state.tasks["a"].job
    assert job is not None
    streams = [attempt.log_stream for attempt in job.attempts]
    logs = FakeLogs({str(streams[0]): ["first"], str(streams[1]): ["second"]})
    assert [(number, line.text) for number, line in read(LogReader(logs), job, None)] == [(1, "first"), (2, "second")]
    assert [line.text for _, line in read(LogReader(logs), job, 2)] == ["second"]
    assert list(read(LogReader(logs), job, 3)) == []


def test_following_a_log_outlasts_the_job_until_it_is_quiet() -> None:
    """CloudWatch is seconds behind."""
    detail: dict[str, Any] = {"jobId": "i", "jobName": "n", "status": "RUNNING", "container": {"logStreamName": "s"}}
    logs, clock = FakeLogs({"s": ["early"]}), Clock()

    def look() -> Any:
        return from_detail(detail)

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if len(clock.slept) == 1:
            attempt = {"startedAt": 1, "stoppedAt": 2, "container": {"logStreamName": "s", "exitCode": 0}}
            detail.update({"status": "SUCCEEDED", "attempts": [attempt]})
        if len(clock.slept) == 2:
            logs.streams["s"].append("late")

    lines = [line.text for _, line in follow(LogReader(logs), look, None, sleep, 3.0)]
    assert lines == ["early", "late"]
    assert set(clock.slept) == {3.0}


def test_a_failure_report_is_complete(tmp_path: Path) -> None:
    """Name, id, status, reason, every attempt, last lines, the command for more; then those it took with it."""
    batch = FakeBatch({"-a": [1, 137]})
    run = submitted(tmp_path, batch, alone({"a": {"retries": {"attempts": 2}}, "b": {"needs": ["a"]}}))
    for _ in range(20):
        state = run.look(2000)
    detail = batch.jobs[run.record.job_ids[0]].detail
    stream = detail["attempts"][1]["container"]["logStreamName"]
    reader = LogReader(FakeLogs({stream: [f"line {number}" for number in range(30)]}))
    lines = "".join(f"    | line {number}\n" for number in range(10, 30))
    assert failure_reports(state, reader) == (
        "a failed: exit code 137 (SIGKILL: out of memory, or stopped)\n"
        f"  job     {RUN_ID}-a\n"
        f"  id      {run.record.job_ids[0]}\n"
        "  status  FAILED: Essential container in task exited\n"
        "  attempt 1 of 2: exit code 1, Essential container in task exited, ran 1.0 s\n"
        "  attempt 2 of 2: exit code 137 (SIGKILL: out of memory, or stopped), Essential container in task exited, "
        "ran 1.0 s\n"
        f"  last lines of jobs {stream}:\n{lines}"
        f"  all of it: hpc logs {RUN_ID} a --local\n"
        "\n"
        "b: not run: its dependency a failed"
    )


def test_a_job_that_never_started_has_a_report_too(tmp_path: Path) -> None:
    """No exit code, no log: the reason is all there is."""
    batch = FakeBatch()
    run = submitted(tmp_path, batch, alone({"a": {}}))
    detail = batch.jobs[run.record.job_ids[0]].detail
    pull = {
        "stoppedAt": 5,
        "statusReason": "Task failed to start",
        "container": {"reason": "CannotPullContainerError: x"},
    }
    detail |= {"status": "FAILED", "statusReason": "Task failed to start", "attempts": [pull]}
    detail["container"]["reason"] = "CannotPullContainerError: x"
    text = failure_reports(run.look(2000), LogReader(FakeLogs()))
    assert text.startswith("a failed: CannotPullContainerError: x\n")
    assert "  reason  CannotPullContainerError: x\n" in text
    assert "  attempt 1 of 1: CannotPullContainerError: x, Task failed to start, never ran\n" in text


def test_without_a_terminal_progress_is_a_line_a_change(tmp_path: Path) -> None:
    """Nothing is said twice, nothing moves the cursor."""
    run = submitted(tmp_path, FakeBatch({"-a": [2]}), alone({"a": {}, "b": {"needs": ["a"]}}))
    out = io.StringIO()
    with progress(Console(file=out, force_terminal=False)) as update:
        for _ in range(8):
            update(run.look(2000))
    said = [line.split(" ", 1)[1] for line in out.getvalue().splitlines()]
    assert said == [
        "a RUNNABLE",
        "b PENDING",
        "a STARTING",
        "a RUNNING",
        "a FAILED  exit code 2",
        "b NOT RUN  not run: its dependency a failed",
    ]


def test_on_a_terminal_the_last_table_stays(tmp_path: Path) -> None:
    """With every task and the counts."""
    state = ended(tmp_path, FakeBatch(), {"a": {}, "b": {}})
    out = io.StringIO()
    with progress(Console(file=out, force_terminal=True, width=100)) as update:
        update(state)
    assert f"{RUN_ID}: 2 SUCCEEDED" in out.getvalue()


def test_a_long_table_shows_what_matters_and_counts_the_rest(tmp_path: Path) -> None:
    """A screen has few lines; a failure is among them."""
    tasks = {"t": {"foreach": {"n": list(range(MAX_ROWS + 10))}}}
    state = ended(tmp_path, FakeBatch({"-t-30": [1]}), tasks)
    out = io.StringIO()
    Console(file=out, width=200).print(table(state, 0))
    assert len(out.getvalue().splitlines()) <= MAX_ROWS + 3
    assert re.search(r"^t-30 +FAILED +1/1 .* exit code 1$", out.getvalue(), re.MULTILINE)
    assert f"… and {MAX_ROWS + 9} more" in out.getvalue()


def test_an_array_is_a_row_with_its_counts_and_its_failed_children_below(tmp_path: Path) -> None:
    """Ten thousand tasks are no ten thousand rows."""
    batch = FakeBatch()
    run = submitted(tmp_path, batch, [request("simulate", size=10_000), request("end", 0)])
    whole = {"size": 10_000, "statusSummary": {"SUCCEEDED": 8213, "RUNNING": 1785, "FAILED": 2}}
    described(batch, run.record.job_ids[0], "PENDING", arrayProperties=whole)
    for child in (7, 9000):
        described(
            batch, f"{run.record.job_ids[0]}:{child}", "FAILED", attempts=[attempt("s", 3)], startedAt=1, stoppedAt=9001
        )
        batch.jobs[f"{run.record.job_ids[0]}:{child}"].detail["container"] = {"exitCode": 3}
    out = io.StringIO()
    Console(file=out, width=200).print(table(run.look(1000), 2e6))
    rows = [" ".join(line.split()) for line in out.getvalue().splitlines()]
    assert rows == [
        f"{RUN_ID}: 8,213 SUCCEEDED, 1,785 RUNNING, 1 PENDING, 2 FAILED",
        "task status attempt time",
        "simulate 8,213 of 10,000 SUCCEEDED, 1,785 RUNNING, 2 FAILED 16 min 40 s",
        "end PENDING",
        "simulate-7 FAILED 1/1 9.0 s exit code 3",
        "simulate-9000 FAILED 1/1 9.0 s exit code 3",
    ]


def test_without_a_terminal_an_array_is_a_line_a_second_at_most(tmp_path: Path) -> None:
    """And its last line always."""
    batch, clock, out = FakeBatch(), Clock(), io.StringIO()
    run = submitted(tmp_path, batch, [request("sim", size=1000)])
    with progress(Console(file=out, force_terminal=False, width=200), clock) as update:
        for done in (*range(0, 1000, 100), 1000):
            whole = {"size": 1000, "statusSummary": {"SUCCEEDED": done, "RUNNING": 1000 - done}}
            described(batch, run.record.job_ids[0], "PENDING" if done < 1000 else "SUCCEEDED", arrayProperties=whole)
            update(run.look(1000))
            clock.sleep(0.3)
    said = [line.split(" ", 1)[1] for line in out.getvalue().splitlines()]
    assert said == [
        "sim  0 of 1,000 SUCCEEDED, 1,000 RUNNING",
        "sim  400 of 1,000 SUCCEEDED, 600 RUNNING",
        "sim  800 of 1,000 SUCCEEDED, 200 RUNNING",
        "sim  1,000 of 1,000 SUCCEEDED",
    ]


def test_without_a_terminal_a_run_of_many_tasks_is_told_by_its_counts(tmp_path: Path) -> None:
    """Not a line for each."""
    requests = [request(f"t{number}") for number in range(MAX_SAID_GROUPS + 1)]
    run, clock, out = submitted(tmp_path, FakeBatch(), requests), Clock(), io.StringIO()
    with progress(Console(file=out, force_terminal=False, width=200), clock) as update:
        for _ in range(8):
            update(run.look(1000))
            clock.sleep(1)
    assert len(out.getvalue().splitlines()) <= 8
    assert out.getvalue().endswith(" all  251 of 251 SUCCEEDED\n")


def test_what_a_task_that_is_held_back_waits_for_is_said_once(tmp_path: Path) -> None:
    """Not whenever that gets less."""
    requests = [request("a"), request("b"), request("end", waits_for=(0, 1))]
    batch, out = FakeBatch(), io.StringIO()
    run = submitted(tmp_path, batch, requests)
    batch.stuck["-b"] = "x"
    with progress(Console(file=out, force_terminal=False, width=200)) as update:
        for _ in range(6):
            update(run.look(1000))
        batch.stuck.clear()
        for _ in range(6):
            update(run.look(1000))
    said = [line.split(" ", 1)[1] for line in out.getvalue().splitlines()]
    assert [line for line in said if line.startswith("end")] == [
        "end NOT SUBMITTED  waits for a and 1 more to end; sent by whoever follows the run"
    ]


def test_of_many_failures_ten_are_told_in_full_and_the_rest_counted(tmp_path: Path) -> None:
    """By what they have in common; so are tasks of an array that were not run."""
    batch = FakeBatch({f"sim:{child}": [3] for child in range(25)})
    requests = [request("sim", size=30), request("b", Dependency(0, by_index=True), size=30), request("end", 1)]
    state = ended_run(submitted(tmp_path, batch, requests))
    text = failure_reports(state, LogReader(FakeLogs()))
    assert text.count(" failed: exit code 3\n  job ") == 10
    assert "sim: 15 more failed: exit code 3\n" in text
    assert "b: 25 tasks not run: sim-0 and 24 more failed" in text
    assert "end: not run: its dependency sim-0 failed" in text


def test_objects_are_listed_over_all_pages_and_downloaded_below_the_folder(tmp_path: Path) -> None:
    """Folders of keys become folders; no partial file is left."""
    s3 = FakeS3({f"results/r/{name}": name.encode() for name in ("a", "b/c", "d", "e")} | {"results/other": b""})
    found = list(list_objects(s3, "bucket", "results/r/"))
    assert [entry.key for entry in found] == ["results/r/a", "results/r/b/c", "results/r/d", "results/r/e"]
    for entry in found:
        download(s3, "bucket", "results/r/", entry, tmp_path)
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()} == {
        "a",
        "b/c",
        "d",
        "e",
    }
    assert (tmp_path / "b" / "c").read_bytes() == b"b/c"


@pytest.mark.parametrize("key", ["results/r/../../escaped", "results/r/", "results/r/x/../../y"])
def test_a_key_cannot_lead_out_of_the_folder(tmp_path: Path, key: str) -> None:
    """A job chooses its keys; it does not choose where on this machine they land."""
    with pytest.raises(HpcError, match="got a key that leads elsewhere"):
        download(FakeS3({key: b"x"}), "bucket", "results/r/", StoredObject(key, 1), tmp_path / "in")
    assert not (tmp_path / "escaped").exists()


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (-5, "0.0 s"),
        (440, "0.4 s"),
        (9_940, "9.9 s"),
        (9_960, "10 s"),
        (59_600, "1 min 0 s"),
        (200_000, "3 min 20 s"),
        (7_500_000, "2 h 5 min"),
    ],
)
def test_durations_are_rounded_for_people(milliseconds: float, text: str) -> None:
    """Two units at most, no sixtieth second."""
    assert duration(milliseconds) == text


def test_moments_and_counts() -> None:
    """UTC; one job, two jobs."""
    assert moment(0) == "1970-01-01 00:00:00 UTC"
    assert (count(1, "job"), count(2, "job")) == ("1 job", "2 jobs")
