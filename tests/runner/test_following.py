"""Following jobs and runs: every change once, few calls, no job waited for that is forgotten."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from runner.describer import Pace, describe
from runner.errors import ServiceError
from runner.run import Run
from runner.run_state import RunState
from tests.runner.fake_batch import FakeBatch, client_error
from tests.runner.made_runs import alone, submitted
from tests.runner.submitted import Clock

PACE = Pace(first_seconds=1, longest_seconds=8, growth=2, missing_polls=3)
DIAMOND = {"a": {}, "b": {"needs": ["a"]}, "c": {"needs": ["a"]}, "d": {"needs": ["b", "c"]}}


def followed(run: Run, clock: Clock | None = None) -> list[RunState]:
    """Every state up to the end."""
    clock = clock or Clock()
    return list(run.follow(PACE, clock=clock, sleep=clock.sleep))


def statuses(state: RunState) -> dict[str, str]:
    """By task."""
    return {name: task.status for name, task in state.tasks.items()}


def test_a_hundred_ids_a_call() -> None:
    """DescribeJobs takes no more; an id that is given twice is asked for once."""
    batch = FakeBatch()
    assert describe(batch, [f"id-{n}" for n in range(250)] + ["id-1"]) == {}
    assert batch.calls == ["DescribeJobs"] * 3


def test_a_run_is_followed_to_its_end_through_every_change(tmp_path: Path) -> None:
    """In the order of the graph; the last state is the end."""
    states = followed(submitted(tmp_path, FakeBatch(), alone(DIAMOND)))
    assert statuses(states[0])["d"] == "PENDING"
    assert states[-1].has_succeeded
    assert [state.status for state in states] == ["RUNNING"] * (len(states) - 1) + ["SUCCEEDED"]
    seen = [tuple(statuses(state).values()) for state in states]
    assert all(before != after for before, after in itertools.pairwise(seen))


def test_pauses_grow_while_nothing_happens_and_are_short_again_after_news(tmp_path: Path) -> None:
    """Bounded above."""
    batch, clock = FakeBatch(), Clock()
    batch.stuck["-a"] = "UNDETERMINED - x"
    run = submitted(tmp_path, batch, alone({"a": {}}))

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if len(clock.slept) == 7:
            batch.stuck.clear()

    states = list(run.follow(PACE, clock=clock, sleep=sleep))
    assert states[-1].has_succeeded
    # RUNNABLE, and the same for seven answers; then STARTING and RUNNING follow, each of them news.
    assert clock.slept == [1, 2, 4, 8, 8, 8, 8, 8, 1, 1]


def test_jobs_that_have_ended_are_not_asked_for_again(tmp_path: Path) -> None:
    """Calls are counted per account."""

    class Counting(FakeBatch):
        asked: list[list[str]]

        def describe_jobs(self, **request: Any) -> dict[str, Any]:
            self.asked.append(request["jobs"])
            return super().describe_jobs(**request)

    batch = Counting()
    batch.asked = []
    run = submitted(tmp_path, batch, alone({"a": {}, "b": {"needs": ["a"]}}))
    followed(run)
    first = run.record.job_ids[0]
    assert first in batch.asked[0]
    assert first not in batch.asked[-1]


def test_a_new_job_may_be_missing_for_a_minute_but_not_for_ever(tmp_path: Path) -> None:
    """DescribeJobs is eventually consistent; a job that is gone for good is an error that says so."""
    run = submitted(tmp_path, FakeBatch(), alone({"a": {}}))
    clock = Clock()
    with pytest.raises(ServiceError, match=r"got no answer about it 3 times in a row") as caught:
        list(Run(run.ledger, FakeBatch()).follow(PACE, clock=clock, sleep=clock.sleep))
    assert run.record.job_ids[0] in str(caught.value)
    assert clock.now - 1000 >= 60


def test_ends_are_remembered_when_batch_has_forgotten(tmp_path: Path) -> None:
    """Batch keeps jobs for a week; the ledger keeps how they ended, without command or environment."""
    batch = FakeBatch({"-b": [3]})
    keys: dict[str, Any] = {"command": ["private"], "environment": {"X": "private"}}
    run = submitted(tmp_path, batch, alone({"a": keys, "b": {"needs": ["a"]}}))
    last = followed(run)[-1]
    batch.jobs.clear()
    batch.calls.clear()
    later = Run(run.ledger, batch).look(9e9)
    assert statuses(later) == statuses(last) == {"a": "SUCCEEDED", "b": "FAILED"}
    assert later.document() == last.document()
    assert batch.calls == []
    assert "private" not in run.ledger.path.read_text()
    (only,) = followed(Run(run.ledger, batch))
    assert statuses(only) == statuses(last)


def test_dependents_of_a_failed_task_are_told_as_such(tmp_path: Path) -> None:
    """Over any number of steps, the task to look at is the one that failed by itself."""
    batch = FakeBatch({"-b": [3]})
    tasks = {**DIAMOND, "e": {"needs": ["d"]}, "f": {}}
    state = followed(submitted(tmp_path, batch, alone(tasks)))[-1]
    assert statuses(state) == {
        "a": "SUCCEEDED",
        "b": "FAILED",
        "c": "SUCCEEDED",
        "d": "NOT RUN",
        "e": "NOT RUN",
        "f": "SUCCEEDED",
    }
    assert state.tasks["e"].note == "not run: its dependency b failed"
    assert [task.name for task in state.failures()] == ["b"]
    assert state.status == "FAILED"


def test_a_blocked_job_is_shown_with_its_reason_and_what_to_do(tmp_path: Path) -> None:
    """RUNNABLE alone would look like patience."""
    batch = FakeBatch()
    batch.stuck["-a"] = (
        "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - The job resource requirement (vCPU/memory/GPU) is higher than "
        "that can be met by the CE(s) attached to the job queue."
    )
    run = submitted(tmp_path, batch, alone({"a": {}, "b": {}}))
    batch.stuck["-b"] = "SOMETHING NEW"
    state = run.look(1000)
    assert state.tasks["a"].is_blocked
    assert "is higher than that can be met" in state.tasks["a"].note
    assert "To do: lower the task's vcpus, memory_mib or gpus" in state.tasks["a"].note
    assert "job_stuck_in_runnable" in state.tasks["b"].note
    assert not state.is_over


def test_cancelling_ends_what_has_not_ended_and_says_that_it_was_asked_to(tmp_path: Path) -> None:
    """Dependents first, so that they do not look like victims; a second time there is nothing to end."""
    batch = FakeBatch()
    run = submitted(tmp_path, batch, alone(DIAMOND))
    for _ in range(4):
        run.look(1000)
    assert statuses(run.look(1000)) == {"a": "SUCCEEDED", "b": "STARTING", "c": "STARTING", "d": "PENDING"}
    assert run.cancel("enough", 1000) == ["b", "c", "d"]
    ended = [call.split()[1] for call in batch.calls if call.startswith("TerminateJob")]
    assert ended == [run.record.job_ids[run.record.positions[name].request] for name in ("d", "c", "b")]
    state = run.look(1000)
    assert statuses(state) == {"a": "SUCCEEDED", "b": "FAILED", "c": "FAILED", "d": "FAILED"}
    assert {task.note for task in state.failures()} == {"stopped: enough"}
    assert run.cancel("enough", 1000) == []


def test_a_job_whose_id_was_never_written_down_is_adopted(tmp_path: Path) -> None:
    """The runner died between the answer and the ledger."""
    batch, plan = FakeBatch(), alone({"a": {}, "b": {}, "c": {}})

    class Killed(BaseException):
        """Nothing that anyone catches."""

    def kill(request: dict[str, Any]) -> None:
        if request["jobName"].endswith("-b"):
            raise Killed

    batch.after_submit = kill
    with pytest.raises(Killed):
        submitted(tmp_path, batch, plan)
    ledger = next((tmp_path / "runs").glob("*/ledger.jsonl"))
    assert set(Run(_ledger(ledger), batch).record.job_ids) == {0}
    run = Run(_ledger(ledger), batch)
    state = run.look(1000)
    assert set(run.record.job_ids) == {0, 1}
    assert statuses(state)["c"] == "NOT SUBMITTED"
    assert followed(run)[-1].status == "FAILED"


def _ledger(path: Path) -> Any:
    from runner.ledger import Ledger  # noqa: PLC0415 - as another process would

    return Ledger(path)


def test_a_job_that_batch_does_not_know_yet_is_no_failure(tmp_path: Path) -> None:
    """One look right after submission."""
    run = submitted(tmp_path, FakeBatch(), alone({"a": {}}))
    state = Run(run.ledger, FakeBatch()).look(1000)
    assert (state.tasks["a"].status, state.is_over) == ("UNKNOWN", False)


@pytest.mark.parametrize(
    ("codes", "note"), [([137], "exit code 137 (SIGKILL: out of memory, or stopped)"), ([2], "exit code 2")]
)
def test_exit_codes_are_put_into_words(tmp_path: Path, codes: list[int], note: str) -> None:
    """Those that mean something everywhere."""
    state = followed(submitted(tmp_path, FakeBatch({"-a": codes}), alone({"a": {}})))[-1]
    assert state.tasks["a"].note == note


def test_an_error_of_the_service_while_following_is_not_hidden(tmp_path: Path) -> None:
    """Only the command line turns it into words."""

    class Broken(FakeBatch):
        def describe_jobs(self, **request: Any) -> dict[str, Any]:
            raise client_error("AccessDeniedException", "no", "DescribeJobs")

    run = submitted(tmp_path, FakeBatch(), alone({"a": {}}))
    with pytest.raises(Exception, match="AccessDenied"):
        followed(Run(run.ledger, Broken()))
