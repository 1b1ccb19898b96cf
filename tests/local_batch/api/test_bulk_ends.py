"""CancelJobs and TerminateJobs: up to fifty at a time, each with a result of its own."""

from __future__ import annotations

import pytest

from local_batch.api.errors import ApiError
from tests.local_batch.api.front import Front

NOBODY = "11111111-2222-4333-8444-555555555555"


def test_cancelling_many_answers_for_each(front: Front) -> None:
    """What has started goes on, what nobody knows counts as done, what is no id is an error of its own."""
    placed = [front.submit() for _ in range(4)]
    waiting = front.submit()
    array = front.submit(arrayProperties={"size": 2})
    ids = [placed[0], waiting, f"{array}:1", NOBODY, f"{NOBODY}#3", "nonsense", ""]
    answer = front.call("CancelJobs", jobs=ids, reason="not needed")
    assert answer["successful"] == ids[:5]
    assert [(error["job"], error["code"]) for error in answer["errors"]] == [
        ("nonsense", "ValidationException"),
        ("", "ValidationException"),
    ]
    assert [front.job(job_id)["status"] for job_id in ids[:3]] == ["STARTING", "FAILED", "FAILED"]
    assert front.job(waiting)["statusReason"] == "not needed"


def test_terminating_many_ends_them_all(front: Front) -> None:
    """Whatever has not ended, with the caller's reason; named twice is named once."""
    running, waiting = [front.submit() for _ in range(4)], front.submit()
    front.start(running[0])
    answer = front.call("TerminateJobs", jobs=[running[0], waiting, waiting], reason="over budget")
    assert answer == {"successful": [running[0], waiting], "errors": []}
    front.exit(running[0], 137)
    for job_id in (running[0], waiting):
        assert (front.job(job_id)["status"], front.job(job_id)["statusReason"]) == ("FAILED", "over budget")


@pytest.mark.parametrize("operation", ["CancelJobs", "TerminateJobs"])
def test_bulk_requests_out_of_bounds_are_refused(front: Front, operation: str) -> None:
    """One to fifty ids, whichever of them are the same, and a reason of 1 to 1024 characters."""
    for ids in ([], [f"{number:08}-2222-4333-8444-555555555555" for number in range(51)], [NOBODY] * 51):
        with pytest.raises(ApiError, match=f"jobs must have 1 to 50 job IDs, got {len(ids)}"):
            front.call(operation, jobs=ids, reason="r")
    with pytest.raises(ApiError, match="reason must have 1 to 1024 characters, got 0"):
        front.call(operation, jobs=[NOBODY], reason="")
