"""ListJobs while jobs come and go: what stays in a list is shown once, whatever the pages and whatever happens."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local_batch.api.errors import ApiError
from local_batch.api.job_index import JobIndex
from tests.local_batch.api.front import Front, opened

STEPS = st.lists(st.sampled_from(["submit", "start", "end", "cancel", "page", "other"]), max_size=40)


def page(front: Front, token: str | None, size: int, **request: Any) -> tuple[list[str], str | None]:
    """One page of the queue: ids, and the token of the next."""
    more = {"nextToken": token} if token else {}
    answer = front.call("ListJobs", jobQueue="normal", maxResults=size, **request, **more)
    return [row["jobId"] for row in answer["jobSummaryList"]], answer.get("nextToken")


def happen(front: Front, step: str) -> None:
    """Something happens to the jobs, to the newest of those that it can happen to."""
    jobs = [job for job in reversed(front.dispatcher.engine.jobs.values()) if job.profile.queue_arn.endswith("/normal")]
    if step == "submit":
        front.submit()
    elif step == "other":
        front.submit(jobQueue="ec2", jobDefinition="tool")
    for job in jobs:
        if step == "start" and job.status == "STARTING":
            return front.start(job.job_id)
        if step == "end" and job.status == "RUNNING":
            return front.exit(job.job_id)
        if step == "cancel" and job.status == "RUNNABLE":
            front.call("CancelJob", jobId=job.job_id, reason="r")
            return None
    return None


@settings(max_examples=40, deadline=None)
@given(before=STEPS, between=STEPS, size=st.integers(1, 4), status=st.sampled_from(["RUNNABLE", "RUNNING", "FAILED"]))
def test_what_stays_in_a_list_is_shown_once(before: list[str], between: list[str], size: int, status: str) -> None:
    """By status and by filter; what joins or leaves between two pages may be shown or not, but never twice."""
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder) / "journal") as front:
        for step in before:
            happen(front, step)
        by_name: dict[str, Any] = {"filters": [{"name": "JOB_NAME", "values": ["JO*"]}]}
        for request in ({"jobStatus": status}, by_name):
            wanted = page(front, None, 1000, **request)[0]
            shown, token = page(front, None, size, **request)
            steps = iter(between)
            while token:
                happen(front, next(steps, "page"))
                more, token = page(front, token, size, **request)
                shown += more
            assert len(set(shown)) == len(shown)
            stayed = set(page(front, None, 1000, **request)[0]).intersection(wanted)
            assert [job_id for job_id in shown if job_id in stayed] == [job_id for job_id in wanted if job_id in stayed]


def test_an_index_forgets_only_what_has_ended(front: Front) -> None:
    """A job that goes back to RUNNABLE for another attempt is still looked at."""
    retried, ended = front.submit(retryStrategy={"attempts": 2}), front.submit()
    index = JobIndex(front.dispatcher.engine)
    arn = front.job(retried)["jobQueue"]
    assert [job.job_id for _, job in index.of_queue(arn).open_after(None)] == [ended, retried]
    for job_id in (retried, ended):
        front.start(job_id)
        front.exit(job_id, 1)
    assert [job.job_id for _, job in index.of_queue(arn).open_after(None)] == [retried]
    assert [job.job_id for _, job in index.of_queue(arn).after(None)] == [ended, retried]


def test_a_token_is_of_one_place_in_one_list(front: Front) -> None:
    """It holds after a restart and for another question about the same queue; in another queue it is refused."""
    ids = [front.submit() for _ in range(3)]
    first, token = page(front, None, 2, jobStatus="STARTING")
    assert first == [ids[2], ids[1]]
    restarted = Front(front.path, now_ms=front.now_ms)
    try:
        everything: dict[str, Any] = {"filters": [{"name": "JOB_NAME", "values": ["job"]}]}
        assert page(restarted, token, 2, **everything)[0] == [ids[0]]
        with pytest.raises(ApiError, match="nextToken: is one that an earlier page gave"):
            restarted.call("ListJobs", jobQueue="ec2", nextToken=token)
    finally:
        restarted.dispatcher.close()
