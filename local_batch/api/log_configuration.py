"""Where a container's output goes.

Sources: https://docs.aws.amazon.com/batch/latest/APIReference/API_LogConfiguration.html and
https://docs.aws.amazon.com/batch/latest/userguide/using_awslogs.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from local_batch.api.refusals import not_played, refuse, refuse_unplayed
from local_batch.engine.resources import Platform

DEFAULT_GROUP: Final = "/aws/batch/job"
MAX_STREAM_PREFIX_CHARACTERS: Final = 200
_FARGATE_DRIVERS: Final = ("awslogs", "splunk", "awsfirelens")
_OPTIONS: Final = frozenset(
    {
        "awslogs-group",
        "awslogs-region",
        "awslogs-stream-prefix",
        "awslogs-datetime-format",
        "awslogs-multiline-pattern",
        "awslogs-create-group",
    }
)
_UNPLAYED_OPTIONS: Final = ("awslogs-datetime-format", "awslogs-multiline-pattern")
_WHERE: Final = "containerProperties.logConfiguration."


def check_log_configuration(container: Mapping[str, Any], platform: Platform, region: str) -> None:
    """Raise ApiError for what the service refuses or the local cloud, which is in `region`, does not play."""
    configuration = container.get("logConfiguration") or {}
    driver, options = configuration.get("logDriver", "awslogs"), configuration.get("options") or {}
    if platform is Platform.FARGATE and driver not in _FARGATE_DRIVERS:
        raise refuse(f"Log driver for Fargate is not valid: {driver}")
    if driver != "awslogs":
        raise not_played(f"{_WHERE}logDriver", driver)
    unknown = sorted(options.keys() - _OPTIONS)
    if unknown:
        raise refuse(f"Log driver awslogs disallows options: {', '.join(unknown)}")
    if configuration.get("secretOptions") and not container.get("executionRoleArn"):
        raise refuse("executionRoleArn cannot be empty when using secrets or secretOptions")
    refuse_unplayed(configuration, ("secretOptions",), _WHERE)
    refuse_unplayed(options, _UNPLAYED_OPTIONS, f"{_WHERE}options.")
    if options.get("awslogs-region") not in (None, "", region):
        raise not_played(f"{_WHERE}options.awslogs-region", options["awslogs-region"])


def log_destination(container: Mapping[str, Any], definition_name: str) -> tuple[str, str]:
    """The log group of a container, and the beginning of its log streams, to which the task id is added."""
    options = (container.get("logConfiguration") or {}).get("options") or {}
    prefix = options.get("awslogs-stream-prefix") or definition_name[:MAX_STREAM_PREFIX_CHARACTERS]
    return options.get("awslogs-group") or DEFAULT_GROUP, f"{prefix}/default/"
