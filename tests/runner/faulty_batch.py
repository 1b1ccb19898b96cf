"""A Batch that only takes jobs and tells of them, and can be made to fail in every way that calls can."""

# ruff: noqa: D102 - the methods are AWS's own

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError

from tests.runner.fake_batch import client_error
from tests.runner.service_model import check_request


class Killed(BaseException):
    """The runner is no more: nothing that it would have done afterwards happens."""


def throttled() -> Exception:
    """What Batch says beyond 50 calls a second."""
    error: Exception = client_error("TooManyRequestsException", "Too Many Requests", status=429)
    return error


def broken() -> Exception:
    """An error of the service's own."""
    error: Exception = client_error("ServerException", "internal", status=500)
    return error


def expired() -> ClientError:
    """Credentials that were good a moment ago."""
    return client_error("ExpiredTokenException", "The security token included in the request is expired", status=403)


def lost_answer() -> Exception:
    """The request may have been served."""
    error: Exception = ReadTimeoutError(endpoint_url="https://batch")
    return error


def not_connected() -> Exception:
    """The request was not sent."""
    error: Exception = ConnectTimeoutError(endpoint_url="https://batch")
    return error


Fault = Callable[[str], Exception | BaseException | None]
"""What goes wrong with a call of that name, if anything."""


class FaultyBatch:
    """`before` fails calls that are not served then, `after` those that are."""

    def __init__(self, before: Fault = lambda _: None, after: Fault = lambda _: None) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []
        self.before = before
        self.after = after
        self.page = 100
        self.hidden = 0
        """How many of the newest jobs lists do not tell of yet."""
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """Of all jobs that were made, each as often as it was."""
        return [job["jobName"] for job in self.jobs.values()]

    def submit_job(self, **request: Any) -> dict[str, Any]:
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            return self._served("SubmitJob", request, self._submit)
        finally:
            with self._lock:
                self._at_once -= 1

    def _submit(self, request: dict[str, Any]) -> dict[str, Any]:
        check_request("batch", "SubmitJob", request)
        for entry in request.get("dependsOn", ()):
            assert entry["jobId"].partition(":")[0] in self.jobs, "what is depended on is there before"
        job_id = f"00000000-0000-4000-8000-{len(self.jobs) + 1:012d}"
        self.jobs[job_id] = {**request, "jobId": job_id, "status": "SUBMITTED"}
        return {"jobId": job_id, "jobName": request["jobName"]}

    def list_jobs(self, **request: Any) -> dict[str, Any]:
        return self._served("ListJobs", request, self._list)

    def _list(self, request: dict[str, Any]) -> dict[str, Any]:
        check_request("batch", "ListJobs", request)
        (pattern,) = request["filters"][0]["values"]
        known = list(self.jobs.values())[: len(self.jobs) - self.hidden]
        self.hidden = max(self.hidden - 1, 0)
        rows = [
            {"jobId": job["jobId"], "jobName": job["jobName"], "status": job["status"]}
            for job in reversed(known)
            if job["jobQueue"] == request["jobQueue"]
            and (job["jobName"].startswith(pattern[:-1]) if pattern.endswith("*") else job["jobName"] == pattern)
        ]
        start = int(request.get("nextToken", 0))
        more = {"nextToken": str(start + self.page)} if start + self.page < len(rows) else {}
        return {"jobSummaryList": rows[start : start + self.page], **more}

    def describe_jobs(self, **request: Any) -> dict[str, Any]:
        return self._served(
            "DescribeJobs",
            request,
            lambda asked: {"jobs": [self.jobs[job_id] for job_id in asked["jobs"] if job_id in self.jobs]},
        )

    def terminate_jobs(self, **request: Any) -> dict[str, Any]:
        return self._served("TerminateJobs", request, self._terminate)

    def _terminate(self, request: dict[str, Any]) -> dict[str, Any]:
        check_request("batch", "TerminateJobs", request)
        assert 1 <= len(request["jobs"]) <= 50
        for job_id in request["jobs"]:
            self.jobs[job_id] |= {"status": "FAILED", "statusReason": request["reason"]}
        return {"successful": [{"job": job_id} for job_id in request["jobs"]], "errors": []}

    def _served(
        self, name: str, request: dict[str, Any], serve: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> dict[str, Any]:
        with self._lock:
            self.calls.append(name)
            error = self.before(name)
            if error is not None:
                raise error
            answer = serve(request)
            error = self.after(name)
            if error is not None:
                raise error
            return answer

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} is not called")


def in_turn(*errors: Callable[[], Exception] | None, only: str = "SubmitJob") -> Fault:
    """These, one a call of that name; then nothing."""
    rest = iter(errors)

    def fault(name: str) -> Exception | None:
        error = next(rest, None) if name == only else None
        return None if error is None else error()

    return fault


def every(number: int, error: Callable[[], Exception], only: str | None = None) -> Fault:
    """Each n-th call of that name, or of any."""
    counted: Iterator[int] = itertools.count(1)

    def fault(name: str) -> Exception | None:
        return error() if only in {None, name} and next(counted) % number == 0 else None

    return fault
