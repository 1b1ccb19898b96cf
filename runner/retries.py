"""Which failures of an attempt a task wants another attempt for."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from batch_limits import MAX_ATTEMPTS, MAX_EVALUATE_ON_EXIT

Condition = dict[str, str]
"""Keys of an evaluateOnExit entry but its action: onStatusReason, onReason, onExitCode."""

_CATCH_ALL: Final = MappingProxyType({"onReason": "*", "action": "EXIT"})
_MAX_REASONS: Final = MAX_EVALUATE_ON_EXIT - 1
_REASON: Final = re.compile(r"[A-Za-z0-9.:\s]{0,511}[A-Za-z0-9.:\s*]")
_EXIT_CODE: Final = re.compile(r"[0-9]{1,9}|[0-9]{1,9}\*")


def _reason_pattern(text: str) -> str:
    if _REASON.fullmatch(text):
        return text
    message = (
        "a reason is 1 to 512 letters, digits, '.', ':' and spaces and may end with '*' (API_EvaluateOnExit); end it "
        "with '*' before the first other character"
    )
    raise ValueError(message)


def _exit_code_pattern(value: object) -> str:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str) and _EXIT_CODE.fullmatch(text) and text.strip("0"):
        return text
    message = (
        "an exit code is that of a failure, or the first digits of some and '*' (API_EvaluateOnExit); write for "
        "instance 75"
    )
    raise ValueError(message)


class RetryReason(BaseModel):
    """How an attempt ended; what is given must all match."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    exit_code: Annotated[str, BeforeValidator(_exit_code_pattern)] | None = None
    """Of the program: `75`, or its first digits: `7*`."""
    reason: Annotated[str, AfterValidator(_reason_pattern)] | None = None
    """Of the container, such as `CannotPullContainerError:*`."""
    status_reason: Annotated[str, AfterValidator(_reason_pattern)] | None = None
    """Of the attempt, such as `Host EC2*`."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.exit_code is None and self.reason is None and self.status_reason is None:
            message = "one of exit_code, reason, status_reason is needed; add one"
            raise ValueError(message)
        return self

    def condition(self) -> Condition:
        """As evaluateOnExit spells it."""
        given = {"onExitCode": self.exit_code, "onReason": self.reason, "onStatusReason": self.status_reason}
        return {key: value for key, value in given.items() if value is not None}


NAMED_REASONS: Final = MappingProxyType(
    {
        "host_lost": RetryReason(status_reason="Host EC2*"),
        "spot_interruption": RetryReason(status_reason="Your Spot Task was interrupted*"),
        "image_pull": RetryReason(reason="CannotPullContainerError:*"),
        "start_failure": RetryReason(status_reason="Task failed to start*"),
        "out_of_memory": RetryReason(reason="OutOfMemoryError:*"),
    }
)
"""Words of the workflow file for the texts that AWS uses.

Source: https://docs.aws.amazon.com/batch/latest/userguide/job_retries.html
"""


def _named(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value not in NAMED_REASONS:
        message = (
            f"a reason is one of {', '.join(NAMED_REASONS)}, or a mapping with exit_code, reason or status_reason; "
            "use one of these"
        )
        raise ValueError(message)
    return NAMED_REASONS[value]


class Retries(BaseModel):
    """How often a task is attempted in all and, with `on`, after which failures only.

    Cancelled, terminated and timed-out jobs are never retried, whatever is written here.
    Source: https://docs.aws.amazon.com/batch/latest/userguide/job_retries.html
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    attempts: Annotated[int, Field(strict=True, ge=1, le=MAX_ATTEMPTS)]
    on: tuple[Annotated[RetryReason, BeforeValidator(_named)], ...] | None = None
    """Left out: every failure. Given: these failures only, at most four of them."""

    @model_validator(mode="after")
    def _fits_batch(self) -> Self:
        if self.on is not None and not 1 <= len(self.on) <= _MAX_REASONS:
            message = (
                f"on: 1 to {_MAX_REASONS} reasons, as Batch takes {MAX_EVALUATE_ON_EXIT} conditions and the last one "
                f"ends all other failures (API_RetryStrategy), got {len(self.on)}; merge some, or leave 'on' out"
            )
            raise ValueError(message)
        return self

    def retry_strategy(self) -> dict[str, object]:
        """The retryStrategy of a SubmitJob request."""
        strategy: dict[str, object] = {"attempts": self.attempts}
        if self.on is not None:
            # Batch retries what no condition matches, so the last one ends everything else.
            strategy["evaluateOnExit"] = [
                *({**reason.condition(), "action": "RETRY"} for reason in self.on),
                dict(_CATCH_ALL),
            ]
        return strategy


FAULTS_OF_THE_CLOUD: Final = Retries(
    attempts=3,
    on=tuple(NAMED_REASONS[name] for name in ("host_lost", "spot_interruption", "image_pull", "start_failure")),
)
"""A host that was lost or reclaimed, an image that could not be pulled: a program that failed would only fail again."""


class Fallback(BaseModel):
    """Where a task goes on whose host was taken away too often: Spot is cheap, on-demand comes to an end."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    queue: Annotated[str, Field(min_length=1)]
    """A name of the deployment, or a Batch queue's name or ARN."""
    after: Annotated[int, Field(strict=True, ge=1, le=MAX_ATTEMPTS)] = 2
    """Attempts that are lost to reclaims on the task's own queue first."""

    def retries(self) -> Retries:
        """On the task's own queue."""
        return Retries(attempts=self.after, on=FAULTS_OF_THE_CLOUD.on)
