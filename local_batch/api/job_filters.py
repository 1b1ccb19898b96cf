"""The filters of ListJobs.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_ListJobs.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from local_batch.api.refusals import refuse
from local_batch.engine.jobs import Job

SHARE_IDENTIFIER: Final = "SHARE_IDENTIFIER"
"""The one filter beside which jobStatus has a meaning."""

Filter = Callable[[Job], bool]


def filter_of(rule: dict[str, Any]) -> Filter:
    """Whether one of the filter's values fits a job; raises ApiError for a filter that there is not."""
    name, values = rule.get("name"), rule.get("values") or []
    if not values:
        raise refuse("A filter must have a name and at least one value.")
    match name:
        case "JOB_NAME":
            return _by_name(values)
        case "JOB_DEFINITION":
            return _by_definition(values)
        case "BEFORE_CREATED_AT":
            latest = max(_milliseconds(value) for value in values)
            return lambda job: job.created_at < latest
        case "AFTER_CREATED_AT":
            earliest = min(_milliseconds(value) for value in values)
            return lambda job: job.created_at > earliest
        case "SHARE_IDENTIFIER":
            shares = frozenset(values)
            return lambda job: job.profile.share_identifier in shares
        case _:
            raise refuse(
                "Filter names are JOB_NAME, JOB_DEFINITION, BEFORE_CREATED_AT, AFTER_CREATED_AT and "
                f"SHARE_IDENTIFIER, got {name!r}."
            )


def _by_name(values: Sequence[str]) -> Filter:
    """Whatever the case."""
    fits = _fitting([value.lower() for value in values])
    return lambda job: fits(job.spec.name.lower())


def _by_definition(values: Sequence[str]) -> Filter:
    """An ARN means one revision; a name, or a name's beginning with a star, means all revisions."""
    arns = frozenset(value for value in values if value.startswith("arn:"))
    fits = _fitting([value for value in values if value not in arns])
    verdicts: dict[str, bool] = {}

    def passes(job: Job) -> bool:
        arn = job.profile.definition_arn
        if arn not in verdicts:
            verdicts[arn] = arn in arns or fits(arn.rpartition("/")[2].rpartition(":")[0])
        return verdicts[arn]

    return passes


def _fitting(patterns: Sequence[str]) -> Callable[[str], bool]:
    whole = frozenset(pattern for pattern in patterns if not pattern.endswith("*"))
    beginnings = tuple(pattern[:-1] for pattern in patterns if pattern.endswith("*"))
    return lambda text: text in whole or text.startswith(beginnings)


def _milliseconds(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise refuse(f"Times in filters are milliseconds since 1970, got {text!r}.")
    return int(text)
