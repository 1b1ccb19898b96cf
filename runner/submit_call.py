"""One call of SubmitJob, repeated where that is safe."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    SSOError,
)

from runner.aws_clients import BatchClient
from runner.errors import SubmissionError
from runner.look_up import find_job

ATTEMPTS: Final = 8
"""Calls for one job, throttled ones and unanswered ones together."""

LOOK_UPS: Final = 3
"""Look-ups, at least, before an unanswered call counts as not served: ListJobs may lag behind SubmitJob."""

_THROTTLED: Final = frozenset({"TooManyRequestsException", "ThrottlingException", "Throttling", "RequestLimitExceeded"})
_EXPIRED: Final = frozenset(
    {
        *("ExpiredToken", "ExpiredTokenException", "RequestExpired", "InvalidClientTokenId"),
        *("UnrecognizedClientException", "InvalidSignatureException", "TokenRefreshRequired"),
    }
)


class OutageError(SubmissionError):
    """Batch did not answer, or not so that a job was made."""


class CredentialsError(SubmissionError):
    """The credentials are not, or no longer, good: nothing was served."""


class Rate(Protocol):
    """What holds calls back."""

    def wait(self) -> None:
        """Until the next call may be made."""

    def throttled(self) -> None:
        """Batch refused a call as one too many."""


class BatchClients(Protocol):
    """Of Batch; the same ones are asked for before each call, as they may be made anew."""

    @property
    def batch(self) -> BatchClient:
        """For everything but SubmitJob."""

    @property
    def submitter(self) -> BatchClient:
        """For SubmitJob: one call is one attempt."""


@dataclass(frozen=True, kw_only=True)
class Pause:
    """How to wait: bounds of the exponential back-off, the clock and the chance that drive it."""

    clock: Callable[[], float]
    sleep: Callable[[float], object]
    first_seconds: float = 0.5
    longest_seconds: float = 20.0
    settle_seconds: float = 0.0
    """How long a job may be missing from lists after its submission."""
    jitter: Callable[[float, float], float] = random.uniform

    def before(self, attempt: int) -> None:
        """Wait before the next attempt, `attempt` of them having failed."""
        longest = min(self.first_seconds * 2 ** (attempt - 1), self.longest_seconds)
        self.sleep(self.jitter(longest / 2, longest))


class SubmitCall:
    """Makes one job for each request that it is called with, and no second one."""

    def __init__(
        self, clients: BatchClients, pause: Pause, rate: Rate, is_stopping: Callable[[], bool] = lambda: False
    ) -> None:
        """`is_stopping` says that nothing more is to be called: what is not known then, a successor looks up."""
        self._clients = clients
        self._pause = pause
        self._rate = rate
        self._is_stopping = is_stopping

    def __call__(self, request: Mapping[str, Any]) -> str:
        """The id of the job. Raises ClientError for a refusal, OutageError and CredentialsError."""
        for attempt in range(1, ATTEMPTS + 1):
            self._rate.wait()
            self._stop_if_told()
            try:
                return str(self._clients.submitter.submit_job(**request)["jobId"])
            except ClientError as error:
                found, last = self._after_answer(error, request), str(error)
            except (ConnectTimeoutError, EndpointConnectionError) as error:
                # Not connected: nothing was sent.
                found, last = None, str(error)
            except BotoCoreError as error:
                if self.is_about_credentials(error):
                    raise CredentialsError(str(error)) from error
                found, last = self._look_up(request), str(error)
            if found is not None:
                return found
            if attempt < ATTEMPTS:
                self._pause.before(attempt)
        raise OutageError(f"SubmitJob: is answered within {ATTEMPTS} calls, got: {last}")

    def _after_answer(self, error: ClientError, request: Mapping[str, Any]) -> str | None:
        if self.is_about_credentials(error):
            raise CredentialsError(str(error)) from error
        if _code(error) in _THROTTLED:
            self._rate.throttled()
            return None
        if _status(error) >= 500:
            return self._look_up(request)
        raise error

    def _look_up(self, request: Mapping[str, Any]) -> str | None:
        began, attempt = self._pause.clock(), 0
        while True:
            attempt += 1
            self._stop_if_told()
            try:
                found = find_job(self._clients.batch, request["jobQueue"], request["jobName"])
            except (ClientError, BotoCoreError) as error:
                if self.is_about_credentials(error):
                    raise OutageError(f"ListJobs: tells whether a job was made, got: {error}") from error
                raise OutageError(f"ListJobs: is answered, got: {error}") from error
            if found is not None:
                return found
            if attempt >= LOOK_UPS and self._pause.clock() - began >= self._pause.settle_seconds:
                return None
            self._pause.before(attempt)

    def _stop_if_told(self) -> None:
        if self._is_stopping():
            raise OutageError("SubmitJob: was interrupted")

    @staticmethod
    def is_about_credentials(error: Exception) -> bool:
        """Whether it says that credentials are missing or have expired."""
        if isinstance(error, ClientError):
            return _code(error) in _EXPIRED
        return isinstance(error, (NoCredentialsError, CredentialRetrievalError, SSOError))


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
