"""Submission happens once, whatever becomes of calls and answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError

from runner.errors import SubmissionError
from runner.ledger import Ledger
from runner.submission import ATTEMPTS, submit
from tests.runner.fake_batch import FakeBatch, client_error
from tests.runner.planned import RUN_ID, Clock, pause, planned, record, submitted

DIAMOND = {"a": {}, "b": {"needs": ["a"]}, "c": {"needs": ["a"]}, "d": {"needs": ["b", "c"]}}


class Fault:
    """Raises its errors in turn, one a call; then nothing."""

    def __init__(self, *errors: Exception | None, only: str = "") -> None:
        self.errors = list(errors)
        self.only = only

    def __call__(self, request: dict[str, Any]) -> None:
        """As a hook of FakeBatch."""
        if request["jobName"].endswith(self.only) and self.errors:
            error = self.errors.pop(0)
            if error is not None:
                raise error


def names(batch: FakeBatch) -> list[str]:
    """Tasks that have a job, each as often as it has."""
    return [job.detail["jobName"].removeprefix(f"{RUN_ID}-") for job in batch.jobs.values()]


def test_each_job_is_sent_with_the_ids_of_those_it_needs(tmp_path: Path) -> None:
    """The graph is Batch's own from then on."""
    batch = FakeBatch()
    run = submitted(tmp_path, batch, planned(DIAMOND))
    ids = run.record.job_ids
    needed = {
        name: [entry["jobId"] for entry in batch.jobs[job_id].detail["dependsOn"]] for name, job_id in ids.items()
    }
    assert needed == {"a": [], "b": [ids["a"]], "c": [ids["a"]], "d": [ids["b"], ids["c"]]}


def test_the_intent_is_on_disk_before_the_call_and_the_id_after_it(tmp_path: Path) -> None:
    """What a runner that is killed in between leaves behind."""
    batch, plan = FakeBatch(), planned(DIAMOND)
    ledger = Ledger.create(tmp_path, record(plan))
    seen: list[tuple[int, int]] = []

    def look(_request: dict[str, Any]) -> None:
        read = ledger.read()
        seen.append((len(read.attempted), len(read.job_ids)))

    batch.before_submit = look
    submit(plan, batch, batch, ledger, pause(Clock()), lambda _task, _job_id: None)
    assert seen == [(1, 0), (2, 1), (3, 2), (4, 3)]


def throttled() -> Exception:
    """What Batch says beyond 50 calls a second."""
    error: Exception = client_error("TooManyRequestsException", "Too Many Requests", status=429)
    return error


def lost_answer() -> Exception:
    """The request may have been served."""
    error: Exception = ReadTimeoutError(endpoint_url="https://batch")
    return error


@pytest.mark.parametrize(
    "error",
    [
        throttled,
        lambda: ConnectTimeoutError(endpoint_url="https://batch"),
        lambda: EndpointConnectionError(endpoint_url="https://batch"),
    ],
)
def test_a_call_that_was_not_served_is_repeated_after_a_growing_pause(
    tmp_path: Path, error: Callable[[], Exception]
) -> None:
    """Throttled, or never connected: no look-up is needed."""
    batch, clock = FakeBatch(), Clock()
    batch.before_submit = Fault(error(), error(), error())
    submitted(tmp_path, batch, planned({"a": {}}), clock)
    assert names(batch) == ["a"]
    assert clock.slept == [0.5, 1.0, 2.0]
    assert "ListJobs" not in batch.calls


@pytest.mark.parametrize("error", [lost_answer, lambda: client_error("ServerException", "internal", status=500)])
def test_a_job_whose_answer_was_lost_is_found_and_not_sent_again(
    tmp_path: Path, error: Callable[[], Exception]
) -> None:
    """The job is there; a second call would make a second one."""
    batch = FakeBatch()
    batch.after_submit = Fault(None, error(), None, error())
    run = submitted(tmp_path, batch, planned(DIAMOND))
    assert names(batch) == ["a", "b", "c", "d"]
    assert {batch.jobs[job_id].detail["jobName"] for job_id in run.record.job_ids.values()} == {
        f"{RUN_ID}-{name}" for name in DIAMOND
    }


def test_a_job_that_was_not_made_is_sent_again_after_looking_for_it(tmp_path: Path) -> None:
    """The connection broke before the service saw the request."""
    batch, clock = FakeBatch(), Clock()
    batch.before_submit = Fault(lost_answer(), only="-b")
    submitted(tmp_path, batch, planned(DIAMOND), clock)
    assert names(batch) == ["a", "b", "c", "d"]
    assert batch.calls.count("ListJobs") == 3


def test_a_refusal_ends_what_was_submitted_and_says_so(tmp_path: Path) -> None:
    """Half a graph is of no use; the refused job's own text is shown."""
    batch = FakeBatch()
    batch.before_submit = Fault(client_error("ClientException", "JobQueue is not there"), only="-d")
    with pytest.raises(
        SubmissionError, match=r"task d: is accepted by SubmitJob, got: JobQueue is not there; the 3 jobs .* terminated"
    ):
        submitted(tmp_path, batch, planned(DIAMOND))
    assert {job.detail["status"] for job in batch.jobs.values()} == {"FAILED"}


def test_a_refusal_of_the_first_job_leaves_nothing(tmp_path: Path) -> None:
    """And says that there is nothing."""
    batch = FakeBatch()
    batch.before_submit = Fault(client_error("ClientException", "no"))
    with pytest.raises(SubmissionError, match="nothing was submitted"):
        submitted(tmp_path, batch, planned(DIAMOND))
    assert batch.jobs == {}


def test_jobs_that_cannot_be_ended_are_named(tmp_path: Path) -> None:
    """They cost money until someone ends them."""

    class Stubborn(FakeBatch):
        def terminate_job(self, **request: Any) -> dict[str, Any]:
            raise client_error("ClientException", "no", "TerminateJob")

    batch = Stubborn()
    batch.before_submit = Fault(client_error("ClientException", "no"), only="-b")
    with pytest.raises(SubmissionError, match=r"jobs 0{8}-\S+1 could not be terminated: end them with hpc cancel"):
        submitted(tmp_path, batch, planned(DIAMOND))


def test_throttling_without_end_is_given_up(tmp_path: Path) -> None:
    """After a bounded number of calls, each pause bounded."""
    batch, clock = FakeBatch(), Clock()
    batch.before_submit = Fault(*(throttled() for _ in range(100)))
    with pytest.raises(SubmissionError, match=f"is answered within {ATTEMPTS} calls, got: .*Too Many Requests"):
        submitted(tmp_path, batch, planned({"a": {}}), clock)
    assert batch.calls.count("SubmitJob") == ATTEMPTS
    assert max(clock.slept) <= 20
