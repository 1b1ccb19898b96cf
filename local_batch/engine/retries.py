"""Whether an attempt's end is worth another attempt: AWS Batch's retry strategy.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_EvaluateOnExit.html
"""

from __future__ import annotations

from local_batch.engine.jobs import Attempt, ExitRule, RetryStrategy


def wants_retry(strategy: RetryStrategy, attempt: Attempt) -> bool:
    """Whether the job is tried again after this attempt.

    Rules are asked in order and the first that matches decides; where none matches the job is retried.
    """
    if attempt.number >= strategy.attempts:
        return False
    for rule in strategy.rules:
        if _matches(rule, attempt):
            return rule.retry
    return True


def _matches(rule: ExitRule, attempt: Attempt) -> bool:
    """All patterns that the rule gives hold. An absent exit code matches nothing, an absent text is empty."""
    if rule.on_exit_code is not None and (
        attempt.exit_code is None or not _glob(rule.on_exit_code, str(attempt.exit_code))
    ):
        return False
    if rule.on_reason is not None and not _glob(rule.on_reason, attempt.reason or ""):
        return False
    return rule.on_status_reason is None or _glob(rule.on_status_reason, attempt.status_reason or "")


def _glob(pattern: str, text: str) -> bool:
    """Batch's patterns know one wildcard: `*` as the last character."""
    if pattern.endswith("*"):
        return text.startswith(pattern[:-1])
    return text == pattern
