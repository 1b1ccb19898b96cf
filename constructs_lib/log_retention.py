"""Days of retention as CloudWatch Logs knows them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from aws_cdk import aws_logs as logs
from constructs import IConstruct

from constructs_lib.errors import PropertyError

_RETENTION: Final[Mapping[int, logs.RetentionDays]] = MappingProxyType(
    {
        1: logs.RetentionDays.ONE_DAY,
        3: logs.RetentionDays.THREE_DAYS,
        5: logs.RetentionDays.FIVE_DAYS,
        7: logs.RetentionDays.ONE_WEEK,
        14: logs.RetentionDays.TWO_WEEKS,
        30: logs.RetentionDays.ONE_MONTH,
        60: logs.RetentionDays.TWO_MONTHS,
        90: logs.RetentionDays.THREE_MONTHS,
        120: logs.RetentionDays.FOUR_MONTHS,
        150: logs.RetentionDays.FIVE_MONTHS,
        180: logs.RetentionDays.SIX_MONTHS,
        365: logs.RetentionDays.ONE_YEAR,
        400: logs.RetentionDays.THIRTEEN_MONTHS,
        545: logs.RetentionDays.EIGHTEEN_MONTHS,
        731: logs.RetentionDays.TWO_YEARS,
        1827: logs.RetentionDays.FIVE_YEARS,
        3653: logs.RetentionDays.TEN_YEARS,
    }
)


def log_retention(construct: IConstruct, days: int) -> logs.RetentionDays:
    """The retention of a log group of `construct`; PropertyError where CloudWatch Logs has no such retention.

    Source: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
    """
    if days in _RETENTION:
        return _RETENTION[days]
    legal = ", ".join(str(choice) for choice in _RETENTION)
    problem = f"CloudWatch Logs keeps events {legal} days (API_PutRetentionPolicy), got {days!r}; use one of these"
    raise PropertyError(construct, "retention_days", problem)
