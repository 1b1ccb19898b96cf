"""Retries as Batch will read them."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from runner.retries import NAMED_REASONS, Retries


def test_without_reasons_every_failure_is_retried() -> None:
    """Batch's own default."""
    assert Retries(attempts=3).retry_strategy() == {"attempts": 3}


def test_with_reasons_everything_else_ends_the_job() -> None:
    """Batch retries what no condition matches: the last one sees to it that there is no such thing."""
    made = Retries.model_validate({"attempts": 2, "on": ["host_lost", {"exit_code": 75, "reason": "Out*"}]})
    assert made.retry_strategy() == {
        "attempts": 2,
        "evaluateOnExit": [
            {"onStatusReason": "Host EC2*", "action": "RETRY"},
            {"onExitCode": "75", "onReason": "Out*", "action": "RETRY"},
            {"onReason": "*", "action": "EXIT"},
        ],
    }


def test_every_word_is_a_condition_that_batch_accepts() -> None:
    """Their patterns pass the check that users' patterns have to pass."""
    for reason in NAMED_REASONS.values():
        assert Retries.model_validate({"attempts": 2, "on": [reason.model_dump()]}).on == (reason,)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"attempts": 0}, "greater than or equal to 1"),
        ({"attempts": 11}, "less than or equal to 10"),
        ({"attempts": True}, "valid integer"),
        ({"attempts": 2, "on": []}, "1 to 4 reasons"),
        ({"attempts": 2, "on": ["host_lost"] * 5}, "1 to 4 reasons"),
        ({"attempts": 2, "on": ["lost"]}, "a reason is one of host_lost, spot_interruption"),
        ({"attempts": 2, "on": [{}]}, "one of exit_code, reason, status_reason is needed"),
        ({"attempts": 2, "on": [{"exit_code": 0}]}, "that of a failure"),
        ({"attempts": 2, "on": [{"exit_code": "1*2"}]}, "that of a failure"),
        ({"attempts": 2, "on": [{"exit_code": -1}]}, "that of a failure"),
        ({"attempts": 2, "on": [{"reason": "Host (x)"}]}, "a reason is 1 to 512 letters"),
        ({"attempts": 2, "on": [{"reason": "*x"}]}, "a reason is 1 to 512 letters"),
        ({"attempts": 2, "on": [{"reason": "x" * 513}]}, "a reason is 1 to 512 letters"),
        ({"attempts": 2, "on": [{"status_reason": ""}]}, "a reason is 1 to 512 letters"),
    ],
)
def test_what_batch_would_refuse_is_refused(document: dict[str, object], expected: str) -> None:
    """Numbers and characters of API_RetryStrategy and API_EvaluateOnExit."""
    with pytest.raises(ValidationError, match=expected.replace("(", r"\(")):
        Retries.model_validate(document)
