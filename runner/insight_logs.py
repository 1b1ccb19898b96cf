"""Logs that ECS makes by itself where there are Container Insights: no stack knows them, so none deletes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from runner.aws_clients import Answer, BatchClient


class LogGroupsClient(Protocol):
    """CloudWatch Logs, for who looks after its groups."""

    def describe_log_groups(self, **request: Any) -> Answer:
        """Groups whose names begin so, a page at a time."""


def insight_logs(batch: BatchClient, logs: LogGroupsClient, environments: Iterable[str]) -> Iterator[str]:
    """Names of such log groups of up to 100 compute environments, which have to be there to be asked.

    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Container-Insights-reference-performance-logs-ECS.html
    """
    names = list(environments)
    # Without a name, Batch would tell of every environment of the account.
    answers = batch.describe_compute_environments(computeEnvironments=names)["computeEnvironments"] if names else []
    for environment in answers:
        if environment.get("ecsSettings") and environment.get("ecsClusterArn"):
            cluster = environment["ecsClusterArn"].rpartition("/")[2]
            name = f"/aws/ecs/containerinsights/{cluster}/"
            for group in logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]:
                yield group["logGroupName"]
